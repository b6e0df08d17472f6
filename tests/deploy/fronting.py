"""What the tests of what stands before the receivers share: receivers, a CA of their own, callers with an address."""

import asyncio
import contextlib
import http.client
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from problems import NoServer, StartFailed

from tests.conftest import Program, config, no_broker
from tests.processes.conftest import REPORT

PROXY, ALLOWED, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
ACCOUNTS = {
    "open": {"profile": "generic", "inbound": {"open": True}},
    "guarded": {"profile": "generic", "inbound": {"networks": [f"{ALLOWED}/32"]}},
    "certified": {"profile": "generic", "inbound": {"open": True}},
}
Answer = tuple[int, Mapping[str, str], str]


@contextlib.contextmanager
def started(make: Callable[[], Any]) -> Iterator[Any]:
    """A front, running; skips where its program is not to be had."""
    try:
        front = make()
    except NoServer as error:
        no_broker(str(error))
    try:
        front.start()
        yield front
    except StartFailed as error:
        pytest.fail(str(error))
    finally:
        front.destroy()


def receiver(run: Callable[..., Program], folder: Path, **settings: object) -> Program:
    """A receiver behind a proxy. It has no broker: it keeps what comes in its spool, which is as good for these tests."""
    given = {
        "AMQP_URL": "amqp://127.0.0.1:9/",
        "CONFIG": config(folder / "accounts.toml", ACCOUNTS),
        "SPOOL_DIR": folder / "spool",
        "STATE_URL": f"sqlite:///{folder}/state.db",
        "TRUSTED_PROXIES": f"{PROXY}/32",
    }
    return run("gateway", **given | settings)


def ports(program: Program) -> tuple[int, int]:
    """Its port and its admin port."""
    facts = program.logged("receiver.listening")[0]
    return facts["port"], facts["admin_port"]


def report(padding: int = 0) -> bytes:
    """A delivery report with an id of its own, and so many bytes more."""
    return (REPORT.format(id=secrets.token_hex(8)) + " " * padding).encode()


def call(
    port: int, account: str, *, source: str = STRANGER, tls: ssl.SSLContext | None = None, **headers: str
) -> Answer:
    """POST a report as somebody at `source`."""
    options: dict[str, Any] = {"timeout": 15, "source_address": (source, 0)}
    made = (
        http.client.HTTPSConnection("localhost", port, context=tls, **options)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, **options)
    )
    with contextlib.closing(made) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", f"/mm7/{account}", report(), {"Content-Type": "text/xml", **named})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()


def raw(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> str:
    """The first line of the answer to these very bytes."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 15))
        if tls:
            connection = stack.enter_context(tls.wrap_socket(connection, server_hostname="localhost"))
        connection.sendall(request)
        return stack.enter_context(connection.makefile("rb")).readline().decode()


def folded() -> bytes:
    """A callback whose Content-Type goes on in a second line, as in Sinch's printed example."""
    body = report()
    head = (
        "POST /mm7/open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f'Content-Type: text/xml;\r\n charset="utf-8"\r\nContent-Length: {len(body)}\r\n\r\n'
    )
    return head.encode() + body


@contextlib.contextmanager
def gone() -> Iterator[int]:
    """A port as of a host that is gone: connections to it are neither taken nor refused."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


class Load:
    """Callers with kept-alive connections that never pause; `answers` counts what they got, by status or error."""

    def __init__(self, port: int, callers: int = 6, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[object, int] = {}
        self._url = f"{'https' if tls else 'http'}://localhost:{port}/mm7/open"
        self._callers = callers
        self._tls: ssl.SSLContext | bool = tls or True

    @contextlib.asynccontextmanager
    async def going(self) -> Any:
        ending = asyncio.Event()

        async def one(session: aiohttp.ClientSession, padding: int) -> None:
            while not ending.is_set():
                try:
                    data = report(padding)
                    headers = {"Content-Type": "text/xml"}
                    async with session.post(self._url, data=data, headers=headers, ssl=self._tls) as response:
                        await response.read()
                        outcome: object = response.status
                except aiohttp.ClientError as error:
                    outcome = repr(error)
                self.answers[outcome] = self.answers.get(outcome, 0) + 1
                await asyncio.sleep(0.01)

        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            for number in range(self._callers):  # the half of them with bodies that no proxy's buffer holds
                tasks.create_task(one(session, 100_000 * (number % 2)))
            try:
                yield self
            finally:
                ending.set()


class Authority:
    """A certificate authority of the test's own, by the openssl command. `name` is its common name."""

    def __init__(self, folder: Path, name: str) -> None:
        if not shutil.which("openssl"):
            no_broker("there is no openssl command")
        self._folder, self._name = folder, name
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        self._make(name, self.certificate, self._key, "basicConstraints=critical,CA:TRUE")

    def issue(self, name: str) -> Path:
        """A file with certificate and key of `name`, for a server or a client."""
        certificate, key = self._folder / f"{name}-of-{self._name}.pem", self._folder / f"{name}-of-{self._name}.key"
        signed = ("-CA", str(self.certificate), "-CAkey", str(self._key))
        self._make(name, certificate, key, f"subjectAltName=DNS:{name}", *signed)
        certificate.write_text(certificate.read_text() + key.read_text())
        return certificate

    def _make(self, name: str, certificate: Path, key: Path, extension: str, *more: str) -> None:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        files = ("-subj", f"/CN={name}", "-out", str(certificate), "-keyout", str(key), "-addext", extension)
        subprocess.run(["openssl", "req", "-x509", *curve, *files, *more], check=True, capture_output=True)

    def context(self, client: Path | None = None) -> ssl.SSLContext:
        """A caller's view: it believes this authority, and shows `client`."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if client:
            context.load_cert_chain(client)
        return context


def authorities(folder: Path) -> tuple[Authority, Authority, Authority]:
    """The server's, a provider's and another provider's."""
    return Authority(folder, "ours"), Authority(folder, "Sinch Client CA"), Authority(folder, "Another Client CA")
