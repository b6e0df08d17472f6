"""Why something did not work when it was last tried; what is long ago is no news."""

import time


class Trouble:
    """Nothing, until `note`; and nothing again after `clear`, or `lasts` seconds after the last note."""

    def __init__(self, lasts: float = 60.0) -> None:
        self._lasts = lasts
        self._reason, self._until = "", 0.0

    def note(self, reason: str) -> None:
        """It has failed."""
        self._reason, self._until = reason, time.monotonic() + self._lasts

    def clear(self) -> None:
        """It has worked."""
        self._until = 0.0

    @property
    def reason(self) -> str:
        """Why it failed; empty if it works, as far as is known."""
        return self._reason if time.monotonic() < self._until else ""
