"""RabbitMQ with the shipped configuration: our programs work with their own rights, and others have no more than theirs."""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused
from fronts import HAProxy
from problems import NoServer, StartFailed
from rundir import free_ports

from gateway import broker
from gateway.tools.simulator import Simulator
from tests.conftest import no_broker
from tests.deploy.fronting import started

CONFIG = Path(__file__).parents[2] / "deploy" / "rabbitmq"
DEFINITIONS = json.loads((CONFIG / "definitions.json").read_text())
USERS = json.loads((CONFIG / "users.json").read_text())
ACCOUNT, DELAY = "rights", "300ms"
CLI = "from gateway.tools.cli import main; main()"


def test_the_definitions_are_what_the_programs_declare_whatever_the_accounts() -> None:
    topology = broker.build({})
    assert {(e["name"], e["type"], str(e["arguments"])) for e in DEFINITIONS["exchanges"]} == {
        (e.name, e.type, str(dict(e.arguments))) for e in topology.exchanges
    }
    assert {q["name"]: q["arguments"] for q in DEFINITIONS["queues"]} == {
        q.name: dict(q.arguments) for q in topology.queues
    }
    assert [(b["source"], b["destination"], b["routing_key"]) for b in DEFINITIONS["bindings"]] == [
        (b.exchange, b.queue, b.routing_key) for b in topology.bindings
    ]
    lasting = [*DEFINITIONS["exchanges"], *DEFINITIONS["queues"]]
    assert all(each["durable"] and not each["auto_delete"] and each["vhost"] == "mm7" for each in lasting)


