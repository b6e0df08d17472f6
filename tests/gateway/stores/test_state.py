"""One suite for every state store: SQLite, a real Redis, memory."""

import asyncio

import pytest

from gateway.stores.state import State, StateUnavailable, next_turn, open_state


async def test_what_was_put_is_there_and_what_was_not_is_none(state: State, second: State) -> None:
    await state.put("a", b"\x00\xff value", 60)
    assert await state.get("a") == b"\x00\xff value"
    assert await second.get("a") == b"\x00\xff value"
    assert await state.get("b") is None


async def test_several_are_given_in_the_order_they_were_asked_for(state: State) -> None:
    await state.put("a", b"1", 60)
    await state.put("b", b"2", 60)
    assert await state.get_all(["b", "none", "a"]) == [b"2", None, b"1"]


async def test_a_second_put_replaces_the_first(state: State) -> None:
    await state.put("a", b"1", 60)
    await state.put("a", b"2", 60)
    assert await state.get("a") == b"2"


async def test_only_the_first_add_is_done_and_the_others_get_what_it_wrote(state: State, second: State) -> None:
    assert await state.add("a", b"1", 60) is None
    assert await second.add("a", b"2", 60) == b"1"
    assert await state.get("a") == b"1"


async def test_an_add_may_be_repeated(state: State) -> None:
    assert await state.add("a", b"1", 60) is None
    assert await state.add("a", b"1", 60) is None


async def test_of_many_adds_at_once_exactly_one_is_done(state: State, second: State) -> None:
    asked = [(state, second)[n % 2].add("a", b"%d" % n, 60) for n in range(100)]
    results = await asyncio.gather(*asked)
    assert results.count(None) == 1
    winner = b"%d" % results.index(None)
    assert {result for result in results if result is not None} == {winner}


async def test_a_swap_is_done_only_over_what_was_expected(state: State) -> None:
    assert await state.swap("a", b"x", b"1", 60) is None
    assert await state.get("a") is None
    assert await state.swap("a", None, b"1", 60) == b"1"
    assert await state.swap("a", None, b"2", 60) == b"1"
    assert await state.swap("a", b"9", b"2", 60) == b"1"
    assert await state.swap("a", b"1", b"2", 60) == b"2"
    assert await state.swap("a", b"1", b"2", 60) == b"2", "a repeated one says that it was done"
    assert await state.get("a") == b"2"


async def test_an_empty_value_is_a_value(state: State) -> None:
    await state.put("a", b"", 60)
    assert await state.get("a") == b""
    assert await state.add("a", b"1", 60) == b""
    assert await state.swap("a", b"", b"1", 60) == b"1"


async def test_what_is_deleted_is_gone_and_with_an_expectation_only_that(state: State) -> None:
    await state.put("a", b"1", 60)
    await state.delete("a", expected=b"2")
    assert await state.get("a") == b"1"
    await state.delete("a", expected=b"1")
    assert await state.get("a") is None
    await state.put("a", b"1", 60)
    await state.delete("a")
    await state.delete("a")
    assert await state.get("a") is None


async def test_a_value_ends_with_its_time(state: State) -> None:
    await state.put("a", b"1", 0.05)
    await state.put("b", b"1", 60)
    await asyncio.sleep(0.1)
    assert await state.get("a") is None
    assert await state.add("a", b"2", 60) is None
    assert await state.get("b") == b"1"


async def test_a_clock_that_is_set_back_ends_nothing_and_delays_no_turn(state: State, clock) -> None:
    await state.put("a", b"1", 60)
    for _ in range(3):
        await state.turn("rate", 10)
    clock.offset = -86400
    assert await state.get("a") == b"1"
    assert await state.add("a", b"2", 60) == b"1"
    assert await state.turn("rate", 10) == pytest.approx(0.3, abs=0.1)


async def test_turns_are_evenly_spaced_over_all_clients_without_a_burst(state: State, second: State) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def ask(n: int) -> float:
        wait = await (state, second)[n % 2].turn("rate", 200)
        return loop.time() + wait

    due = sorted(await asyncio.gather(*(ask(n) for n in range(50))))
    assert 0.2 < due[-1] - began < 0.5
    await asyncio.sleep(0.5)
    assert await state.turn("rate", 200) == 0, "an idle account does not wait"
    assert await state.turn("rate", 200) > 0, "and has not saved up for a burst"


async def test_every_wait_is_one_interval_more_than_the_one_before(state: State) -> None:
    waits = [await state.turn("slow", 0.5) for _ in range(4)]
    assert waits == [pytest.approx(2 * n, abs=0.3) for n in range(4)]
    assert await state.turn("other", 0.5) == 0


async def test_a_pause_holds_back_every_client(state: State, second: State) -> None:
    await state.pause("rate", 5)
    await second.pause("rate", 5)
    assert await second.turn("rate", 10) == pytest.approx(5, abs=0.3)
    assert await state.turn("rate", 10) == pytest.approx(5.1, abs=0.3)


async def test_a_hundred_callers_at_once_get_each_their_own(state: State) -> None:
    await asyncio.gather(*(state.put(f"k{n}", b"%d" % n, 60) for n in range(100)))
    assert await asyncio.gather(*(state.get(f"k{n}") for n in range(100))) == [b"%d" % n for n in range(100)]


async def test_a_caller_that_is_cancelled_disturbs_no_other(state: State) -> None:
    await asyncio.gather(*(state.put(f"k{n}", b"%d" % n, 60) for n in range(50)))
    for _ in range(20):
        tasks = [asyncio.create_task(state.get(f"k{n}")) for n in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for n, result in enumerate(results):
            assert result == b"%d" % n or (n % 2 == 0 and isinstance(result, asyncio.CancelledError))


async def test_the_check_passes(state: State) -> None:
    await state.check()


async def test_a_closed_store_says_so_or_opens_again_but_never_hangs(open_one) -> None:
    state = open_one()
    await state.put("a", b"1", 60)
    await state.close()
    await state.close()
    async with asyncio.timeout(5):
        try:
            await state.get("a")
        except StateUnavailable:
            pass
        finally:
            await state.close()


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "sqlite://state.db", "postgres://secret@host/", "redis://u:secret@h:port/0"]
)
def test_a_url_that_names_no_store_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        open_state(url)
    assert "secret" not in str(caught.value)
    assert "write" in str(caught.value) or "must read" in str(caught.value) or "sqlite:///" in str(caught.value)


@pytest.mark.parametrize(
    ("due", "written", "now", "expected"),
    [
        (0, 0, 100, (101, 0)),  # nobody before: at once
        (101, 100, 100.25, (102, 0.75)),  # one before: behind it
        (105, 100, 100, (106, 5)),  # five before
        (5000, 4999, 100, (102, 1)),  # the clock was set back: what was left to wait stays
    ],
)
def test_the_next_turn(due: float, written: float, now: float, expected: tuple[float, float]) -> None:
    assert next_turn(due, written, now, 1.0, 0.0) == pytest.approx(expected)
