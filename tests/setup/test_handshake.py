"""An open port is not a RabbitMQ."""

import socket
import threading
from collections.abc import Iterator

import pytest
from handshake import rabbitmq_version, redis_version

START_OF_ANOTHER = b"\x01\0\0\0\0\0\x22\0\x0a\0\x0a\0\x09\0\0\0\x13\x07productS\0\0\0\x06Lavin!\0\0\0\0\0\0\0\0\xce"


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\0\0\x09\x01", START_OF_ANOTHER])
def stranger(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a program that says this and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(request.param)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def test_another_program_is_not_rabbitmq(stranger: int) -> None:
    assert rabbitmq_version(f"amqp://guest:guest@127.0.0.1:{stranger}/") is None


def test_another_program_is_not_redis(stranger: int) -> None:
    assert redis_version(f"redis://127.0.0.1:{stranger}/0") is None


def test_a_port_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert rabbitmq_version(f"amqp://127.0.0.1:{server.getsockname()[1]}/", timeout=0.1) is None
