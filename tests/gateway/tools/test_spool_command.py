"""`mm7 spool`: what waits is shown while receivers hold it and after, and published when nobody does."""

import asyncio
import json
import os
import secrets
from datetime import datetime
from pathlib import Path

import pytest

from gateway import entries
from gateway.broker import EVENTS, Outgoing
from gateway.stores.spool import Spool

NOWHERE = "amqp://guest:s3cret@127.0.0.1:9/"


@pytest.fixture
def account():
    return f"spool-{secrets.token_hex(4)}"


@pytest.fixture
def folder(tmp_path, invoke, monkeypatch):
    monkeypatch.setenv("MM7_SPOOL_DIR", str(tmp_path / "spool"))
    return tmp_path / "spool"


def spooled(folder: Path) -> Spool[Outgoing]:
    return Spool(folder, entries.dump, entries.load)


async def fill(spool, account, *bodies):
    for body in bodies:
        message = Outgoing(
            exchange=EVENTS, routing_key=f"mo.received.{account}.1", body=body, content_type="text/plain"
        )
        await spool.append(account, message, within=10)


async def test_what_waits_is_shown_while_a_receiver_holds_it_and_after(folder, invoke):
    async with spooled(folder) as spool:
        await fill(spool, "one", b"a", b"b")
        await fill(spool, "two", b"c" * 20_000)
        during = await asyncio.to_thread(invoke, "spool", "list")
        rows = [line.split()[1:6] for line in during.stdout.splitlines()[1:-1]]
        assert [(row[:2], row[2], row[3]) for row in rows] == [(["in", "use"], "one", "2"), (["in", "use"], "two", "1")]
        assert during.stdout.splitlines()[-1].startswith(f"{folder}: 3 entries wait, 21 kB, the oldest for ")
    after = [json.loads(line) for line in invoke("spool", "list", "--json").stdout.splitlines()]
    assert [(row["account"], row["entries"], row["in_use"]) for row in after] == [("one", 2, False), ("two", 1, False)]
    assert datetime.fromisoformat(after[0]["oldest"]).tzinfo
    assert "left behind" in invoke("spool", "list").stdout


@pytest.mark.parametrize("made", [False, True])
def test_a_spool_that_holds_nothing_says_so(folder, invoke, made):
    if made:
        folder.mkdir()
    listed, as_json = invoke("spool", "list"), invoke("spool", "list", "--json")
    if made:
        assert (listed.exit_code, listed.stdout, as_json.stdout) == (0, f"{folder}: nothing waits\n", "")
    else:
        assert listed.exit_code == as_json.exit_code == 1
        assert f"{folder}: there is no such folder" in listed.stderr
        assert listed.stderr == as_json.stderr
    assert folder.exists() is made


@pytest.mark.parametrize("command", ["list", "flush"])
def test_a_spool_that_is_off_says_so(invoke, monkeypatch, command):
    monkeypatch.setenv("MM7_SPOOL_DIR", "")
    done = invoke("spool", command)
    assert (done.exit_code, "the spool is off" in done.stderr) == (0, True)


async def test_a_file_that_cannot_be_read_is_shown_with_its_reason_and_fails_the_flush(
    folder, invoke, monkeypatch, amqp_url
):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    folder.mkdir()
    (folder / "0.spool").write_bytes(b"not a database, not at all" * 100)
    done = await asyncio.to_thread(invoke, "spool", "list")
    assert (done.exit_code, "not a database" in done.stdout) == (0, True)
    assert done.stdout.endswith(f"{folder}: nothing waits; 1 file that a person has to look at\n")
    for _ in range(2):  # put aside by the first, it stays
        assert (await asyncio.to_thread(invoke, "spool", "flush")).exit_code == 1


async def test_flush_publishes_in_order_what_nobody_holds(folder, invoke, monkeypatch, amqp_url, broker, account):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    bodies = [b"%d" % number for number in range(300)]
    async with spooled(folder) as ended:
        await fill(ended, account, *bodies)
    assert (await asyncio.to_thread(invoke, "topology", "declare")).exit_code == 0
    events = await broker.follow(f"mo.received.{account}.#")
    async with spooled(folder.parent / "other") as other:
        await fill(other, account, b"x")
    async with asyncio.timeout(30):
        done = await asyncio.to_thread(invoke, "spool", "flush")
    assert (done.exit_code, done.stdout) == (0, "300 published\nin the spool: nothing waits\n")
    assert [(await events.next()).body for _ in bodies] == bodies
    assert len(events.messages) == 300
    again = await asyncio.to_thread(invoke, "spool", "flush")
    assert (again.exit_code, again.stdout) == (0, "0 published\nin the spool: nothing waits\n")


