"""Vibes: their developer pages. Their "5.5.0" is MM7Version 5.3.0 in the namespace REL-5-MM7-1-2."""

from gateway import mm7

from .profile import Profile

PROFILE = Profile(
    title="Vibes",
    mm7_version="6.8.0",
    namespaces={"5.3.0": mm7.REL_5_1_2, "6.8.0": mm7.REL_6_1_4},
    # Their example answers it with a DeliverRsp, and any answer will do, a blank one too: it is the specification's.
    submit_answered_with="SubmitRsp",
    # Their own "Retryable?" column: 3000 and 4005 (platform capacity reached).
    temporary=frozenset({3000, 4005}),
    permanent=frozenset({3001, 3002, 3003, 3004, 3500}),
    numbers="e164",
    max_recipients=1,
    max_body_bytes=1024 * 1024,
    smil_auto=False,
)
