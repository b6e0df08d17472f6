"""The HTTP request of a submit, byte for byte as it goes out. Pure; the worker sends it, `mm7 encode` shows it.

Content-Length always, never chunked: Sinch answers 2500 to a request without it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gateway import __version__, mm7
from gateway.accounts import Account
from gateway.contract import submission
from gateway.contract.commands import BadCommand, Command
from gateway.contract.problems import Problem


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A POST: `headers` in the order in which they are sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def as_file(self) -> bytes:
        """Head and body as they go over the wire."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]
        return "\r\n".join(lines).encode() + self.body


def build(command: Command, account: Account, contents: Sequence[bytes]) -> HttpRequest:
    """The request of a command. Raises BadCommand for what the account or its profile does not allow."""
    message, attached = submission.to_mm7(command, account, contents)
    try:
        encoded = mm7.encode(message, attached)
    except mm7.EncodeError as error:
        raise BadCommand([Problem(path="", problem=str(error))]) from error
    limit = account.profile.max_body_bytes
    if limit is not None and len(encoded.body) > limit:
        raise BadCommand([_too_large(len(encoded.body), limit, account, contents)])
    assert account.outbound is not None  # to_mm7 has refused an account without one
    parts = urlsplit(account.outbound.url)
    userinfo, _, host = parts.netloc.rpartition("@")
    headers = {
        "Host": host,
        "User-Agent": f"mm7-gateway/{__version__}",
        "Accept": "text/xml, application/xml, multipart/related",
        "SOAPAction": '""',
        "Content-Type": encoded.content_type,
        "Content-Length": str(len(encoded.body)),
    }
    if basic := account.outbound.basic:
        headers["Authorization"] = _basic(f"{basic.username}:{basic.password.get_secret_value()}")
    elif userinfo:
        headers["Authorization"] = _basic(unquote(userinfo))
    return HttpRequest(parts._replace(netloc=host).geturl(), headers, encoded.body)


def _too_large(size: int, limit: int, account: Account, contents: Sequence[bytes]) -> Problem:
    """It is the message that is too large; the part to look at first is its largest."""
    text = f"the message has {size} bytes, {account.profile.title} takes {limit} at most"
    if not contents:
        return Problem(path="", problem=text)
    number = max(range(len(contents)), key=lambda each: len(contents[each]))
    return Problem(path=f"parts[{number}]", problem=f"{text}; this part, its largest, has {len(contents[number])}")


def _basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
