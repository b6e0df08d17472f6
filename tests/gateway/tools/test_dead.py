"""`mm7 dead` with a real RabbitMQ: what is listed, what is sent again, and that nothing else is touched."""

import asyncio
import json
import os
import pty
import secrets
import signal

import aio_pika
import pytest
from rundir import free_ports

from gateway.broker import BrokerDown
from gateway.contract import headers
from gateway.settings import Settings
from gateway.tools import dead, letters
from gateway.tools.simulator import Simulator, refuse

REFUSED = {
    headers.OUTCOME: "mt.refused",
    headers.REASON: "provider_refused",
    headers.CAUSE: "no such number",
    headers.AT: "2026-11-21T10:00:00.000Z",
    headers.STATUS_CODE: 2002,
    headers.ATTEMPTS: 2,
    headers.HISTORY: '[{"at": "2026-11-21T09:59:00Z", "outcome": "later", "status_code": 4000, "reason": "busy"}]',
}
UNKNOWN = REFUSED | {headers.OUTCOME: "mt.unknown", headers.REASON: "timeout", headers.STATUS_CODE: None}


class Desk:
    """An account of its own with its dead letters, and the command in this process."""

    def __init__(self, account, broker, invoke, variables):
        self.account, self.variables = account, variables
        self.dead, self.mt = f"mm7.dead.{account}", f"mm7.mt.{account}"
        self._broker, self._invoke = broker, invoke

    async def mm7(self, *arguments):
        return await asyncio.to_thread(self._invoke, "dead", *arguments)

    async def put(self, name, found=REFUSED, body=None, **properties):
        """Publish a dead letter as the worker does, or anybody."""
        own = {headers.COMMAND_ID: name, headers.EVENT_ID: f"event-{name}"} if headers.OUTCOME in found else {}
        values = {key: value for key, value in (own | found).items() if value is not None}
        data = json.dumps({"id": name, "to": ["15553199144"]}).encode() if body is None else body
        message = aio_pika.Message(data, headers=values, content_type="application/json", **properties)
        exchange = await self._broker.channel.get_exchange("mm7.dead", ensure=False)
        await exchange.publish(message, self.account)

    async def listed(self, *options):
        """The command ids in the order of the queue."""
        done = await self.mm7("list", "--json", *options)
        assert done.exit_code == 0, done.stderr
        return [json.loads(line)["command_id"] for line in done.stdout.splitlines()]

    async def sent(self, number):
        """What the worker gets, and that it is no more than that."""
        found = [await self._broker.take(self.mt) for _ in range(number)]
        assert await self._broker.count(self.mt) == 0
        return found


@pytest.fixture
async def desk(amqp_url, broker, configure, tmp_path, monkeypatch, invoke):
    account = f"dead-{secrets.token_hex(4)}"
    path = configure(tmp_path / "config.toml", {account: {"profile": "sinch", "inbound": {"open": True}}})
    monkeypatch.setenv("MM7_CONFIG", str(path))
    monkeypatch.setenv("MM7_AMQP_URL", amqp_url)
    desk = Desk(account, broker, invoke, {"CONFIG": path, "AMQP_URL": amqp_url})
    assert (await desk.mm7("list")).stdout.endswith("0 dead letters, 0 shown\n")  # which declares the queues
    yield desk
    await broker.remove(account)


async def test_letters_are_listed_and_stay_in_their_order(desk):
    for name in "abcd":
        await desk.put(name)
    for _ in range(3):
        assert await desk.listed() == ["a", "b", "c", "d"]
    assert await desk.listed("--limit", "1") == ["a"]
    assert await desk.listed("--id", "c", "--id", "d") == ["c", "d"]
    assert await desk.listed() == ["a", "b", "c", "d"]


async def test_a_table_is_for_people_and_whatever_stands_in_it_does_nothing(desk):
    await desk.put("order-1")
    await desk.put("x", {}, b"\xff\x00[/bold]\x1b[2J")
    await desk.put("[/red]", REFUSED | {headers.CAUSE: "\x1b[2J[/red]" + "long " * 50, headers.AT: "never"})
    done = await desk.mm7("list", "--account", desk.account)
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[-1]) == (0, "3 dead letters, 3 shown")
    assert "\x1b" not in done.stdout
    for word in ("2026-11-21 10:00:00", "order-1", "mt.refused", "provider_refused", "2002", "no such number"):
        assert word in lines[1]
    assert "not put here by the worker" in lines[2]
    assert "[/red]" in lines[3]
    assert (await desk.mm7("list", "--code", "2002", "--limit", "1")).stdout.endswith("3 dead letters, 1 shown\n")


