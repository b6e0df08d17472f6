"""A provider that disappoints: the command has one outcome, the truth, and no phone rings twice."""

import pytest

from tests.faults import provider
from tests.faults.provider import Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What the first answer is, the outcome it comes to, and how often the provider is asked in all.
ANSWERS: dict[str, tuple[Say, str, int]] = {
    "hangs": (provider.HANG, "mt.unknown", 1),
    "resets-the-connection": (provider.RESET, "mt.unknown", 1),
    "answers-half": (provider.HALF, "mt.unknown", 1),
    "sends-elsewhere": (provider.REDIRECT, "mt.refused", 1),
    "answers-10-MB": (provider.HUGE, "mt.unknown", 1),
    "accepts-late": (provider.late(0.8), "mt.accepted", 1),
    "refuses": (provider.refuse(2000), "mt.refused", 1),
    "accepts-in-part": (provider.refuse(1100), "mt.accepted", 1),
    "is-busy": (provider.page(503), "mt.accepted", 2),
    "passes-it-on-and-does-not-know": (provider.page(504), "mt.unknown", 1),
    "answers-a-page": (provider.page(200), "mt.unknown", 1),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_provider_that_disappoints_makes_no_phone_ring_twice(shared, name):
    say, outcome, asked = ANSWERS[name]
    shared.provider.script.append(say)
    identity = await shared.orderer.order()
    assert await shared.audit() == []
    assert list(shared.commands.outcomes[identity].values()) == [outcome]
    assert shared.provider.received[identity] == asked


async def test_a_provider_that_never_reads_the_body_may_have_got_it(shared):
    shared.provider.script.append(provider.UNREAD)
    identity = await shared.orderer.order()
    assert await shared.audit() == []
    assert list(shared.commands.outcomes[identity].values()) == ["mt.unknown"]
    assert shared.provider.received[identity] == 0


async def test_a_provider_that_cannot_be_reached_is_tried_again(shared):
    shared.line.cut(refuse=True)
    shared.line.targets = ()
    identity = await shared.orderer.order()
    shared.line.targets = (shared.provider.port,)
    shared.line.heal()
    assert await shared.audit() == []
    assert identity in shared.commands.outcomes
