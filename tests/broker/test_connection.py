"""A connection can be closed in any state, and gives nothing away."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest
import structlog

from gateway.broker import (
    BrokerDown,
    Connection,
    Consumer,
    Delivery,
    Outgoing,
    Publisher,
    PublishFailed,
    State,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rabbitmq import RabbitNode

    Eventually = Callable[..., Awaitable[None]]
    Alarm = Callable[[bool], Awaitable[None]]
    Freeze = Callable[[], None]

CLOSE_WITHIN = 5.0


async def closes(connection: Connection) -> None:
    began = time.monotonic()
    await connection.close()
    assert time.monotonic() - began < CLOSE_WITHIN
    assert connection.state is State.DOWN
    with pytest.raises(PublishFailed):
        await Publisher(connection).publish(_message(), within=1)


def _message(body: bytes = b"") -> Outgoing:
    return Outgoing(exchange="mm7.events", routing_key="k", body=body, content_type="text/plain")


@pytest.fixture(params=["silent", "talkative"])
async def stranger(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a server that is no broker."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.param == "talkative":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"amqp://user:hunter2@127.0.0.1:{port}/"
    server.close()


async def test_it_closes_before_it_was_started() -> None:
    await closes(Connection("amqp://127.0.0.1:1/", "test"))


async def test_it_closes_while_nobody_listens(eventually: Eventually) -> None:
    connection = Connection("amqp://127.0.0.1:1/", "test")
    await connection.start()
    await eventually(lambda: "Connect call failed" in connection.reason)
    await closes(connection)


async def test_it_closes_while_a_stranger_does_not_answer_or_answers_nonsense(stranger: str) -> None:
    connection = Connection(stranger, "test")
    await connection.start()
    with pytest.raises(BrokerDown):
        await connection.wait_up(0.3)
    await closes(connection)


async def test_it_closes_when_it_is_up(amqp_url: str) -> None:
    async with Connection(amqp_url, "test") as connection:
        await connection.wait_up(5)
        assert (connection.state, connection.reason) == (State.UP, "")
        await closes(connection)


async def test_it_closes_while_the_broker_is_frozen(node: RabbitNode, freeze: Freeze) -> None:
    connection = Connection(node.url, "test")
    await connection.start()
    await connection.wait_up(5)
    freeze()
    # more than the sockets take, so that the library's queue is full and cancellations are held back
    big = [Publisher(connection).publish(_message(bytes(2_000_000)), within=0.5) for _ in range(20)]
    outcomes = await asyncio.gather(*big, return_exceptions=True)
    assert all(isinstance(outcome, PublishFailed) for outcome in outcomes)
    await closes(connection)
    new = Connection(node.url, "test")
    await new.start()
    with pytest.raises(BrokerDown):
        await new.wait_up(0.3)
    await closes(new)


async def test_it_closes_while_it_is_blocked(node: RabbitNode, alarm: Alarm, eventually: Eventually) -> None:
    connection = Connection(node.url, "test")
    await connection.start()
    await connection.wait_up(5)
    await alarm(True)
    with pytest.raises(PublishFailed):
        await Publisher(connection).publish(
            Outgoing(exchange="", routing_key="none", body=b"", content_type="a"), within=0.3
        )
    await eventually(lambda: connection.state is State.BLOCKED)
    await closes(connection)


def test_the_loop_ends_whatever_was_left_behind(node: RabbitNode, freeze: Freeze) -> None:
    async def handle(delivery: Delivery) -> None:
        await delivery.ack()

    async def careless() -> None:
        connection = Connection(node.url, "test")
        await connection.start()
        await connection.wait_up(5)
        await Consumer(connection, "no.such.queue", 1, handle).start()
        freeze()
        with pytest.raises(PublishFailed):
            await Publisher(connection).publish(_message(), within=0.2)

    began = time.monotonic()
    asyncio.run(careless())
    assert time.monotonic() - began < CLOSE_WITHIN + 5


@pytest.mark.parametrize("url", ["", "http://host/", "amqp://", "amqp://u:hunter2@host:port/", "amqp://u:hun/ter2@h/"])
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"must read amqp://user:password@host") as caught:
        Connection(url, "test")
    assert "hun" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_the_password_is_not_shown(amqp_url: str, stranger: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wrong = amqp_url.replace("guest:guest@", "guest:hunter2@")
    with structlog.testing.capture_logs() as logs:
        for url in (wrong, stranger):
            async with Connection(url, "test") as connection:
                with pytest.raises(BrokerDown) as caught:
                    await connection.wait_up(0.5)
                with pytest.raises(PublishFailed) as failed:
                    await Publisher(connection).publish(_message(), within=1)
                assert "hunter2" not in f"{caught.value!r} {failed.value!r} {connection.reason} {connection.address}"
    assert "hunter2" not in repr(logs)
    assert "hunter2" not in caplog.text


async def test_a_wrong_password_is_told_as_such(amqp_url: str, eventually: Eventually) -> None:
    async with Connection(amqp_url.replace("guest:guest@", "guest:hunter2@"), "test") as connection:
        await eventually(lambda: "ACCESS_REFUSED" in connection.reason or "Login was refused" in connection.reason)