async def test_one_letter_is_shown_whole(desk):
    body = {"id": "order-1", "to": ["15553199144"], "parts": [{"content_type": "image/png", "data": "QUJD" * 100}]}
    await desk.put("other")
    await desk.put("order-1", REFUSED | {"own": "x"}, json.dumps(body).encode())
    shown = await desk.mm7("show", "order-1")
    for word in ("order-1", "event-order-1", "no such number", '"busy"', '"own": "x"', "… (400 characters)"):
        assert word in shown.stdout
    assert "QUJD" * 50 not in shown.stdout
    machine = json.loads((await desk.mm7("show", "event-order-1", "--json")).stdout)
    assert (machine["command_id"], machine["history"][0]["status_code"]) == ("order-1", 4000)
    assert machine["command"]["to"] == ["15553199144"]
    nothing = await desk.mm7("show", "order-9")
    assert (nothing.exit_code, "no dead letter has order-9" in nothing.stderr) == (1, True)
    assert await desk.listed() == ["other", "order-1"]


async def test_a_replay_sends_each_command_as_it_was_and_takes_its_letter_out(desk):
    await desk.put("a", REFUSED | {"own": "x", headers.NOT_BEFORE: "2026-11-22T00:00:00Z"}, reply_to="answers")
    await desk.put("b", REFUSED | {headers.REASON: "expired"})
    await desk.put("c", REFUSED | {headers.REPLAYS: 1}, correlation_id="mine")
    done = await desk.mm7("replay", "--reason", "provider_refused", "--yes")
    assert (done.exit_code, done.stdout) == (0, f"2 commands of {desk.account} will be sent again\n2 sent again\n")
    first, second = await desk.sent(2)
    kept = first.headers.keys() - {"traceparent", headers.REPLAY, headers.REPLAY_OF, "x-delivery-count"}
    assert json.loads(first.body) == {"id": "a", "to": ["15553199144"]}
    own = {name: value for name, value in first.headers.items() if name in kept}
    assert own == {"own": "x", headers.COMMAND_ID: "a", headers.REPLY_TO: "answers", headers.REPLAYS: 1}
    assert (second.headers[headers.REPLAYS], second.correlation_id, second.delivery_mode) == (2, "mine", 2)
    assert (first.headers[headers.REPLAY_OF], second.headers[headers.REPLAY_OF]) == ("event-a", "event-c")
    assert first.headers[headers.REPLAY] != second.headers[headers.REPLAY]
    assert await desk.listed() == ["b"]


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(desk):
    await desk.put("a")
    for command, words in (("replay", "1 command of {} would be sent again"), ("drop", "1 dead letter of {} would be")):
        done = await desk.mm7(command, "--dry-run")
        assert (done.exit_code, words.format(desk.account) in done.stdout) == (0, True)
        assert "no such number" in done.stdout
    assert await desk.listed() == ["a"]
    await desk.sent(0)


@pytest.mark.parametrize("command", ["replay", "drop"])
async def test_where_nobody_can_be_asked_nothing_is_done(desk, command):
    await desk.put("a")
    done = await desk.mm7(command)
    assert (done.exit_code, "no terminal to ask at. Say --yes" in done.stderr) == (2, True)
    assert await desk.listed() == ["a"]
    await desk.sent(0)


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, []), (b"n\n", 1, ["a"])])
async def test_a_person_at_a_terminal_is_asked(desk, script, answer, code, left):
    await desk.put("a")
    ours, theirs = pty.openpty()
    variables = os.environ | {f"MM7_{name}": str(value) for name, value in desk.variables.items()}
    process = await asyncio.create_subprocess_exec(
        script, "dead", "drop", stdin=theirs, stdout=asyncio.subprocess.PIPE, stderr=theirs, env=variables
    )
    os.close(theirs)
    seen = b""
    async with asyncio.timeout(20):
        while b"will be dropped" not in seen:  # the question comes after the count
            seen += await process.stdout.readline()
        os.write(ours, answer)
        seen += (await process.communicate())[0]
    os.close(ours)
    assert (process.returncode, b"1 dropped" in seen) == (code, not left)
    assert await desk.listed() == left


async def test_what_may_have_reached_the_phone_needs_a_word_more(desk):
    await desk.put("a", UNKNOWN)
    await desk.put("b", {}, message_id="m")  # nobody knows what became of it
    held = await desk.mm7("replay", "--yes")
    assert (held.exit_code, "2 dead letters will not be replayed: may have reached the phone" in held.stdout) == (
        3,
        True,
    )
    await desk.put("c")
    assert (await desk.mm7("replay", "--yes")).exit_code == 0
    assert json.loads((await desk.sent(1))[0].body)["id"] == "c"
    assert (await desk.mm7("replay", "--yes", "--unknown")).exit_code == 0
    assert [json.loads(each.body)["id"] for each in await desk.sent(2)] == ["a", "b"]
    assert await desk.listed() == []


