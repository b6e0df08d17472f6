"""Named deviations that were read all the same.

Strategy: reading is strict first. Whatever had to be put up with is added here by name, in the order it was met; the
names travel in the event (`quirks`) and as a metric label, so a provider's habits are visible before they hurt.
"""

QUIRKS = {
    "bad_transfer_encoding": "a part is not in the Content-Transfer-Encoding that it declares; its bytes are kept raw",
    "bare_ampersand": "an & in the envelope is not escaped",
    "bare_less_than": "a < in the envelope is not escaped",
    "blank_before_declaration": "white space stands before the XML declaration",
    "body_without_multipart": "Content-Type says multipart, the body is one XML document",
    "boundary_missing": "Content-Type names no boundary; it was taken from the first delimiter",
    "boundary_mismatch": "the boundary of the Content-Type is not in the body; it was taken from the first delimiter",
    "closing_delimiter_missing": "the last delimiter of a multipart is missing",
    "content_missing": "the message refers to content, and there is no part",
    "content_type_missing": "there is no Content-Type",
    "content_type_unexpected": "the Content-Type is not one that MM7 uses",
    "content_unmatched": "no part has the Content-ID that the message refers to",
    "content_unreferenced": "there are parts, and the message has no Content element",
    "encoding_fallback": "the text is in no encoding that it declares; it was read byte by byte as Latin-1",
    "encoding_mismatch": "the XML declaration names another encoding than the bytes are in",
    "illegal_character": "a character that XML cannot hold is in the envelope; U+FFFD stands for it",
    "name_case": "an element's name is in other letters (upper or lower case) than the specification's",
    "namespace_missing": "the MM7 message is in no namespace",
    "namespace_unknown": "the MM7 message is in a namespace that no release has",
    "part_headers_unfinished": "no blank line between the headers of a part and its body",
    "repeated_element": "an element that may stand once stands more than once; the first one counts",
    "soap_envelope_missing": "the MM7 message stands there without a SOAP envelope",
    "soap_namespace": "the SOAP envelope is not in the SOAP 1.1 namespace",
    "start_unmatched": "the start parameter names a part that is not there",
    "submit_as_deliver": "a SubmitReq is used to deliver a message from a phone",
    "text_encoding_fallback": "a text part is not in the charset that it declares",
    "time_unreadable": "a time is in no format that we know; it is kept raw",
    "time_without_zone": "a time has no zone; it was read as UTC",
    "transaction_id_missing": "there is no TransactionID",
    "typographic_quotes": "typographic quotation marks stand in for straight ones",
    "unbound_prefix": "a namespace prefix is not declared",
    "value_unreadable": "a value is not of its type; it is treated as absent",
    "xml_recovered": "the envelope is not well-formed; what could be read was read",
}


class Quirks(dict[str, None]):
    """An ordered set of quirk names; `add` refuses a name that has no sentence in QUIRKS."""

    def add(self, name: str) -> None:
        """Note one deviation by its name."""
        if name not in QUIRKS:
            raise KeyError(name)
        self[name] = None
