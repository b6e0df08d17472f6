"""The broker's objects: as data, declared on a real broker, compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker import (
    COMMANDS,
    DEAD,
    EVENTS,
    UNROUTED,
    Connection,
    Delay,
    Exchange,
    Queue,
    Topology,
    browse,
    build,
    check,
    dead_queue,
    declare,
    describe,
    mt_queue,
    wait,
)

if TYPE_CHECKING:
    from conftest import Place


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("5m", 300), ("1h", 3600), ("24h", 86400)])
def test_a_delay_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert Delay.parse(text) == Delay(text, seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "0s", "-1s", "1.5s", "010s", "10 s", "1d", "25h", "10s\n", "٣s"])
def test_a_delay_that_is_none_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="10s, 5m"):
        Delay.parse(text)


def test_every_queue_is_a_quorum_queue_with_a_delivery_limit() -> None:
    topology = build({"a": [Delay.parse("1s")], "b": []})
    assert all(queue.arguments["x-queue-type"] == "quorum" for queue in topology.queues)
    assert all("x-delivery-limit" in queue.arguments for queue in topology.queues)


def test_accounts_share_the_wait_queue_of_a_delay() -> None:
    topology = build({"a": [Delay.parse("1s"), Delay.parse("5m")], "b": [Delay.parse("1s")]})
    assert [each.name for each in topology.queues if ".wait." in each.name] == ["mm7.wait.1s", "mm7.wait.5m"]
    assert len({each.name for each in topology.queues}) == len(topology.queues)


def test_dead_letters_are_passed_on_at_least_once() -> None:
    arguments = {queue.name: queue.arguments for queue in build({"a": [Delay.parse("1s")]}).queues}
    for name, target in ((mt_queue("a"), DEAD), (wait("1s"), COMMANDS)):
        assert arguments[name]["x-dead-letter-exchange"] == target
        assert arguments[name]["x-dead-letter-strategy"] == "at-least-once"
        assert arguments[name]["x-overflow"] == "reject-publish"
        assert "x-dead-letter-routing-key" not in arguments[name]


def test_looking_at_dead_letters_does_not_use_them_up() -> None:
    arguments = {queue.name: queue.arguments for queue in build({"a": []}).queues}
    assert int(arguments[dead_queue("a")]["x-delivery-limit"]) > 10**6
    assert int(arguments[UNROUTED]["x-delivery-limit"]) > 10**6


def test_the_description_names_every_object() -> None:
    topology = build({"a": [Delay.parse("1s")]})
    rows = describe(topology)
    assert len(rows) == len(topology.exchanges) + len(topology.queues) + len(topology.bindings)
    assert ("exchange", EVENTS, "topic alternate-exchange=mm7.unrouted") in rows
    assert ("binding", "mm7.commands → mm7.mt.a", "a") in rows


async def test_declaring_again_changes_nothing(place: Place) -> None:
    assert place.connection.differences == ()
    assert await declare(place.connection.channel, place.topology) == []
    assert await check(place.connection.channel, place.topology) == []


async def test_programs_that_start_together_do_not_disturb_each_other(place: Place) -> None:
    other = build({f"{place.account}-{n}": [place.delay] for n in range(3)})
    connections = [Connection(place.url, f"test {n}", other) for n in range(4)]
    for each in connections:
        await each.start()
    for each in connections:
        await each.wait_up(10)
    assert [each.differences for each in connections] == [()] * 4
    assert await check(place.connection.channel, other) == []
    channel = await place.connection.channel()
    for name in (each.name for each in other.queues if place.account in each.name):
        await channel.queue_delete(name)
    for each in connections:
        await each.close()


async def test_what_is_missing_is_told_and_not_created(place: Place) -> None:
    other = build({f"{place.account}-x": []})
    for _ in range(2):
        differences = await check(place.connection.channel, other)
        assert [(each.kind, each.name, each.problem) for each in differences] == [
            ("queue", dead_queue(f"{place.account}-x"), "missing"),
            ("queue", mt_queue(f"{place.account}-x"), "missing"),
        ]


async def test_what_has_changed_is_told_and_the_rest_is_declared(place: Place) -> None:
    changed = Topology(
        exchanges=(Exchange(wait(place.delay), "direct"),),
        queues=(Queue(place.mt, {"x-queue-type": "quorum"}), Queue(place.probe, {"x-queue-type": "quorum"})),
    )
    async with Connection(place.url, "test", changed) as connection:
        await connection.wait_up(10)
        assert [(each.name, each.problem) for each in connection.differences] == [
            (wait(place.delay), "different"),
            (place.mt, "different"),
        ]
        differences = await check(connection.channel, changed)
        assert [each.name for each in differences] == [wait(place.delay), place.mt]
        assert "inequivalent arg 'x-de" in differences[1].detail
        async with browse(connection, place.probe) as messages:
            assert [each async for each in messages] == []
