"""Which response matches a request, and what it echoes."""

from dataclasses import replace

from .elements import RELEASES, has, release_of
from .errors import Request
from .message import operation_name
from .messages import RESPONSES, SINCE, ErrorRsp, ExtendedReplaceRsp, Response, SubmitRsp, VASPErrorRsp
from .status import status_text

_OUR_FAULT = (3000, 4006)


def response(request: Request, code: int, text: str | None = None, *, message_id: str | None = None) -> Response:
    """The response that matches a request, echoing what it echoes; VASPErrorRsp (in a Fault) where none matches.

    `message_id` goes into the responses that cannot be without one.
    """
    cls = RESPONSES.get(request.operation or "", VASPErrorRsp)
    if not has(release_of(request.namespace), SINCE.get(operation_name(cls), RELEASES[0])):
        cls = VASPErrorRsp
    answer = cls(
        transaction_id=request.transaction_id,
        namespace=request.namespace,
        mm7_version=request.mm7_version,
        status=type(cls().status)(code=code, text=text or status_text(code)),
    )
    if isinstance(answer, (SubmitRsp, ExtendedReplaceRsp)):
        return replace(answer, message_id=message_id)
    if isinstance(answer, ErrorRsp):
        return replace(answer, fault_code="Server" if code in _OUR_FAULT else "Client")
    return answer
