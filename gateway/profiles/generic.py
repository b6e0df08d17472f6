"""Any MMSC that keeps to TS 23.140. The carrier's headers are those that are known of any provider."""

from .profile import Profile

PROFILE = Profile(
    title="Generic MM7 (TS 23.140)",
    carrier_headers=(
        "X-Mblox-Carrier-Id",
        "X-Mblox-Operator-Id",
        "X-Skycore-Carrier-Id",
        "X-OpenMarket-Carrier-Id",
        "X-Vibes-CarrierCode",
    ),
)
