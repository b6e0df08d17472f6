"""Callbacks from values, without HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway import mm7, profiles
from gateway.contract import callbacks
from gateway.contract.callbacks import Callback, Receipt
from gateway.contract.parts import Storage

RECEIVED = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.fixture
def callback() -> Callable[..., Callback]:
    """callback(message, part, …, headers={…}): what becomes of it."""

    def make(message: mm7.Message, *parts: mm7.Part, quirks: tuple[str, ...] = (), **receipt: Any) -> Callback:
        profile = receipt.pop("profile", "generic")
        given = {"account": "acc", "received_at": RECEIVED, "headers": {}} | receipt
        whose = Receipt(profile_name=profile, profile=profiles.load(profile), **given)
        return callbacks.from_mm7(
            mm7.Decoded(message, parts, quirks), whose, Storage(lambda digest: f"memory:///{digest}")
        )

    return make
