"""The providers as data."""

import pytest

from gateway import mm7, profiles
from gateway.profiles import Profile, sinch

CODES = {
    "generic": {
        "temporary": (3000, 3500, 3999, 4006, 9999),
        "permanent": (2000, 3001, 3002, 3003, 3004, 4000, 4005, 4007),
    },
    "sinch": {
        "temporary": (3000, 3003, 3500, 3510, 3999, 4006),
        "permanent": (2503, 2560, 3001, 3002, 3004, 3520, 4005, 4007),
    },
    "vibes": {
        "temporary": (3000, 4005),
        "permanent": (2002, 2999, 3001, 3002, 3003, 3004, 3500, 4001, 4002, 4007, 4500),
    },
}


def test_a_profile_is_a_module_of_its_name() -> None:
    assert {"generic", "sinch", "vibes"} <= set(profiles.names())
    assert all(profiles.load(name).title for name in profiles.names())


@pytest.mark.parametrize("name", ["", "profile", "openwave", "../sinch", "sinch.PROFILE"])
def test_a_profile_that_is_not_there_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        profiles.load(name)


def test_a_module_without_a_profile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinch, "PROFILE", "none")
    profiles.load.cache_clear()
    with pytest.raises(TypeError, match="no Profile"):
        profiles.load("sinch")


@pytest.mark.parametrize("name", profiles.names())
def test_what_it_writes_has_a_namespace_that_a_schema_has(name: str) -> None:
    profile = profiles.load(name)
    assert profile.title
    assert mm7.release_of(profile.namespace(profile.mm7_version)) is not None
    assert all(mm7.release_of(namespace) for namespace in profile.namespaces.values())
    assert profile.namespace("1.0") is None


@pytest.mark.parametrize(
    ("name", "kind", "code"), [(n, k, c) for n, kinds in CODES.items() for k, codes in kinds.items() for c in codes]
)
def test_what_may_pass_later_and_what_will_not(name: str, kind: str, code: int) -> None:
    assert profiles.load(name).is_temporary(code) is (kind == "temporary")


def test_a_code_that_is_none_goes_as_a_server_error() -> None:
    assert Profile(title="x").is_temporary(None)
    assert not Profile(title="x", temporary=frozenset()).is_temporary(3999)
    assert not Profile(title="x", temporary=frozenset()).is_temporary(None)


@pytest.mark.parametrize("name", profiles.names())
def test_no_code_is_both(name: str) -> None:
    profile = profiles.load(name)
    assert not profile.temporary & profile.permanent
    assert all(mm7.status_class(code) != 1000 for code in profile.temporary | profile.permanent)
    assert all(mm7.status_class(code) == 1000 for code in profile.partial)
