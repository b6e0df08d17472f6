"""Charsets by the names that senders give them.

Strategy: Python has codecs that are no charsets. Named by a sender, they would be slow (punycode is quadratic), raise
what no charset raises (undefined, idna) or give what no JSON can hold (utf-7, unicode_escape): here they are unknown.
"""

import codecs
import re

# What a declared charset really means: ASCII is read as its superset, Korean and Chinese as what is in fact sent.
_SUPERSETS = {
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gbk",
}
# Where it has to be told whether bytes really are in it: what all of its names mean alone.
_NARROW = {"ks_c_5601-1987": "euc_kr", "ksc5601": "euc_kr", "euc-kr": "euc_kr", "gb2312": "gb2312"}
_NAME = re.compile(r"[\w.:-]{1,40}", re.ASCII)
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}


def decode(data: bytes, charset: str, *, narrow: bool = False) -> str:
    """The text of bytes. Raises LookupError for an unknown charset, UnicodeDecodeError for what is not in it.

    `narrow`: not the superset that is in fact sent; almost any bytes are in that one.
    """
    name = charset.strip().lower()
    if not _NAME.fullmatch(name):
        raise LookupError(f"no charset: {charset[:40]!r}")
    found = codecs.lookup((narrow and _NARROW.get(name)) or _SUPERSETS.get(name, name)).name
    if found in _NO_CHARSETS:
        raise LookupError(f"no charset: {name}")
    return data.decode(found)


def same(one: str, two: str) -> bool:
    """Whether two names are names of one charset; ASCII counts as UTF-8."""
    return _canonical(one) == _canonical(two)


def _canonical(charset: str) -> str:
    name = charset.strip().lower()
    try:
        return codecs.lookup(_SUPERSETS.get(name, name)).name
    except (LookupError, ValueError):
        return name
