"""Vibes' callbacks as its page on receiving an MMS prints them, in both MM7 versions that it offers.

Strategy: in 6.8.0 a phone's message is a DeliverReq without Content; in "5.5.0" it is a SubmitReq in the
5.3.0 schema. Both declare utf-16 and are UTF-8. `as_documented` adds what may be the page's doing: no blank
line under the headers of inner parts and, in 5.5.0, typographic quotes and a boundary in the header that is
not the body's.
"""

import base64
import re
import secrets
from dataclasses import replace
from urllib.parse import quote

from gateway import mm7

from . import generic
from .messages import Mo, ReadReply, Report
from .profile import Form, Profile
from .wire import Callback, Section, boundary, fill, multipart, part_names

MO_6_8_0 = """\
<?xml version="1.0" encoding="utf-16"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">
    <SOAP-ENV:Header>
        <mm7:TransactionID SOAP-ENV:mustUnderstand="1"
            xmlns:mm7="{namespace}">{transaction_id}</mm7:TransactionID>
    </SOAP-ENV:Header>
    <SOAP-ENV:Body>
        <mm7:DeliverReq xmlns:mm7="{namespace}">
            <mm7:MM7Version>{mm7_version}</mm7:MM7Version>
            <mm7:MMSRelayServerID />
            <mm7:Sender>
                <mm7:Number>{e164}</mm7:Number>
            </mm7:Sender>
            <mm7:Recipients>
                <mm7:To>
                    <mm7:ShortCode>{recipient}</mm7:ShortCode>
                </mm7:To>
            </mm7:Recipients>
            <mm7:Priority>Normal</mm7:Priority>
            <mm7:Subject>{subject}</mm7:Subject>
        </mm7:DeliverReq>
    </SOAP-ENV:Body>
</SOAP-ENV:Envelope>
"""

# The page wants the source in the ShortCode of SenderAddress, and the destination in the Number of To.
MO_5_5_0 = """\
<?xml version="1.0" encoding="utf-16"?>

<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">
    <soapenv:Header>
        <TransactionID xmlns="{namespace}">{transaction_id}</TransactionID>
    </soapenv:Header>
    <soapenv:Body xmlns:ns3="{namespace}">
        <ns3:SubmitReq xmlns="{namespace}">
            <ns3:MM7Version>{mm7_version}</ns3:MM7Version>
            <ns3:SenderIdentification>
                <ns3:SenderAddress>
                    <ns3:ShortCode>{sender}</ns3:ShortCode>
                </ns3:SenderAddress>
            </ns3:SenderIdentification>
            <ns3:Recipients>
                <ns3:To>
                    <ns3:Number>{recipient}</ns3:Number>
                </ns3:To>
            </ns3:Recipients>
            <ns3:DeliveryReport>true</ns3:DeliveryReport>
            <ns3:Subject>{subject}</ns3:Subject>
            <ns3:Content href="{href}"/>
        </ns3:SubmitReq>
    </soapenv:Body>
</soapenv:Envelope>
"""

USER_AGENT = "Java/1.6.0_65"
RELATED = 'multipart/related; type="text/xml"; boundary="{}"'
ROOT_HEAD = "Content-Type: text/xml; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
ROOT_ID_6_8_0 = "Content-Id: {}.sun-soap.simulator.local"
ROOT_ID_5_5_0 = "Content-ID: <rootpart>"
CONTENT_HEAD_6_8_0 = """\
Content-Type: multipart/mixed;
    boundary="{boundary}"
Content-ID: <{ids}>
Content-Disposition: inline; filename="null"
"""
# start names a part that is not there, in the page too.
CONTENT_HEAD_5_5_0 = """\
Content-Type: multipart/related; boundary="{boundary}";
    type="image/jpeg; name=connect.jpg"; start="<connect.jpg>"
Content-Transfer-Encoding: binary
Content-ID: <attachment.cid>
"""
PART_HEAD_6_8_0 = """\
Content-Type: {content_type}; name={name}
Content-Disposition: attachment; filename={name}
Content-ID: <{name}>
"""
PART_HEAD_5_5_0 = """\
Content-Type: {content_type}; name={name}
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename={name}
Content-ID: <{name}>
"""
# The form that Vibes gives for StatusText on failure.
FAILURE_TEXT = "Error 3000 - {} by the simulated network [ref: 01]"
_QUOTED = re.compile('"([^"]*)"')


