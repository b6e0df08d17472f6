"""What makes one provider different from the next, as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import mm7

from .ids import Style
from .messages import Outbound
from .wire import Callback

# As an account is set up → (namespace, MM7Version). Vibes' "5.5.0" says 5.3.0 on the wire (its MO page).
VERSIONS: Mapping[str, tuple[str, str]] = {
    "6.8.0": (mm7.REL_6_1_4, "6.8.0"),
    "5.5.0": (mm7.REL_5_1_2, "5.3.0"),
    "5.3.0": (mm7.REL_5_1_2, "5.3.0"),
}


@dataclass(frozen=True, slots=True)
class Form:
    """Which of a provider's shapes to write: the release, and well-formed or with its documents' mistakes."""

    namespace: str = mm7.REL_6_1_4
    mm7_version: str = "6.8.0"
    as_documented: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A provider.

    `writers`: class of the message → how it is written. `reports_unasked`: DeliveryReport is true where a
    submit does not say. `takes_empty_answer`: an HTTP 200 with nothing in it accepts a callback.
    `refuses_by_fault`: a refused submit is answered with RSErrorRsp in a SOAP Fault, else with SubmitRsp.
    """

    name: str
    writers: Mapping[type, Callable[[Any, Form], Callback]]
    transaction_ids: Style = "digits"
    reports_unasked: bool = False
    takes_empty_answer: bool = False
    refuses_by_fault: bool = False

    def write(self, message: Outbound, form: Form) -> Callback:
        """The request that carries the message; each call draws fresh MIME boundaries."""
        return self.writers[type(message)](message, form)
