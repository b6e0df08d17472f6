"""Commands → SubmitReq: every field in its element, the profiles' rules, the parts' names."""

from typing import Any

import pytest

from gateway import mm7
from gateway.accounts import Account
from gateway.contract import attachments, submission
from gateway.contract.commands import BadCommand, Command, CommandPart

TEXT = {"content_type": "text/plain", "text": "hello"}
PNG = {"content_type": "image/png", "data": "aGVsbG8="}


def command(**fields: Any) -> Command:
    return Command.model_validate({"id": "order-1", "to": ["15553199144"], **fields})


def submit(account: Account, **fields: Any) -> tuple[mm7.SubmitReq, tuple[mm7.Part, ...]]:
    given = command(**fields)
    contents = [attachments.inline_content(part) or b"fetched" for part in given.parts]
    return submission.to_mm7(given, account, contents)


def paths(account: Account, **fields: Any) -> set[str]:
    with pytest.raises(BadCommand) as caught:
        submit(account, **fields)
    return {problem.path for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("id", "a b/ü", "transaction_id", "a b/ü"),
        ("subject", "Your parcel", "subject", "Your parcel"),
        ("delivery_report", True, "delivery_report", True),
        ("read_reply", False, "read_reply", False),
        ("expires", "P3D", "expiry_date", "P3D"),
        ("earliest_delivery", "2026-12-01T00:00:00Z", "earliest_delivery_time", "2026-12-01T00:00:00Z"),
        ("service_code", "gold", "service_code", "gold"),
        ("linked_id", "l-1", "linked_id", "l-1"),
        ("distribution_indicator", False, "distribution_indicator", False),
        *(("priority", word, "priority", word.capitalize()) for word in ("low", "normal", "high")),
        *(
            ("message_class", w, "message_class", w.capitalize())
            for w in ("personal", "informational", "advertisement", "auto")
        ),
        *(("charged_party", w, "charged_party", w.capitalize()) for w in ("sender", "recipient", "both", "neither")),
        ("charged_party", "third_party", "charged_party", "ThirdParty"),
    ],
)
def test_each_field_goes_into_its_element(
    make_account, field: str, value: object, attribute: str, expected: object
) -> None:
    message, _ = submit(make_account(), **{field: value})
    assert getattr(message, attribute) == expected
    bare, _ = submit(make_account())
    assert field == "id" or getattr(bare, attribute) is None


def test_the_account_says_who_sends(make_account) -> None:
    message, _ = submit(make_account(vaspid="v", vasid="w"))
    assert message.sender_identification == mm7.SenderIdentification(
        vaspid="v", vasid="w", sender_address=mm7.Address("111122", "ShortCode")
    )
    assert (message.mm7_version, message.namespace, message.content) == ("6.8.0", mm7.REL_6_1_4, None)


def test_a_command_may_name_its_sender(make_account) -> None:
    message, _ = submit(make_account(), **{"from": "+15550001111"})
    assert message.sender_identification.sender_address == mm7.Address("15550001111", "Number")


def test_without_any_sender_none_is_written(make_account) -> None:
    message, _ = submit(make_account(sender=None))
    assert message.sender_identification == mm7.SenderIdentification()


def test_recipients_keep_their_roles_and_kinds(make_account) -> None:
    message, _ = submit(make_account(), to=["+1 (555) 319-9144", "4711"], cc=["a@b.example"], bcc=["0015553199145"])
    assert message.recipients == mm7.Recipients(
        to=(mm7.Address("15553199144"), mm7.Address("4711", "ShortCode")),
        cc=(mm7.Address("a@b.example", "RFC2822Address"),),
        bcc=(mm7.Address("15553199145"),),
    )


def test_vibes_writes_numbers_with_a_plus_and_others_without(make_account) -> None:
    for profile, number in (("vibes", "+15553199144"), ("sinch", "15553199144"), ("generic", "15553199144")):
        message, _ = submit(make_account(profile), parts=[TEXT], **{"from": "+15550001111"})
        assert message.recipients.to == (mm7.Address(number),)
        assert message.sender_identification.sender_address.value.endswith("15550001111")


def test_sinch_and_vibes_take_one_recipient(make_account) -> None:
    for fields in ({"to": ["15553199144", "15553199145"]}, {"cc": ["15553199145"]}, {"bcc": ["15553199145"]}):
        for profile in ("sinch", "vibes"):
            assert paths(make_account(profile), parts=[TEXT], **fields) == {"to"}
        submit(make_account("generic"), **fields)


def test_sinch_takes_no_message_without_parts_and_smil(make_account) -> None:
    assert paths(make_account("sinch")) == {"parts"}
    assert paths(make_account("sinch"), parts=[TEXT], smil=None) == {"smil"}
    own = {"content_type": "application/SMIL", "text": "<smil/>"}
    _, parts = submit(make_account("sinch"), parts=[TEXT, own], smil=None)
    assert [part.content_type for part in parts] == ["text/plain", "application/smil"]


