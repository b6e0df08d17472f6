"""Named deviations that were read all the same.

Strategy: reading is strict first. Whatever had to be put up with is added here by name, in the order it was met; the
names travel in the event (`quirks`) and as a metric label, so a provider's habits are visible before they hurt.
"""

QUIRKS = {
    "address_untyped": "an address is bare text, not in a Number, ShortCode or RFC2822Address",
    "bad_transfer_encoding": "a part is not in the Content-Transfer-Encoding that it declares; its bytes are kept raw",
    "bare_ampersand": "an & in the envelope is not escaped",
    "bare_less_than": "a < in the envelope is not escaped",
    "blank_before_declaration": "white space stands before the XML declaration",
    "body_without_multipart": "Content-Type says multipart, the body is one XML document",
    "boolean_case": "a boolean has capital letters",
    "boundary_mismatch": "the boundary of the Content-Type is not in the body; it was taken from the first delimiter",
    "boundary_missing": "Content-Type names no boundary; it was taken from the first delimiter",
    "charset_contradiction": "the Content-Type and the XML declaration name different encodings",
    "children_namespace": "elements of the message are in another namespace than the message itself",
    "closing_delimiter_missing": "the last delimiter of a multipart is missing",
    "content_by_name": "the message refers to a part by its Content-Location or its file name",
    "content_id_form": "a Content-ID is not one identifier in angle brackets",
    "content_missing": "the message refers to content, and there is no part",
    "content_type_malformed": "a Content-Type is not well formed: a value lacks its quotes, a parameter is empty",
    "content_type_missing": "there is no Content-Type",
    "content_type_unexpected": "the Content-Type is not one that MM7 uses",
    "content_unmatched": "no part has the Content-ID that the message refers to",
    "content_unreferenced": "there are parts, and the message has no Content element",
    "element_order": "the elements are not in the order of the schema",
    "encoding_fallback": "the text is in no encoding that it declares; it was read byte by byte as Latin-1",
    "encoding_mismatch": "the XML declaration names another encoding than the bytes are in",
    "fault_outside_body": "the SOAP Fault stands outside the Body",
    "filename_null": "a part's file name is the word null; it is treated as absent",
    "filename_unsafe": "a part's file name holds a path or control characters; it is also kept raw",
    "header_folding": "a header of a part is continued on a line that does not begin with a blank",
    "header_namespace": "the TransactionID is in another namespace than the message",
    "href_form": "the href is not `cid:` and a Content-ID",
    "illegal_character": "a character that XML cannot hold is in the envelope; U+FFFD stands for it",
    "name_case": "an element's name is in other letters (upper or lower case) than the specification's",
    "name_variant": "an element or attribute goes by another name than its release gives it (Detail, mm7:href)",
    "namespace_blank": "white space stands at the end of a namespace",
    "namespace_missing": "the MM7 message is in no namespace",
    "namespace_unknown": "the MM7 message is in a namespace that no release has",
    "operation_missing": "the message's elements stand in the Body without the operation's own; it was told from them",
    "part_headers_unfinished": "no blank line between the headers of a part and its body",
    "part_transfer_encoding": "a part has an HTTP header, Transfer-Encoding; its bytes are taken as they are",
    "repeated_element": "an element that may stand once stands more than once; the first one counts",
    "smil_unmatched": "the SMIL document names a part that is not there",
    "smil_unreadable": "the SMIL document cannot be read",
    "soap_body_missing": "the message stands in the envelope without a Body",
    "soap_envelope_missing": "the MM7 message stands there without a SOAP envelope",
    "soap_namespace": "the SOAP envelope is not in the SOAP 1.1 namespace",
    "start_form": "the start parameter is not a Content-ID in angle brackets",
    "start_unmatched": "the start parameter names a part that is not there",
    "status_nonstandard": "MMStatus is none of the specification's words; it is also kept raw",
    "status_shape": "a response's status is not in StatusCode and StatusText inside Status",
    "submit_as_deliver": "a SubmitReq is used to deliver a message from a phone",
    "text_encoding_fallback": "a text part is not in the charset that it declares",
    "time_format": "a time can be read, and is not in the format of the schema (xs:dateTime)",
    "time_unreadable": "a time is in no format that we know; it is kept raw",
    "time_without_zone": "a time has no zone; it was read as UTC",
    "transaction_id_missing": "there is no TransactionID",
    "typographic_quotes": "typographic quotation marks stand in for straight ones",
    "unbound_prefix": "a namespace prefix is not declared, or two colons follow it",
    "unknown_element": "an element that MM7 does not have; it is in `extensions`",
    "value_unreadable": "a value is not of its type; it is treated as absent",
    "version_unknown": "MM7Version is none that a schema has",
    "wap_multipart": "a part is a binary WAP multipart; its parts stand in its place",
    "wap_multipart_as_mime": "a part says application/vnd.wap.multipart, which is binary, and is a MIME multipart",
    "wap_multipart_unreadable": "a part says application/vnd.wap.multipart and is not well-formed; it is kept whole",
    "xml_recovered": "the envelope is not well-formed; what could be read was read",
}


class Quirks(dict[str, None]):
    """An ordered set of quirk names; `add` refuses a name that has no sentence in QUIRKS."""

    def add(self, name: str) -> None:
        """Note one deviation by its name."""
        if name not in QUIRKS:
            raise KeyError(name)
        self[name] = None
