"""`mm7` with a real RabbitMQ: what a user does from the command line, as processes."""

import asyncio
import json
import secrets
import signal

import aio_pika
import pytest
from rundir import free_ports

from gateway.tools.simulator import Simulator, hang_up, refuse

NOWHERE = "amqp://guest:s3cret@127.0.0.1:9/"


@pytest.fixture
async def settings(amqp_url, configure, tmp_path, broker):
    """The settings of one account whose provider does not run; MM7_ variables."""
    name, delay = f"cli-{secrets.token_hex(4)}", f"{300 + secrets.randbelow(400)}ms"
    outbound = {"url": "http://127.0.0.1:9/", "retry_delays": [delay], "sender": "111122"}
    path = configure(
        tmp_path / "config.toml", {name: {"profile": "sinch", "inbound": {"open": True}, "outbound": outbound}}
    )
    media = (tmp_path / "media").as_uri()
    yield {"CONFIG": path, "AMQP_URL": amqp_url, "MEDIA_URL": media, "account": name, "delay": delay}
    await broker.remove(name, delays=(delay,))


@pytest.fixture
def call(mm7, settings):
    """`mm7 …` with these settings."""
    variables = {key: value for key, value in settings.items() if key.isupper()}

    async def run(*arguments, **more):
        return await mm7(*arguments, **variables | more)

    return run


async def test_the_topology_is_compared_declared_and_found_there(call, settings):
    missing = await call("topology", "check")
    assert missing.code == 1
    assert f"queue mm7.mt.{settings['account']}: missing" in missing.out
    declared = await call("topology", "declare")
    assert (declared.code, declared.out) == (0, "declared\n")
    found = await call("topology", "check")
    assert (found.code, found.out) == (0, "all there\n")


async def test_an_object_with_other_arguments_is_named_and_left_as_it_is(call, settings, broker):
    name = f"mm7.mt.{settings['account']}"
    await broker.channel.declare_queue(name, durable=True)
    for command in ("declare", "check"):
        done = await call("topology", command)
        assert done.code == 1
        assert f"queue {name}: different" in done.out
    assert await broker.count(name) == 0


async def test_everything_is_looked_at_by_check(call, settings):
    done = await call("check")
    lines = {line[5:25].strip(): line[:4].strip() for line in done.out.splitlines()}
    account = f"account {settings['account']}"
    stores = {"media": "ok", "spool": "ok", "state": "ok"}
    assert lines == {"settings": "ok", "broker": "ok", "topology": "FAIL", account: "FAIL"} | stores
    assert done.code == 1
    assert "127.0.0.1:9 cannot be reached" in done.out
    assert "`mm7 topology declare` makes what is missing" in done.out


async def test_check_says_ok_when_all_is_well(call, settings, configure):
    await call("topology", "declare")
    async with Simulator() as provider:
        text = settings["CONFIG"].read_text().replace("http://127.0.0.1:9/", provider.url)
        settings["CONFIG"].write_text(text)
        done = await call("check")
    assert (done.code, "FAIL" in done.out) == (0, False)