def test_vibes_gets_smil_only_where_the_command_has_one(make_account) -> None:
    _, parts = submit(make_account("vibes"), parts=[TEXT])
    assert [part.content_type for part in parts] == ["text/plain"]
    _, parts = submit(make_account("vibes"), parts=[TEXT], smil="<smil>mine</smil>")
    assert (parts[0].content_type, parts[0].data) == ("application/smil", b"<smil>mine</smil>")


def test_smil_is_made_given_or_left_out(make_account) -> None:
    _, parts = submit(make_account(), parts=[TEXT])
    assert (parts[0].content_type, parts[0].content_id) == ("application/smil", "smil.xml")
    _, parts = submit(make_account(), parts=[TEXT], smil=None)
    assert len(parts) == 1
    _, parts = submit(make_account(), parts=[])
    assert parts == ()
    _, parts = submit(make_account(), parts=[TEXT, {"content_type": "application/smil", "text": "<smil/>"}])
    assert len(parts) == 2


def test_a_release_without_a_third_party_does_not_get_one(make_account) -> None:
    for version in ("5.3.0", "6.3.0", "6.4.0"):
        assert paths(make_account(version=version), charged_party="third_party") == {"charged_party"}
    for version in ("6.5.0", "6.8.0"):
        submit(make_account(version=version), charged_party="third_party")
    submit(make_account(version="5.3.0", namespace="urn:mm7"), charged_party="third_party")


def test_an_account_that_cannot_send_refuses() -> None:
    account = Account.model_validate({"name": "a", "profile": "generic"})
    with pytest.raises(BadCommand, match="cannot send"):
        submit(account)
    assert submission.sender_of(command(), account) is None


def test_a_sender_of_the_account_that_is_none_is_told(make_account) -> None:
    assert paths(make_account(sender="shop")) == {"from"}
    submit(make_account(sender="shop"), **{"from": "111122"})


def test_parts_have_their_content_type_charset_and_names(make_account) -> None:
    _, parts = submit(
        make_account(), smil=None, parts=[{**TEXT, "content_type": "TEXT/Plain"}, {**PNG, "filename": "a b ü.png"}]
    )
    assert parts == (
        mm7.Part(
            content_type="text/plain",
            data=b"hello",
            charset="utf-8",
            content_id="part-1.txt",
            content_location="part-1.txt",
        ),
        mm7.Part(
            content_type="image/png",
            data=b"hello",
            filename="a_b_.png",
            content_id="a_b_.png",
            content_location="a_b_.png",
        ),
    )


TRICKY = [
    [{"filename": "a"}, {"filename": "a"}, {"filename": "a"}],
    [{"filename": "3-a"}, {"filename": "a"}, {"filename": "a"}],
    [{"filename": "ü"}, {"filename": "ä"}, {"filename": "_"}],
    [{"filename": "part-2.png"}, {}, {"filename": "2-part-2.png"}],
    [{"filename": "b", "content_id": "x"}, {"content_id": "b"}, {"filename": "x"}],
    [{"content_id": "p"}, {"filename": "p"}, {"filename": "p", "content_id": "q"}],
    [{"filename": "smil.xml"}, {"filename": "mms-content"}, {"filename": "soap-start"}],
    [{"filename": "../../etc/passwd"}, {"filename": 'a"; name="b'}, {"filename": "a\r\nX: y"}],
    [{"filename": "same.png", "content_id": "same.png"}, {"filename": "same.png"}, {}],
]


@pytest.mark.parametrize("given", TRICKY, ids=str)
def test_names_are_plain_and_each_has_its_own(make_account, given: list[dict]) -> None:
    _, parts = submit(make_account(), parts=[{**PNG, **each} for each in given])
    ids = [part.content_id for part in parts]
    locations = [part.content_location for part in parts if part.content_location]
    assert len(set(ids)) == len(ids) == 4
    assert len(set(locations)) == 3
    for part in parts:
        for name in (part.filename, part.content_id, part.content_location):
            assert name is None or (name.isascii() and name.isprintable() and not set(name) & set('"\\/<> '))
    for part, each in zip(parts[1:], given, strict=True):
        assert part.content_id == each.get("content_id", part.content_id)


def test_a_content_id_that_is_taken_is_told_by_its_path(make_account) -> None:
    doubled = [{**PNG, "content_id": "a"}, {**PNG, "content_id": "a"}, {**PNG, "content_id": "smil.xml"}, PNG, PNG]
    assert paths(make_account(), parts=doubled) == {"parts[1].content_id", "parts[2].content_id"}


def test_the_content_of_a_part_stands_in_it_or_is_to_be_fetched() -> None:
    assert attachments.inline_content(CommandPart.model_validate(TEXT)) == b"hello"
    assert attachments.inline_content(CommandPart.model_validate({**TEXT, "text": ""})) == b""
    assert attachments.inline_content(CommandPart.model_validate({**PNG, "data": ""})) == b""
    assert attachments.inline_content(CommandPart(content_type="image/png", url="s3://b/c")) is None
