"""Sinch's callbacks as its MM7_Deliver and MM7_DeliveryReport pages print them.

Strategy: the default is what the printed examples were before an editor replaced their prefixes: `ns1` is
SOAP and `ns3` is MM7, declared at the root. `as_documented` sends the print itself, mistakes included:
`soap-env` is not declared, `soap-env::Header` has two colons, and nothing parts the headers of an inner part
from its body.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway import mm7

from . import generic
from .messages import Mo, ReadReply, Report
from .profile import Form, Profile
from .wire import Callback, Section, boundary, fill, multipart, part_names, utc

CARRIER_ID = "0001890"  # the pages' example
STATUS_TEXT: Mapping[str, str] = {"Retrieved": "Success"}  # the one text that the pages show

MO = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<ns1:Envelope xmlns:ns1="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns3="{namespace}">
<ns1:Header>
   <ns3:TransactionID ns1:mustUnderstand="1">{transaction_id}</ns3:TransactionID>
</ns1:Header>
<ns1:Body>
   <ns3:DeliverReq>
      <ns3:MM7Version>{mm7_version}</ns3:MM7Version>
      <ns3:LinkedID>{linked_id}</ns3:LinkedID>
      <ns3:Sender>
         <ns3:Number>{sender}</ns3:Number>
      </ns3:Sender>
      <ns3:Recipients>
         <ns3:To>
         <ns3:Number displayOnly="false">{recipient}</ns3:Number>
         <ns3:Number displayOnly="true">{others}</ns3:Number>
         </ns3:To>
      </ns3:Recipients>
      <ns3:TimeStamp>{at}</ns3:TimeStamp>
      <ns3:Priority>Normal</ns3:Priority>
      <ns3:Subject>{subject}</ns3:Subject>
      <ns3:Content href="{href}" allowAdaptations="true"/>
   </ns3:DeliverReq>
</ns1:Body>
</ns1:Envelope>
"""

MO_DOCUMENTED = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap-env:Envelope xmlns:ns1="http://schemas.xmlsoap.org/soap/envelope/" xmlns=
"{namespace}">
<soap-env::Header>
   <TransactionID soap-env:mustUnderstand="1">{transaction_id}</TransactionID>
</soap-env::Header>
<soap-env::Body>
   <DeliverReq>
      <MM7Version>{mm7_version}</MM7Version>
      <LinkedID>{linked_id}</LinkedID>
      <Sender>
         <Number>{sender}</Number>
      </Sender>
      <Recipients>
         <To>
         <Number displayOnly="false">{recipient}</Number>
         <Number displayOnly="true">{others}</Number>
         </To>
      </Recipients>
      <TimeStamp>{at}</TimeStamp>
      <Priority>Normal</Priority>
      <Subject>{subject}</Subject>
      <Content href="{href}" allowAdaptations="true"/>
   </DeliverReq>
</soap-env:Body>
</soap-env:Envelope>
"""

REPORT = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns=
"{namespace}">
<soap-env:Header>
   <TransactionID soap-env:mustUnderstand="1">{transaction_id}</TransactionID>
</soap-env:Header>
<soap-env:Body>
   <DeliveryReportReq>
      <MM7Version>{mm7_version}</MM7Version>
      <MessageID>{message_id}</MessageID>
      <Recipient>
         <Number>{recipient}</Number>
      </Recipient>
      <Sender>
         <Number>{sender}</Number>
      </Sender>
      <Date>{at}</Date>
      <MMStatus>{mm_status}</MMStatus>
      <StatusText>{status_text}</StatusText>
      <UACapabilities UAProf="{ua_prof}" />
   </DeliveryReportReq>
</soap-env:Body>
</soap-env:Envelope>
"""

# The page folds Content-Type over two lines; aiohttp neither receives nor sends one that is folded.
RELATED = 'multipart/related; start="soap-start"; type="text/xml"; boundary="{}"'
# Over one bare XML document, without a boundary; the page ends it with a semicolon.
BARE, BARE_DOCUMENTED = 'multipart/related; type="text/xml"', 'multipart/related; type="text/xml";'
ANSWERED_BY: Mapping[type, tuple[str, ...]] = {Mo: ("DeliverRsp",), Report: ("DeliveryReportRsp",)}
ROOT_HEAD = "Content-Type: text/xml\nContent-ID: <soap-start>"
CONTENT_HEAD = 'Content-Type: multipart/mixed;\n        boundary="{}"\nContent-ID: <default.cid>'
PART_HEAD = "Content-Type: {}\nContent-Transfer-Encoding: binary\nContent-ID: {}"


def _headers(content_type: str, form: Form) -> dict[str, str]:
    return {
        "SOAPAction": f'"{form.namespace}"',
        "Content-Type": content_type,
        "X-Mblox-Carrier-Id": CARRIER_ID,
    }


def _bare(form: Form) -> dict[str, str]:
    return _headers(BARE_DOCUMENTED if form.as_documented else BARE, form)


def _mo(message: Mo, form: Form) -> Callback:
    template = MO_DOCUMENTED if form.as_documented else MO
    envelope = fill(
        template,
        {
            "namespace": form.namespace,
            "mm7_version": form.mm7_version,
            "transaction_id": message.transaction_id,
            "linked_id": message.linked_id,
            "sender": message.sender,
            "recipient": message.recipient,
            "others": message.others,
            "at": utc(message.at),
            "subject": message.subject,
            "href": "cid:default.cid" if message.parts else None,
        },
    ).encode()
    if not message.parts:  # no page shows one; written like the report, which has no content either
        return Callback(_bare(form), envelope, ANSWERED_BY[Mo])
    outer, inner = boundary(), boundary()
    content = multipart(inner, _sections(message), blank_line=not form.as_documented)
    body = multipart(outer, [(ROOT_HEAD, envelope), (CONTENT_HEAD.format(inner), content)])
    return Callback(_headers(RELATED.format(outer), form), body, ANSWERED_BY[Mo])


def _sections(message: Mo) -> list[Section]:
    named = zip(message.parts, part_names(message.parts), strict=True)
    return [(PART_HEAD.format(part.content_type, name), part.data) for part, name in named]


def _report(report: Report, form: Form) -> Callback:
    envelope = fill(
        REPORT,
        {
            "namespace": form.namespace,
            "mm7_version": form.mm7_version,
            "transaction_id": report.transaction_id,
            "message_id": report.message_id,
            "recipient": report.recipient,
            "sender": report.sender,
            "at": utc(report.at),
            "mm_status": report.mm_status,
            "status_text": report.status_text or STATUS_TEXT.get(report.mm_status),
            "ua_prof": report.ua_prof if form.namespace == mm7.REL_6_1_4 else None,  # Rel-5 has none
        },
    )
    return Callback(_bare(form), envelope.encode(), ANSWERED_BY[Report])


def _read_reply(reply: ReadReply, form: Form) -> Callback:
    """Sinch publishes none (it strips ReadReply from submits): the specification's, with Sinch's headers."""
    written = generic.encoded(generic.read_reply_req(reply, form))
    return replace(written, headers=_headers(written.headers["Content-Type"], form))


PROFILE = Profile(
    name="sinch",
    writers={Mo: _mo, Report: _report, ReadReply: _read_reply},
    reports_unasked=True,
    refuses_by_fault=True,
)
