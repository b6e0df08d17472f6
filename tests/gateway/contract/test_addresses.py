"""Addresses as providers write them → as users see them, and back."""

import pytest

from gateway import mm7
from gateway.contract import addresses


@pytest.mark.parametrize(
    ("element", "written", "kind", "address"),
    [
        ("Number", "15553199144", "number", "15553199144"),
        ("Number", "+15553199144", "number", "15553199144"),
        ("Number", "0015553199144", "number", "15553199144"),
        ("Number", "+1 (555) 319-9144", "number", "15553199144"),
        ("Number", "+15553199144/TYPE=PLMN", "number", "15553199144"),
        ("Number", "15553199144/type=plmn", "number", "15553199144"),
        ("Number", "111122", "number", "111122"),
        ("Number", "#3030", "number", "#3030"),
        ("Number", "anonymous", "number", "anonymous"),
        ("Number", "/TYPE=PLMN", "number", "/TYPE=PLMN"),
        ("Number", "+", "number", "+"),
        ("ShortCode", "111122", "shortcode", "111122"),
        ("ShortCode", "0011", "shortcode", "0011"),
        ("ShortCode", "88888/TYPE=PLMN", "shortcode", "88888"),
        ("ShortCode", "PIZZA", "shortcode", "PIZZA"),
        ("RFC2822Address", "phone@mms.example.com", "email", "phone@mms.example.com"),
        ("RFC2822Address", "15553199144@mms.example.com", "email", "15553199144@mms.example.com"),
        ("RFC2822Address", "+15550001111/TYPE=PLMN", "number", "15550001111"),
        ("RFC2822Address", "15553199144/TYPE=PLMN@mmsc.example.com", "number", "15553199144"),
        ("RFC2822Address", "fe80::1/TYPE=IPv6", "email", "fe80::1/TYPE=IPv6"),
        ("RFC2822Address", "name/TYPE=PLMN@mmsc.example.com", "email", "name/TYPE=PLMN@mmsc.example.com"),
        ("", "15553199144", "text", "15553199144"),
        ("", "+15553199144/TYPE=PLMN", "text", "+15553199144"),
    ],
)
def test_an_address_is_normalised_and_its_kind_follows_its_element(element, written, kind, address) -> None:
    found = addresses.from_mm7(mm7.Address(written, element))
    assert found.model_dump() == {"address": address, "kind": kind, "raw": written, "display_only": False}


def test_recipients_come_in_the_order_to_cc_bcc_each_with_its_role() -> None:
    given = mm7.Recipients(
        to=(mm7.Address("1"), mm7.Address("2", display_only=True)), cc=(mm7.Address("3"),), bcc=(mm7.Address("4"),)
    )
    found = [(one.address, one.role, one.display_only) for one in addresses.recipients(given)]
    assert found == [("1", "to", False), ("2", "to", True), ("3", "cc", False), ("4", "bcc", False)]
    assert addresses.recipients(None) == []


@pytest.mark.parametrize(
    ("text", "numbers", "element", "value"),
    [
        ("15553199144", "digits", "Number", "15553199144"),
        ("+1 555 319-9144", "digits", "Number", "15553199144"),
        ("0015553199144", "digits", "Number", "15553199144"),
        ("15553199144", "e164", "Number", "+15553199144"),
        ("+12345", "digits", "Number", "12345"),
        ("111122", "digits", "ShortCode", "111122"),
        ("12345678", "e164", "ShortCode", "12345678"),
        ("111122/TYPE=PLMN", "digits", "ShortCode", "111122"),
        ("phone@mms.example.com", "digits", "RFC2822Address", "phone@mms.example.com"),
        ("1555/TYPE=PLMN@mms.example.com", "digits", "RFC2822Address", "1555/TYPE=PLMN@mms.example.com"),
    ],
)
def test_an_address_of_a_command_finds_its_element(text, numbers, element, value) -> None:
    assert addresses.to_mm7(text, numbers=numbers) == mm7.Address(value, element)


@pytest.mark.parametrize("text", ["", "+", "PIZZA", "tel:1555", "1555x", "١٥٥٥", "#3030"])
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(ValueError, match="neither a number"):
        addresses.to_mm7(text)


@pytest.mark.parametrize(
    ("address", "word"),
    [("111122", "111122"), ("a.b@c*#é", "a-b-c---"), ("", "-"), (None, "-"), ("A_b-9", "A_b-9"), ("a b\n", "a-b-")],
)
def test_an_address_is_one_word_of_a_routing_key(address, word) -> None:
    assert addresses.key_word(address) == word