def test_nobody_has_a_password_until_somebody_gives_one() -> None:
    assert {user["password_hash"] for user in USERS["users"]} == {""}
    assert "users" not in DEFINITIONS


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A node with the shipped files, and a guest beside, by whom set-up knows that it has started."""
    from rabbitmq import RabbitNode

    try:
        node = RabbitNode.create()
    except NoServer as error:
        no_broker(str(error))
    rights = {"user": "guest", "configure": ".*", "write": ".*", "read": ".*"}
    guest = {
        "vhosts": [*DEFINITIONS["vhosts"], {"name": "/"}],
        "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
        "permissions": [rights | {"vhost": "/"}, rights | {"vhost": "mm7"}],
    }
    (node.data_dir / "definitions.json").write_text(json.dumps(DEFINITIONS | guest))
    (node.data_dir / "enabled_plugins").write_text((CONFIG / "enabled_plugins").read_text())
    metrics, management = free_ports(2)
    text = (CONFIG / "rabbitmq.conf").read_text().replace("/etc/rabbitmq/", f"{node.data_dir}/")
    loopback = f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {metrics}\nmanagement.tcp.port = {management}\n"
    node.configure(f"{text}\n{loopback}vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\n")
    try:
        node.start()
    except StartFailed as error:
        node.destroy()
        pytest.fail(str(error))
    node.ctl("import_definitions", str(CONFIG / "users.json"))
    for user in USERS["users"]:
        node.ctl("change_password", user["name"], "geheim")
    yield SimpleNamespace(node=node, metrics=metrics, management=management)
    node.destroy()


def url(server: Any, user: str, port: int | None = None) -> str:
    return f"amqp://{user}:geheim@127.0.0.1:{port or server.node.port}/mm7"


@pytest.fixture
async def channel_of(server) -> AsyncIterator[Any]:
    """A channel of a user."""
    connections = []

    async def open_channel(user: str) -> Any:
        connections.append(await aio_pika.connect(url(server, user)))
        return await connections[-1].channel(publisher_confirms=True, on_return_raises=True)

    yield open_channel
    for connection in connections:
        await connection.close()


async def test_each_does_his_part_with_the_rights_of_his_own_user(server, channel_of, run, configure, tmp_path):
    subscriber, sender = await channel_of("mm7-subscriber"), await channel_of("mm7-sender")
    events = await subscriber.declare_queue("subscriber.events", durable=True, arguments={"x-queue-type": "quorum"})
    await events.bind("mm7.events", "#")
    replies = await sender.declare_queue(exclusive=True)
    port = free_ports(1)[0]
    outbound = {"url": f"http://127.0.0.1:{port}/mm7/v1/", "retry_delays": [DELAY]}
    account = {"profile": "generic", "inbound": {"open": True}, "outbound": outbound}
    config = configure(tmp_path / "mm7.toml", {ACCOUNT: account})
    given = {"AMQP_URL": url(server, "mm7"), "CONFIG": config, "STATE_URL": f"sqlite:///{tmp_path}/state.db"}
    receiver, worker = run("gateway", **given), run("workers", **given)
    await receiver.ready()
    await worker.ready()
    callbacks = f"http://127.0.0.1:{receiver.port}/mm7/{ACCOUNT}"
    async with Simulator(to=callbacks, port=port, retries=0, report_after=0.05) as provider:
        command = {"id": "c-1", "to": ["15553199144"], "parts": [{"content_type": "text/plain", "text": "x"}]}
        message = aio_pika.Message(json.dumps(command).encode(), reply_to=replies.name, content_type="application/json")
        await (await sender.get_exchange("mm7.commands")).publish(message, ACCOUNT)
        await provider.next_submit()
        assert [each.type for each in await _taken(replies)] == ["mt.accepted"]
        assert sorted(each.type for each in await _taken(events, 2)) == ["dr.received", "mt.accepted"]
        environment = {**os.environ, **{f"MM7_{name}": str(value) for name, value in given.items()}}
        for arguments in (["topology", "check"], ["send", "--account", ACCOUNT, "--to", "15553199144", "--wait"]):
            line = [sys.executable, "-c", CLI, *arguments]
            done = await asyncio.to_thread(
                subprocess.run, line, check=False, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
    for program in (receiver, worker):
        assert not program.logged("topology.differs")
        assert await program.stop() == 0


async def _taken(queue: Any, count: int = 1) -> list[Any]:
    """The next messages of a queue, acknowledged."""
    found: list[Any] = []
    async with queue.iterator(timeout=10) as messages:
        while len(found) < count:
            found.append(await anext(messages))
            await found[-1].ack()
    return found


@pytest.mark.parametrize(
    ("user", "exchange"),
    [
        ("mm7-subscriber", "mm7.events"),
        ("mm7-subscriber", "mm7.commands"),
        ("mm7-subscriber", "mm7.unrouted"),
        ("mm7-subscriber", ""),
        ("mm7-sender", "mm7.events"),
        ("mm7-sender", "mm7.dead"),
        ("mm7-sender", ""),
    ],
)
async def test_nobody_publishes_what_is_not_his_to_publish(channel_of, user, exchange):
    channel = await channel_of(user)
    found = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    with pytest.raises(ChannelAccessRefused):
        await found.publish(aio_pika.Message(b"{}"), "mm7.unrouted")


@pytest.mark.parametrize("user", ["mm7-subscriber", "mm7-sender"])
async def test_nobody_reads_or_takes_away_what_is_the_programs(channel_of, user):
    for act in ("get", "purge", "delete"):
        queue = await (await channel_of(user)).get_queue("mm7.unrouted", ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await getattr(queue, act)()
    with pytest.raises(ChannelAccessRefused):
        await (await channel_of(user)).declare_queue("mm7.mine", durable=True)


async def test_what_a_subscriber_gives_up_is_kept_with_what_nobody_is_bound_for(server, channel_of, eventually):
    subscriber, ours = await channel_of("mm7-subscriber"), await channel_of("mm7")
    queue = await subscriber.declare_queue("subscriber.weak", durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind("mm7.events", "x.weak.#")
    await (await ours.get_exchange("mm7.events")).publish(aio_pika.Message(b"{}", type="x.weak"), "x.weak.a.b")
    await (await queue.get()).reject(requeue=False)
    kept = await ours.get_queue("mm7.unrouted")
    (message,) = await _taken(kept)
    assert message.type == "x.weak"
    assert message.headers["x-first-death-queue"] == "subscriber.weak"


async def test_the_operator_moves_what_was_unrouted_to_where_it_belongs(server, channel_of, eventually):
    ours, subscriber = await channel_of("mm7"), await channel_of("mm7-subscriber")
    late = await subscriber.declare_queue("subscriber.late", durable=True, arguments={"x-queue-type": "quorum"})
    await (await ours.get_exchange("mm7.unrouted")).publish(aio_pika.Message(b"{}", type="x.late"), "x.late.a.b")
    move = {  # as the management page's "Move messages" asks for it
        "component": "shovel",
        "vhost": "mm7",
        "name": "moved",
        "value": {
            "src-uri": "amqp:///mm7",
            "src-queue": "mm7.unrouted",
            "src-delete-after": "queue-length",
            "dest-uri": "amqp:///mm7",
            "dest-queue": late.name,
        },
    }
    asked = await asyncio.to_thread(managed, server, "mm7-operator", "parameters/shovel/mm7/moved", move)
    assert asked == HTTPStatus.CREATED
    (message,) = await _taken(late)
    assert message.type == "x.late"
    assert await asyncio.to_thread(managed, server, "mm7-operator", "shovels/mm7") == HTTPStatus.OK
    assert await asyncio.to_thread(managed, server, "mm7", "overview") == HTTPStatus.UNAUTHORIZED


def managed(server: Any, user: str, path: str, body: object = None) -> int:
    """What the management API answers the user, GET or, with a body, PUT."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.management, timeout=15)) as connection:
        basic = "Basic " + base64.b64encode(f"{user}:geheim".encode()).decode()
        headers = {"Authorization": basic, "Content-Type": "application/json"}
        connection.request("PUT" if body else "GET", f"/api/{path}", json.dumps(body) if body else None, headers)
        return connection.getresponse().status