async def test_flush_leaves_a_running_receivers_entries_to_it(folder, invoke, monkeypatch, amqp_url, account):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    async with spooled(folder) as running:
        await fill(running, account, b"a")
        done = await asyncio.to_thread(invoke, "spool", "flush")
        assert (done.exit_code, done.stdout.startswith("0 published\nin the spool: 1 entry waits")) == (0, True)
        assert running.events == 1


async def test_flush_without_a_broker_keeps_everything(folder, invoke, monkeypatch, account):
    monkeypatch.setenv("MM7_AMQP_URL", NOWHERE)
    async with spooled(folder) as ended:
        await fill(ended, account, b"a")
    done = await asyncio.to_thread(invoke, "spool", "flush")
    assert (done.exit_code, "no broker" in done.stderr, "s3cret" in done.stderr) == (1, True, False)
    assert invoke("spool", "list").stdout.splitlines()[-1].startswith(f"{folder}: 1 entry waits")


async def test_flush_ends_with_one_where_something_stays(folder, invoke, monkeypatch, amqp_url, account):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    async with spooled(folder) as ended:
        await fill(ended, account, b"a")
        nowhere = Outgoing(exchange="mm7.nowhere", routing_key="k", body=b"b", content_type="text/plain")
        await ended.append(account, nowhere, within=10)
    done = await asyncio.to_thread(invoke, "spool", "flush")
    assert (done.exit_code, done.stdout.startswith("1 published\nin the spool: 1 entry waits")) == (1, True)


def lines(done):
    return {line[5:25].strip(): (line[:4].strip(), line[26:]) for line in done.stdout.splitlines()}


async def test_check_looks_at_spool_and_state(folder, invoke, monkeypatch, tmp_path, amqp_url):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    monkeypatch.setenv("MM7_STATE_URL", f"sqlite://{tmp_path}/s/state.db")
    nothing = lines(await asyncio.to_thread(invoke, "check"))
    assert nothing["spool"] == ("ok", f"{folder}: nothing waits")
    assert nothing["state"] == ("ok", f"sqlite://{tmp_path}/s/state.db")
    assert not folder.exists()
    async with spooled(folder) as spool:
        await fill(spool, "one", b"a")
        held = lines(await asyncio.to_thread(invoke, "check"))
    assert held["spool"][1].startswith(f"{folder}: 1 entry waits")


async def test_check_fails_where_spool_or_state_cannot_be_used(invoke, monkeypatch, tmp_path, amqp_url):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    monkeypatch.setenv("MM7_SPOOL_DIR", str(tmp_path / "file" / "spool"))
    monkeypatch.setenv("MM7_STATE_URL", "redis://:s3cret@127.0.0.1:9/0")
    done = await asyncio.to_thread(invoke, "check")
    found = lines(done)
    assert (done.exit_code, found["spool"][0], found["state"][0]) == (1, "FAIL", "FAIL")
    assert found["state"][1].startswith("redis://127.0.0.1:9/0: ")
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["redis://:s3cret@127.0.0.1:port/0", "redis://:s3cret@[::1/0"])
async def test_check_names_a_state_url_that_is_none_without_its_password(invoke, monkeypatch, amqp_url, url):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    monkeypatch.setenv("MM7_STATE_URL", url)
    done = await asyncio.to_thread(invoke, "check")
    assert (lines(done)["state"][0], "s3cret" in done.stdout + done.stderr) == ("FAIL", False)


@pytest.fixture
def redis_url():
    """To be asked for before `invoke`, which takes all variables away."""
    url = os.environ.get("MM7_TEST_REDIS_URL")
    if not url:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("MM7_TEST_REDIS_URL names no Redis")
    return url


async def test_check_says_that_the_spool_is_off_and_that_redis_answers(redis_url, invoke, monkeypatch, amqp_url):
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    monkeypatch.setenv("MM7_STATE_URL", redis_url)
    monkeypatch.setenv("MM7_SPOOL_DIR", "")
    found = lines(await asyncio.to_thread(invoke, "check"))
    assert (found["spool"][0], found["state"][0]) == ("ok", "ok")
    assert found["spool"][1].startswith("the spool is off")
