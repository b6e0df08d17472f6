"""How a provider can answer a submit: one value that says it, one table that renders it.

Strategy: an answer has a body (`response`, `fault`, `html`, `empty`), a status and a way to end; the hundred
ways in which providers disappoint are combinations of these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from gateway import mm7

_ACCEPTED = (1000, 1100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer a submit with.

    `body`: SubmitRsp, RSErrorRsp in a SOAP Fault, an HTML page as a proxy writes it, or nothing. `status`,
    `text`: the MM7 StatusCode and StatusText. `http`: the HTTP status. `retry_after`: seconds, the header of
    that name. `ends`: `closed` closes the connection where the answer should come; `unread` never reads the
    body, and closes.
    """

    body: Literal["response", "fault", "html", "empty"] = "response"
    status: int = 1000
    text: str | None = None
    http: int = 200
    retry_after: int | None = None
    delay_seconds: float = 0.0
    ends: Literal["answered", "closed", "unread"] = "answered"

    @property
    def accepts(self) -> bool:
        """Whether the message is on its way, even where the sender is not told: reports follow."""
        taken = self.status in _ACCEPTED and self.http < HTTPStatus.MULTIPLE_CHOICES
        return taken and self.body in ("response", "empty") and self.ends != "unread"


ACCEPT = Answer()


def refuse(status: int, text: str | None = None, *, fault: bool = False, http: int = 200) -> Answer:
    """Refuse by an MM7 StatusCode; Faults come with HTTP 500 from some providers and with 200 from others."""
    return Answer(body="fault" if fault else "response", status=status, text=text, http=http)


def page(http: int, *, retry_after: int | None = None) -> Answer:
    """Answer with an HTTP status and an HTML page, as whatever stands in front of a provider does."""
    return Answer(body="html", http=http, status=3000, retry_after=retry_after)


def late(seconds: float) -> Answer:
    """Accept, and say so after a while."""
    return Answer(delay_seconds=seconds)


def empty() -> Answer:
    """Accept, and answer 200 without a word: the sender cannot know."""
    return Answer(body="empty")


def hang_up() -> Answer:
    """Accept, and close the connection without an answer: the sender cannot know."""
    return Answer(ends="closed")


def unread(seconds: float = 0.0) -> Answer:
    """Leave the body unread, and close the connection after a while."""
    return Answer(ends="unread", delay_seconds=seconds)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, ready to be sent."""

    http: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def render(answer: Answer, request: mm7.Request, message_id: str | None) -> Reply:
    """The answer to a request, whose TransactionID, namespace and MM7Version it echoes."""
    content_type, body = _BODIES[answer.body](answer, request, message_id)
    headers = {"Content-Type": content_type} if body else {}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    return Reply(answer.http, headers, body)


def _response(answer: Answer, request: mm7.Request, message_id: str | None) -> tuple[str, bytes]:
    # The schema demands a MessageID of a refusal too; an empty one says that there is none.
    written = mm7.encode(mm7.response(request, answer.status, answer.text, message_id=message_id or ""))
    return written.content_type, written.body


def _fault(answer: Answer, request: mm7.Request, _message_id: str | None) -> tuple[str, bytes]:
    message = mm7.RSErrorRsp(
        transaction_id=request.transaction_id,
        namespace=request.namespace or mm7.REL_6_1_4,
        mm7_version=request.mm7_version or "6.8.0",
        status=mm7.Status(code=answer.status, text=answer.text or mm7.status_text(answer.status)),
        fault_code="Client" if mm7.status_class(answer.status) == 2000 else "Server",
    )
    written = mm7.encode(message)
    return written.content_type, written.body


def _html(answer: Answer, _request: mm7.Request, _message_id: str | None) -> tuple[str, bytes]:
    known = answer.http in HTTPStatus._value2member_map_
    title = f"{answer.http} {HTTPStatus(answer.http).phrase if known else 'Error'}"
    head = f"<html><head><title>{title}</title></head>"
    return "text/html", f"{head}<body><center><h1>{title}</h1></center></body></html>\r\n".encode()


def _empty(_answer: Answer, _request: mm7.Request, _message_id: str | None) -> tuple[str, bytes]:
    return "", b""


_BODIES: Mapping[str, Callable[[Answer, mm7.Request, str | None], tuple[str, bytes]]] = {
    "response": _response,
    "fault": _fault,
    "html": _html,
    "empty": _empty,
}