async def test_garbage_is_looked_at_sent_again_as_it_is_and_dropped_by_its_own_name(desk):
    garbage = b"\xff\xfe\x00 {"
    await desk.put("g", {"x-death": [1], headers.REPLAYS: "many"}, garbage, message_id="m")
    (line,) = (await desk.mm7("list", "--json")).stdout.splitlines()
    name = json.loads(line)["letter"]
    assert "not put here by the worker" in (await desk.mm7("show", name)).stdout
    assert (await desk.mm7("replay", "--id", name, "--unknown", "--yes")).exit_code == 0
    (again,) = await desk.sent(1)
    assert (again.body, again.headers[headers.COMMAND_ID], again.headers[headers.REPLAYS]) == (garbage, "m", 1)
    await desk.put("g", {}, garbage)
    (line,) = (await desk.mm7("list", "--json")).stdout.splitlines()
    assert (await desk.mm7("drop", "--id", json.loads(line)["letter"], "--yes")).stdout.endswith("1 dropped\n")
    assert await desk.listed() == []


async def test_a_letter_of_the_broker_itself_is_known_for_what_it_is(desk, broker):
    await broker.command(desk.account, {"to": ["15553199144"]}, message_id="m7", headers={"own": "x"})
    queue = await broker.channel.get_queue(desk.mt, ensure=False)
    message = await queue.get()
    await message.reject(requeue=False)
    async with asyncio.timeout(10):
        while not (found := (await desk.mm7("list", "--json")).stdout):
            await asyncio.sleep(0.05)
    letter = json.loads(found)
    assert (letter["command_id"], letter["reason"], letter["outcome"]) == ("m7", "rejected", None)
    assert letter["cause"] == f"put here by the broker, from {desk.mt}"
    assert (await desk.mm7("replay", "--yes", "--unknown", "--since", "1h")).exit_code == 0
    (again,) = await desk.sent(1)
    assert "x-death" not in again.headers
    assert (again.headers["own"], again.headers[headers.COMMAND_ID]) == ("x", "m7")


async def test_a_replay_that_ended_between_publish_and_acknowledgement_is_repeated_with_the_same_token(desk):
    await desk.put("a")

    class Killed(BaseException):
        pass

    async def publish_and_die(publisher, letter, delivery):
        await publisher.publish(letters.replayed(letter, delivery), within=5)
        raise Killed

    settings = Settings.load()
    meant = await dead.look(settings, [desk.account], lambda letter, _: letter)
    with pytest.raises(Killed):
        await dead.carry_out(settings, meant, publish_and_die, "sent again")
    assert await desk.listed() == ["a"]
    assert (await desk.mm7("replay", "--yes")).exit_code == 0
    first, second = await desk.sent(2)
    assert first.headers[headers.REPLAY] == second.headers[headers.REPLAY]
    assert await desk.listed() == []


async def test_a_replay_that_was_cut_off_and_repeated_reaches_the_provider_once(
    amqp_url, broker, configure, tmp_path, run, mm7
):
    account, (port,) = f"dead-{secrets.token_hex(4)}", free_ports(1)
    outbound = {"url": f"http://127.0.0.1:{port}/", "retry_delays": ["1h"], "sender": "111122"}
    path = configure(tmp_path / "config.toml", {account: {"profile": "generic", "outbound": outbound}})
    programs = {"AMQP_URL": amqp_url, "CONFIG": path, "STATE_URL": f"sqlite://{tmp_path}/state.db"}
    worker = run("workers", **programs)
    await worker.ready()
    events = await broker.follow(f"mt.*.{account}.#")
    async with Simulator(port=port) as provider:
        provider.script(refuse(2002, "no such number"))
        await broker.command(account, {"id": "a", "to": ["15553199144"]})
        assert (await events.event())["type"] == "mt.refused"
        letter = await broker.take(f"mm7.dead.{account}")
        exchange = await broker.channel.get_exchange("mm7.dead")
        for _ in range(2):  # as it is there once more where the acknowledgement was lost
            await exchange.publish(aio_pika.Message(letter.body, headers=letter.headers), account)
            assert (await mm7("dead", "replay", "--yes", **programs)).out.endswith("1 sent again\n")
            assert (await events.event())["type"] == "mt.accepted"
        assert len(provider.submits) == 2, "the refused one, and its replay"
    assert await worker.stop() == 0
    await broker.remove(account)


async def test_a_letter_that_comes_back_at_once_is_not_sent_in_a_circle(desk, broker):
    """The worker refuses at once, and even forgets how often it was replayed."""
    for name in "abc":
        await desk.put(name)
    queue = await broker.channel.get_queue(desk.mt, ensure=False)
    refused = []

    async def refuse(message):
        refused.append(json.loads(message.body)["id"])
        await desk.put(refused[-1])

    await queue.consume(refuse, no_ack=True)
    done = await desk.mm7("replay", "--yes")
    assert (done.exit_code, done.stdout.endswith("3 sent again\n")) == (0, True)
    async with asyncio.timeout(10):
        while sorted(await desk.listed()) != ["a", "b", "c"]:
            await asyncio.sleep(0.05)
    assert sorted(refused) == ["a", "b", "c"]


