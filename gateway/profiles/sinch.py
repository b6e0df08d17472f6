"""Sinch (formerly Mblox, Skycore): their MM7 service's documents.

Two header names for the carrier stand in two versions of the same example; older and white-label platforms have others.
"""

from gateway import mm7

from .profile import Profile

PROFILE = Profile(
    title="Sinch",
    mm7_version="6.8.0",
    namespaces={"5.3.0": mm7.REL_5_1_2, "6.8.0": mm7.REL_6_1_4},
    accepted={
        "5.3.0": frozenset(mm7.SCHEMA + release for release in mm7.RELEASES),
        "6.8.0": frozenset({mm7.REL_6_1_4}),
    },
    carrier_headers=("X-Mblox-Carrier-Id", "X-Mblox-Operator-Id", "X-Skycore-Carrier-Id", "X-OpenMarket-Carrier-Id"),
    # 3003 is a media download that failed, 3500 a carrier's timeout, 3510 throughput exceeded, 4006 carrier capacity.
    temporary=frozenset({3000, 3003, 3500, 3510, 4006}),
    permanent=frozenset({3001, 3002, 3004, 3520}),
    throughput=frozenset({3510}),
    max_recipients=1,
    subject_length=80,
    refused=frozenset({"charged_party"}),
    dropped=frozenset({"read_reply", "linked_id", "earliest_delivery", "distribution_indicator"}),
    smil_required=True,
)