async def test_a_message_can_be_enqueued_before_any_program_of_ours_has_run(call, settings, broker, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    done = await call(
        "send", "--account", settings["account"], "--to", "15553199144", "--text", "Hello", "--attach", "a.png",
        "--subject", "S", "--reference", "r",
    )  # fmt: skip
    assert (done.code, done.out.startswith("enqueued as ")) == (0, True)
    message = await broker.take(f"mm7.mt.{settings['account']}")
    command = json.loads(message.body)
    assert done.out.split()[-1] == command["id"] == message.correlation_id
    assert (command["to"], command["subject"], command["reference"]) == (["15553199144"], "S", "r")
    assert [part["content_type"] for part in command["parts"]] == ["image/png", "text/plain"]
    assert message.delivery_mode == 2


async def test_waiting_in_vain_says_what_may_be_wrong(call, settings):
    done = await call("send", "--account", settings["account"], "--to", "1", "--text", "x", "--wait", "--within", "0.3")
    assert (done.code, "is the worker running?" in done.err) == (1, True)


async def test_without_a_broker_every_command_says_so_and_gives_no_secret_away(call, settings):
    send = ("send", "--account", settings["account"], "--to", "1", "--text", "x")
    commands = (send, ("tail",), ("topology", "check"), ("topology", "declare"), ("demo",))
    for done in await asyncio.gather(*(call(*command, AMQP_URL=NOWHERE) for command in commands)):
        assert done.code == 1
        assert "no broker: " in done.err
        assert "MM7_AMQP_URL" in done.err
        assert "s3cret" not in done.err + done.out


async def test_a_wrong_password_and_a_wrong_address_are_told(call, settings):
    url = settings["AMQP_URL"].replace("guest:guest", "guest:wr0ng")
    check, password, address, demo = await asyncio.gather(
        call("check", "--json", AMQP_URL=url),
        call("topology", "check", AMQP_URL=url),
        call("tail", AMQP_URL="amqp://host:99999/"),
        call("demo", AMQP_URL="amqp://host:99999/"),
    )
    assert (password.code, "ACCESS_REFUSED" in password.err, "wr0ng" in password.err) == (1, True, False)
    for done in (address, demo):
        assert (done.code, "amqp://user:password@host" in done.err) == (2, True)
    found = {entry["what"]: entry["ok"] for entry in map(json.loads, check.out.splitlines())}
    assert (found["settings"], found["broker"], found["topology"]) == (True, False, False)
    assert (check.code, "wr0ng" in check.out + check.err) == (1, False)


async def _following(mm7_process, settings, *options):
    """`mm7 tail`, bound."""
    variables = {key: value for key, value in settings.items() if key.isupper()}
    bind = f"*.*.{settings['account']}.*"
    return await mm7_process("tail", "--bind", bind, *options, **variables)


async def _published(broker, settings, process, body: bytes) -> bytes:
    """Publish until the tail shows it: nobody can see from outside when it is bound."""
    reading = asyncio.create_task(process.stdout.readline())
    exchange = await broker.channel.get_exchange("mm7.events", ensure=False)
    async with asyncio.timeout(20):
        while not reading.done():
            key = f"mo.received.{settings['account']}.1"
            await exchange.publish(aio_pika.Message(body), key)
            await asyncio.wait({reading}, timeout=0.2)
    return reading.result()


@pytest.mark.parametrize(
    ("options", "shown"), [((), b"not an event of ours: <junk> [2J\n"), (("--json",), b"<junk>\x1b[2J\n")]
)
async def test_tail_survives_what_others_publish_and_ends_by_ctrl_c(
    call, mm7_process, settings, broker, options, shown
):
    await call("topology", "declare")
    process = await _following(mm7_process, settings, *options)
    assert await _published(broker, settings, process, b"<junk>\x1b[2J") == shown
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, err) == (0, b"")


async def test_tail_ends_quietly_when_its_reader_has_gone(call, mm7_process, settings, broker, script):
    await call("topology", "declare")
    variables = {f"MM7_{key}": str(value) for key, value in settings.items() if key.isupper()}
    shell = f"{script} tail --bind '*.*.{settings['account']}.*' | head -1"
    process = await asyncio.create_subprocess_exec(
        "bash", "-o", "pipefail", "-c", shell,
        env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert (await _published(broker, settings, process, b"1")).startswith(b"not an event")
    async with asyncio.timeout(20):
        exchange = await broker.channel.get_exchange("mm7.events", ensure=False)
        while process.returncode is None:
            await exchange.publish(aio_pika.Message(b"2"), f"mo.received.{settings['account']}.1")
            await asyncio.sleep(0.1)
    assert process.stderr is not None
    assert (process.returncode, await process.stderr.read()) == (1, b"")


async def test_send_and_wait_prints_the_outcome_and_tail_the_report(call, mm7_process, run, settings, broker):
    (port,) = free_ports(1)
    text = settings["CONFIG"].read_text().replace("http://127.0.0.1:9/", f"http://127.0.0.1:{port}/")
    settings["CONFIG"].write_text(text)
    programs = {"AMQP_URL": settings["AMQP_URL"], "CONFIG": settings["CONFIG"]}
    receiver, worker = run("gateway", **programs), run("workers", **programs)
    await receiver.ready()
    await worker.ready()
    callbacks = f"http://127.0.0.1:{receiver.port}/mm7/{settings['account']}"
    send = ("send", "--account", settings["account"], "--to", "15553199144", "--text", "x", "--wait")
    async with Simulator(port=port, to=callbacks, report_after=0.1) as provider:
        following = await _following(mm7_process, settings)
        await _published(broker, settings, following, b"1")
        accepted = await call(*send)
        assert (accepted.code, " mt.accepted " in accepted.out) == (0, True)
        seen = b""
        while b" dr.received " not in seen:
            seen += await asyncio.wait_for(following.stdout.readline(), 10)
        assert b" mt.accepted " in seen
        following.send_signal(signal.SIGINT)
        await following.communicate()
        provider.script(refuse(2002, "no such number"))
        refused = await call(*send, "--json")
        assert (refused.code, json.loads(refused.out)["type"]) == (3, "mt.refused")
        provider.script(hang_up())
        unknown = await call(*send)
        assert (unknown.code, " mt.unknown " in unknown.out) == (4, True)
