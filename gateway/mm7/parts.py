"""One attachment of a message."""

from dataclasses import dataclass

# What a declared charset really means: ASCII is read as its superset, Korean and Chinese as what is in fact sent.
_SUPERSETS = {"us-ascii": "utf-8", "ascii": "utf-8", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "gb2312": "gbk"}


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
        charset = (self.charset or "utf-8").lower()
        try:
            return self.data.decode(_SUPERSETS.get(charset, charset)).removeprefix("\ufeff"), True
        except (UnicodeDecodeError, LookupError):
            return self.data.decode("utf-8", "replace"), False
