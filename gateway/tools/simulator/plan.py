"""The options of `mm7 simulate` as one value, and what they mean for the simulator.

Strategy: the fields are the options. `command` gives its function the signature of this class, so that an
option is written once: its type, its default and its help.
"""

import mimetypes
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from gateway import mm7

from .answers import ACCEPT, Answer, page
from .intake import Basic
from .messages import PHONE, SHORT_CODE
from .profiles import PROFILES
from .server import Choice
from .simulator import Observer, Simulator

CALLBACKS, SUBMITS, ANSWERS = "Callbacks", "Submits and reports", "Answers other than 1000"


def _option(*names: str, text: str, panel: str, envvar: str | None = None) -> object:
    return typer.Option(*names, help=text, rich_help_panel=panel, envvar=envvar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate. Times are in seconds."""

    to: Annotated[str | None, _option("--to", text="Callback URL of the gateway.", panel=CALLBACKS)] = None
    profile: Annotated[
        Literal["sinch", "vibes", "generic"],
        _option("--profile", text="Whose shapes and rules.", panel=CALLBACKS),
    ] = "sinch"
    mm7_version: Annotated[
        Literal["6.8.0", "5.5.0", "5.3.0"],
        _option("--mm7-version", text="Of callbacks; 5.5.0 is what Vibes calls 5.3.0.", panel=CALLBACKS),
    ] = "6.8.0"
    as_documented: Annotated[
        bool,
        _option("--as-documented", text="Callbacks as printed, mistakes included.", panel=CALLBACKS),
    ] = False
    user: Annotated[str | None, _option("--user", text="Basic credentials for --to.", panel=CALLBACKS)] = None
    password: Annotated[
        str,
        _option("--password", text="See --user.", panel=CALLBACKS, envvar="SIMULATOR_PASSWORD"),
    ] = ""
    mo: Annotated[
        int | None,
        _option("--mo", text="How many messages from phones to send (default: 1 if alone).", panel=CALLBACKS),
    ] = None
    text: Annotated[str, _option("--text", text="Their text; empty for none.", panel=CALLBACKS)] = "Hello"
    subject: Annotated[str | None, _option("--subject", text="Their subject.", panel=CALLBACKS)] = None
    attach: Annotated[
        list[Path] | None,
        _option("--attach", text="A file to attach, repeatable; a picture if none is.", panel=CALLBACKS),
    ] = None
    picture: Annotated[
        bool,
        _option("--picture/--no-picture", text="The picture where nothing is attached.", panel=CALLBACKS),
    ] = True
    sender: Annotated[str, _option("--from", text="The phone.", panel=CALLBACKS)] = PHONE
    shortcode: Annotated[str, _option("--shortcode", text="The service.", panel=CALLBACKS)] = SHORT_CODE
    delivery_report: Annotated[
        list[str] | None,
        _option("--delivery-report", text="Report on this MessageID, repeatable.", panel=CALLBACKS),
    ] = None
    read_reply: Annotated[
        list[str] | None,
        _option("--read-reply", text="Read reply on this MessageID, repeatable.", panel=CALLBACKS),
    ] = None
    timeout: Annotated[float, _option("--timeout", text="For each attempt.", panel=CALLBACKS)] = 10.0
    retries: Annotated[int, _option("--retries", text="After the first attempt.", panel=CALLBACKS)] = 5
    retry_interval: Annotated[float, _option("--retry-interval", text="Seconds between attempts.", panel=CALLBACKS)] = (
        300.0
    )
    listen: Annotated[
        str | None,
        _option("--listen", text="HOST:PORT to take submits at; port 0 is any free one.", panel=SUBMITS),
    ] = None
    submit_user: Annotated[
        str | None, _option("--submit-user", text="Basic credentials that submits need.", panel=SUBMITS)
    ] = None
    submit_password: Annotated[
        str,
        _option("--submit-password", text="See there.", panel=SUBMITS, envvar="SIMULATOR_SUBMIT_PASSWORD"),
    ] = ""
    report: Annotated[
        bool, _option("--report/--no-report", text="Send delivery reports on submits.", panel=SUBMITS)
    ] = True
    report_after: Annotated[float, _option("--report-after", text="Seconds.", panel=SUBMITS)] = 0.5
    mm_status: Annotated[
        list[str] | None,
        _option("--mm-status", text="MMStatus, repeatable: one report each (default: Retrieved).", panel=SUBMITS),
    ] = None
    status: Annotated[int | None, _option("--status", text="MM7 StatusCode.", panel=ANSWERS)] = None
    http: Annotated[int | None, _option("--http", text="HTTP status.", panel=ANSWERS)] = None
    answer_body: Annotated[
        Literal["response", "fault", "html", "empty"] | None,
        _option(
            "--answer-body",
            text="What to send (default: as --status, --http and --profile have it).",
            panel=ANSWERS,
        ),
    ] = None
    answer_delay: Annotated[float, _option("--answer-delay", text="Seconds.", panel=ANSWERS)] = 0.0
    retry_after: Annotated[int | None, _option("--retry-after", text="That header.", panel=ANSWERS)] = None
    hang_up: Annotated[bool, _option("--hang-up", text="Close instead of answering.", panel=ANSWERS)] = False
    fail_first: Annotated[
        int,
        _option(
            "--fail-first",
            text="Only the first N are answered so; HTTP 503 if no more is said.",
            panel=ANSWERS,
        ),
    ] = 0
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False
    stay: Annotated[
        bool | None,
        typer.Option("--stay/--once", help="Stay until Ctrl-C, or end when done (default: stay if listening)."),
    ] = None

    @property
    def stays(self) -> bool:
        """Whether to go on once all is done."""
        return self.listen is not None if self.stay is None else self.stay

    @property
    def messages(self) -> int:
        """How many messages from phones: one where nothing else was asked for."""
        if self.mo is not None:
            return self.mo
        return 0 if self.listen or self.stay or self.delivery_report or self.read_reply else 1

    @property
    def mm_statuses(self) -> tuple[str, ...]:
        """The MMStatus of each report on a message, in turn."""
        return tuple(self.mm_status or ("Retrieved",))

    def attachments(self) -> tuple[mm7.Part, ...] | None:
        """The files to attach; None is the picture."""
        if not self.attach:
            return None if self.picture else ()
        return tuple(_part(path) for path in self.attach)

    def simulator(self, observe: Observer) -> Simulator:
        """The provider that the options describe. Raises typer.BadParameter for what cannot be."""
        host, port = _address(self.listen, stay=bool(self.stay))
        first, then = self._answers()
        simulator = Simulator(
            profile=self.profile,
            to=_url(
                self.to,
                needed=port is None or self.messages > 0 or bool(self.delivery_report or self.read_reply),
            ),
            basic=_basic(self.user, self.password),
            host=host,
            port=port,
            submit_basic=_basic(self.submit_user, self.submit_password),
            mm7_version=self.mm7_version,
            as_documented=self.as_documented,
            timeout=self.timeout,
            retries=self.retries,
            retry_interval=self.retry_interval,
            report=self.report,
            report_after=self.report_after,
            mm_statuses=self.mm_statuses,
            answer=then,
            observe=observe,
        )
        simulator.script(*first)
        return simulator

    def _answers(self) -> tuple[list[Answer], Choice]:
        """What the first submits are answered, and what all others are."""
        answer = self._answer()
        if not self.fail_first:
            return [], answer
        return [page(503) if answer == ACCEPT else answer] * self.fail_first, ACCEPT

    def _answer(self) -> Answer:
        body = self.answer_body or self._fitting_body()
        answer = Answer(
            body=body,
            status=self.status or (1000 if body in {"response", "empty"} else 3000),
            http=self.http or 200,
            retry_after=self.retry_after,
            delay_seconds=self.answer_delay,
        )
        return replace(answer, ends="closed") if self.hang_up else answer

    def _fitting_body(self) -> Literal["response", "fault", "html"]:
        """A page for an HTTP status alone; for a refusal what the provider's documents show."""
        if self.status is None:
            return "response" if self.http is None else "html"
        refused = mm7.status_class(self.status) != 1000
        return "fault" if refused and PROFILES[self.profile].refuses_by_fault else "response"


def _part(path: Path) -> mm7.Part:
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        return mm7.Part(content_type=content_type, data=path.read_bytes(), filename=path.name)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--attach") from error


def _address(listen: str | None, *, stay: bool) -> tuple[str, int | None]:
    """Host and port; port None does not listen."""
    if listen is None:
        return "127.0.0.1", 0 if stay else None
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    return host.strip("[]") or "127.0.0.1", int(port)


def _url(to: str | None, *, needed: bool) -> str | None:
    if to is None and needed:
        raise typer.BadParameter("it is needed to send anything", param_hint="--to")
    if to is not None and (urlsplit(to).scheme not in {"http", "https"} or not urlsplit(to).netloc):
        raise typer.BadParameter(f"{to!r} is not an HTTP URL", param_hint="--to")
    return to


def _basic(user: str | None, password: str) -> Basic | None:
    return None if user is None else (user, password)