async def test_haproxy_leads_to_a_node_that_speaks_and_away_from_one_that_is_frozen(server, eventually):
    dead = free_ports(1)[0]
    with started(lambda: HAProxy([], [dead, server.node.port])) as front:

        def up(port: int) -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{front.status_port}/metrics") as page:
                return f'proxy="rabbitmq",server="b{port}",state="UP"}} 1' in page.read().decode()

        await eventually(lambda: not up(dead))
        connection = await aio_pika.connect(url(server, "mm7", front.amqp_port))
        closed: list[object] = []
        connection.close_callbacks.add(lambda _, reason: closed.append(reason))
        server.node.pause()
        try:
            await eventually(lambda: closed, 15)
            assert not up(server.node.port)
        finally:
            server.node.resume()


def test_prometheus_finds_the_queues(server) -> None:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{server.metrics}/metrics/detailed?family=queue_coarse_metrics"
    ) as page:
        assert 'rabbitmq_detailed_queue_messages_ready{vhost="mm7",queue="mm7.unrouted"}' in page.read().decode()


def test_a_policy_that_was_tuned_stays_until_the_file_says_something_else(server) -> None:
    name = "subscribers"
    (shipped,) = [policy for policy in DEFINITIONS["policies"] if policy["name"] == name]
    definition = json.dumps(shipped["definition"] | {"max-length-bytes": 9_000_000_000})
    server.node.ctl("set_policy", "-p", "mm7", "--apply-to", shipped["apply-to"], name, shipped["pattern"], definition)

    def limit_after_restart() -> str:
        server.node.stop()
        server.node.start()
        found = re.search(r'"max-length-bytes":(\d+)', server.node.ctl("list_policies", "-p", "mm7"))
        assert found
        return found[1]

    assert limit_after_restart() == "9000000000"
    file = server.node.data_dir / "definitions.json"
    file.write_text(file.read_text().replace(str(shipped["definition"]["max-length-bytes"]), "3000000000"))
    assert limit_after_restart() == "3000000000"
