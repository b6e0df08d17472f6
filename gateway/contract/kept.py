"""What we have written down ourselves and read again, perhaps in another version: an upgrade, or the way back.

A version reads what an older one wrote because what is new has defaults, and what a newer one wrote because it passes
by what it does not know. Where passing by would be wrong, the newer one writes another kind.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known(kind: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields found that a dataclass has."""
    return {each.name: found[each.name] for each in fields(kind) if each.name in found}