async def test_what_keeps_coming_back_is_not_sent_again_without_a_word_more(desk):
    await desk.put("a", REFUSED | {headers.REPLAYS: 3})
    held = await desk.mm7("replay", "--yes")
    assert (held.exit_code, "came back from 3 replays" in held.stdout) == (3, True)
    assert (await desk.mm7("replay", "--yes", "--again")).exit_code == 0
    assert (await desk.sent(1))[0].headers[headers.REPLAYS] == 4


async def test_a_command_with_several_letters_is_sent_once(desk):
    await desk.put("a", REFUSED | {headers.EVENT_ID: "first", headers.AT: "2026-11-20T10:00:00Z"})
    await desk.put("a", REFUSED | {headers.EVENT_ID: "second"})
    done = await desk.mm7("replay", "--yes")
    assert (done.exit_code, "1 dead letter will not be replayed: has a later letter" in done.stdout) == (0, True)
    await desk.sent(1)
    unsafe = await desk.mm7("replay", "--yes", "--until", "2026-11-20T11:00:00Z")
    assert unsafe.exit_code == 0, "it is the only one now"


async def test_an_older_letter_is_not_sent_where_the_later_one_may_have_arrived(desk):
    await desk.put("a", REFUSED | {headers.EVENT_ID: "first", headers.AT: "2026-11-20T10:00:00Z"})
    await desk.put("a", UNKNOWN)
    done = await desk.mm7("replay", "--yes", "--outcome", "mt.refused")
    assert (done.exit_code, "later letter of the same command" in done.stdout) == (3, True)
    await desk.sent(0)


async def test_drop_removes_what_fits_and_no_more(desk):
    for name in "abcd":
        await desk.put(name)
    done = await desk.mm7("drop", "--id", "b", "--id", "d", "--yes")
    assert (done.exit_code, done.stdout) == (0, f"2 dead letters of {desk.account} will be dropped\n2 dropped\n")
    assert await desk.listed() == ["a", "c"]
    assert (await desk.mm7("drop", "--id", "b", "--yes")).stdout == "nothing to do: no dead letter fits\n"


async def test_letters_that_have_gone_meanwhile_are_said_to_be_missed(desk):
    await desk.put("a")
    settings = Settings.load()
    meant = await dead.look(settings, [desk.account], lambda letter, _: letter)
    assert (await desk.mm7("drop", "--yes")).exit_code == 0
    await desk.put("b")
    assert await dead.carry_out(settings, meant, dead.send_again, "sent again") == 1
    assert await desk.listed() == ["b"]


async def test_ctrl_c_in_the_middle_leaves_the_rest_where_it_is(desk, mm7_process, broker):
    await asyncio.gather(*(desk.put(f"c{number}") for number in range(300)))
    process = await mm7_process("dead", "replay", "--yes", **desk.variables)
    async with asyncio.timeout(30):
        while await broker.count(desk.mt) < 3:
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, b"Traceback" in err) == (1, False)
    sent, left = await broker.count(desk.mt), await desk.listed()
    assert b" sent again, " in out
    assert 0 < len(left) < 300
    assert sent + len(left) in (300, 301), "at most the one that was just being sent is there twice"


async def test_a_lost_connection_is_said_and_the_letter_stays(desk):
    await desk.put("a")

    async def cut(publisher, letter, delivery):
        publisher._connection.reset("cut")
        await asyncio.sleep(0.2)

    settings = Settings.load()
    meant = await dead.look(settings, [desk.account], lambda letter, _: letter)
    with pytest.raises(BrokerDown):
        await dead.carry_out(settings, meant, cut, "dropped")
    async with asyncio.timeout(10):
        while await desk.listed() != ["a"]:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--account", "nobody"), "no account 'nobody'"),
        (("show", "x", "--account", "nobody"), "no account 'nobody'"),
        (("list", "--since", "soon"), "neither a time"),
        (("drop", "--limit", "0", "--yes"), "--limit"),
        (("replay", "--outcome", "mt.accepted", "--yes"), "mt.accepted"),
    ],
)
def test_wrong_usage_ends_with_two(invoke, arguments, words):
    done = invoke("dead", *arguments)
    assert (done.exit_code, words in done.stderr) == (2, True)


def test_without_a_broker_it_says_so(invoke, monkeypatch):
    monkeypatch.setenv("MM7_AMQP_URL", "amqp://guest:s3cret@127.0.0.1:9/")
    done = invoke("dead", "replay", "--yes")
    assert (done.exit_code, "no broker" in done.stderr, "s3cret" in done.stderr) == (1, True, False)
