"""A simulated provider (MMSC), for tests and for trying out: sends callbacks and takes submits.

It speaks as the providers' documents say they do: in their shapes, with their timeouts and their retries.
"""

from .answers import ACCEPT, Answer, empty, hang_up, late, page, refuse, unread
from .intake import Change, Refusal, Submit
from .messages import PHONE, SHORT_CODE, Mo, Outbound, ReadReply, Report
from .picture import sunset
from .profile import VERSIONS, Form, Profile
from .profiles import PROFILES
from .sender import Attempt, Result
from .simulator import Simulator
from .wire import Callback

__all__ = [
    "ACCEPT",
    "PHONE",
    "PROFILES",
    "SHORT_CODE",
    "VERSIONS",
    "Answer",
    "Attempt",
    "Callback",
    "Change",
    "Form",
    "Mo",
    "Outbound",
    "Profile",
    "ReadReply",
    "Refusal",
    "Report",
    "Result",
    "Simulator",
    "Submit",
    "empty",
    "hang_up",
    "late",
    "page",
    "refuse",
    "sunset",
    "unread",
]