def _names(parts: tuple[mm7.Part, ...]) -> list[str]:
    """The phone's own file names, passed through; quoted because the headers show them as bare tokens."""
    return [quote(part.filename or name) for part, name in zip(parts, part_names(parts), strict=True)]


def _envelope(template: str, message: Mo, form: Form) -> str:
    return fill(
        template,
        {
            "namespace": form.namespace,
            "mm7_version": form.mm7_version,
            "transaction_id": message.transaction_id,
            "sender": message.sender,
            "e164": f"+{message.sender}",
            "recipient": message.recipient,
            "subject": message.subject,
            "href": "cid:attachment.cid" if message.parts else None,
        },
    )


def _mo_6_8_0(message: Mo, form: Form) -> Callback:
    outer, inner = boundary(), boundary()
    names = _names(message.parts)
    named = list(zip(message.parts, names, strict=True))
    sections = [(PART_HEAD_6_8_0.format(content_type=p.content_type, name=name), p.data) for p, name in named]
    root_head = ROOT_HEAD + ROOT_ID_6_8_0.format(f"{secrets.randbelow(10**9)}.{inner.rpartition('.')[2]}")
    head = CONTENT_HEAD_6_8_0.format(boundary=inner, ids="-".join(f"<{name}>" for name in names))
    root: Section = (root_head, _envelope(MO_6_8_0, message, form).encode())
    content = multipart(inner, sections, blank_line=not form.as_documented)
    body = multipart(outer, [root, (head, content)] if sections else [root])
    headers = {"Content-Type": RELATED.format(outer), "User-Agent": USER_AGENT}
    return Callback(headers, body, ("DeliverRsp",))


def _mo_5_5_0(message: Mo, form: Form) -> Callback:
    outer, inner = boundary(), boundary()
    head, envelope = CONTENT_HEAD_5_5_0.format(boundary=inner), _envelope(MO_5_5_0, message, form)
    if form.as_documented:
        head, envelope = _typographic(head), _typographic(envelope)
    named = zip(message.parts, _names(message.parts), strict=True)
    sections = [
        (PART_HEAD_5_5_0.format(content_type=p.content_type, name=name), base64.encodebytes(p.data).strip())
        for p, name in named
    ]
    root: Section = (ROOT_HEAD + ROOT_ID_5_5_0, envelope.encode())
    content = multipart(inner, sections, blank_line=not form.as_documented)
    body = multipart(outer, [root, (head, content)] if sections else [root])
    declared = boundary() if form.as_documented else outer
    headers = {"Content-Type": RELATED.format(declared), "User-Agent": USER_AGENT}
    return Callback(headers, body, ("SubmitRsp", "DeliverRsp"))  # the page shows DeliverRsp


def _typographic(text: str) -> str:
    return _QUOTED.sub("“\\1”", text)


def _mo(message: Mo, form: Form) -> Callback:
    return _mo_5_5_0(message, form) if form.namespace == mm7.REL_5_1_2 else _mo_6_8_0(message, form)


def _report(report: Report, form: Form) -> Callback:
    failed = report.mm_status != "Retrieved" and report.status_text is None
    text = FAILURE_TEXT.format(report.mm_status) if failed else report.status_text
    # Vibes passes no UACapabilities on.
    shown = replace(report, status_text=text, recipient=f"+{report.recipient}", ua_prof=None)
    message = generic.report_req(shown, form)
    return _with_agent(generic.encoded(message, action=None))


def _read_reply(reply: ReadReply, form: Form) -> Callback:
    message = generic.read_reply_req(replace(reply, recipient=f"+{reply.recipient}"), form)
    return _with_agent(generic.encoded(message, action=None))


def _with_agent(callback: Callback) -> Callback:
    return replace(callback, headers={**callback.headers, "User-Agent": USER_AGENT})


PROFILE = Profile(
    name="vibes",
    writers={Mo: _mo, Report: _report, ReadReply: _read_reply},
    transaction_ids="hex",
    takes_empty_answer=True,
)
