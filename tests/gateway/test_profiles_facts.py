"""What the profiles say of their providers, where something depends on it."""

from dataclasses import dataclass, replace

import pytest
from pydantic import ValidationError

from gateway import answers, mm7, profiles
from gateway.accounts import Account

OPEN = {"inbound": {"open": True}}
MO = mm7.Request(operation="SubmitReq", transaction_id="t-1", namespace=mm7.REL_5_1_2, mm7_version="5.3.0")


@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_holds_together(name) -> None:
    profile = profiles.load(name)
    assert profile.mm7_version in profile.namespaces
    assert not profile.temporary & profile.permanent
    assert all(profile.accepts(version, namespace) for version, namespace in profile.namespaces.items())
    assert all(mm7.release_of(namespace) for namespace in profile.namespaces.values())


@pytest.mark.parametrize(
    ("version", "release", "taken"),
    [
        ("5.3.0", "REL-5-MM7-1-0", True),
        ("5.3.0", "REL-6-MM7-1-4", True),
        ("5.3.0", "REL-5-MM7-1", False),
        ("6.8.0", "REL-6-MM7-1-4", True),
        ("6.8.0", "REL-6-MM7-1-3", False),
        (None, "REL-5-MM7-1-2", False),
    ],
)
def test_an_account_may_not_pair_what_sinch_refuses(version, release, taken) -> None:
    given = {"name": "a", "profile": "sinch", "mm7_version": version, "namespace": mm7.SCHEMA + release, **OPEN}
    if taken:
        assert Account.model_validate(given).namespace_written == mm7.SCHEMA + release
    else:
        with pytest.raises(ValidationError, match="Sinch does not take"):
            Account.model_validate(given)


def test_a_provider_that_says_nothing_of_namespaces_takes_any() -> None:
    assert Account.model_validate({"name": "a", "profile": "generic", "namespace": "urn:mm7", **OPEN})


@dataclass
class Of:
    """An account whose profile answers in its own way."""

    profile: profiles.Profile
    namespace_written: str = mm7.REL_5_1_2
    version_written: str = "5.3.0"


@pytest.mark.parametrize(
    ("given", "operation"), [("SubmitRsp", "SubmitRsp"), ("DeliverRsp", "DeliverRsp"), ("nothing", None)]
)
def test_a_submit_that_brings_a_message_is_answered_as_the_provider_wants(given, operation) -> None:
    account = Of(replace(profiles.load("vibes"), submit_answered_with=given))
    answer = answers.accepted(account, MO, "m-1")
    assert answer.http_status == 200
    if operation is None:
        assert answer.body == b""
    else:
        message = mm7.decode(answer.content_type, answer.body).message
        assert (message.operation, message.transaction_id, message.status.code) == (operation, "t-1", 1000)
        assert getattr(message, "message_id", "m-1") == "m-1"


def test_what_providers_mean_by_one_code_differs() -> None:
    codes = {
        name: {code for code in (3000, 3001, 3003, 3500, 3510, 4005, 4006) if profiles.load(name).is_temporary(code)}
        for name in ("sinch", "vibes", "generic")
    }
    assert codes == {
        "sinch": {3000, 3003, 3500, 3510, 4006},
        "vibes": {3000, 3510, 4005},
        "generic": {3000, 3500, 3510, 4006},
    }
