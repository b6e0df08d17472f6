"""One attachment of a message."""

from dataclasses import dataclass

from . import charsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One attachment, transfer encoding removed. `content_type` is lower case and without parameters."""

    content_type: str
    data: bytes
    charset: str | None = None
    filename: str | None = None
    content_id: str | None = None
    content_location: str | None = None

    def text(self) -> tuple[str, bool]:
        """The bytes as text, and whether they really were in the declared charset (UTF-8 where none is)."""
        try:
            return charsets.decode(self.data, self.charset or "utf-8").removeprefix("\ufeff"), True
        except (UnicodeDecodeError, LookupError):
            return self.data.decode("utf-8", "replace"), False
