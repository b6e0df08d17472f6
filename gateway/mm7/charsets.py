"""Charsets by the names that senders give them.

Strategy: Python has codecs that are no charsets. Named by a sender, they would be slow (punycode is quadratic), raise
what no charset raises (undefined, idna) or give what no JSON can hold (utf-7, unicode_escape): here they are unknown.
"""

import codecs
import re

# What a declared charset really means: ASCII is read as its superset, Korean and Chinese as what is in fact sent.
_SUPERSETS = {"us-ascii": "utf-8", "ascii": "utf-8", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "gb2312": "gbk"}
_NAME = re.compile(r"[\w.:-]{1,40}", re.ASCII)
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}


def decode(data: bytes, charset: str) -> str:
    """The text of bytes. Raises LookupError for an unknown charset, UnicodeDecodeError for what is not in it."""
    name = charset.strip().lower()
    if not _NAME.fullmatch(name):
        raise LookupError(f"no charset: {charset[:40]!r}")
    found = codecs.lookup(_SUPERSETS.get(name, name)).name
    if found in _NO_CHARSETS:
        raise LookupError(f"no charset: {name}")
    return data.decode(found)
