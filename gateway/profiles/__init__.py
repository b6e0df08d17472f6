"""What differs between providers, as data: one module each, found by its name."""

import pkgutil
from functools import cache
from importlib import import_module

from .profile import Profile

__all__ = ["Profile", "load", "names"]


@cache
def names() -> tuple[str, ...]:
    """The profiles there are. A new provider is one new module with a PROFILE in it."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "profile"))


@cache
def load(name: str) -> Profile:
    """The profile of a name. Raises KeyError for one that is not there."""
    if name not in names():
        raise KeyError(name)
    profile = import_module(f"{__name__}.{name}").PROFILE
    if not isinstance(profile, Profile):
        raise TypeError(f"{__name__}.{name}.PROFILE is no Profile")
    return profile
