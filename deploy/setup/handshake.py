"""Who answers on a port: RabbitMQ, Redis or neither, asked with bare sockets since no library is there yet.

Strategy: the whole AMQP 0-9-1 opening up to Connection.OpenOk, because an open port proves nothing: RabbitMQ may be
booting, refuse the user, or be another program.
"""

import socket
import struct
from urllib.parse import unquote, urlsplit

METHOD, END = 1, b"\xce"
START, START_OK, TUNE, TUNE_OK = (10, 10), (10, 11), (10, 30), (10, 31)
OPEN, OPEN_OK, CLOSE = (10, 40), (10, 41), (10, 50)


def rabbitmq_version(url: str, timeout: float = 2.0) -> str | None:
    """The version of the RabbitMQ that lets us in at `url`; None when there is none."""
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "127.0.0.1", address.port or 5672), timeout) as connection:
            connection.settimeout(timeout)
            user, password = unquote(address.username or "guest"), unquote(address.password or "guest")
            return _open(connection, user, password, unquote(address.path[1:]) or "/")
    except (OSError, EOFError, ValueError, IndexError, struct.error):
        return None


def _open(connection: socket.socket, user: str, password: str, vhost: str) -> str | None:
    connection.sendall(b"AMQP\x00\x00\x09\x01")
    properties = _properties(_expect(connection, START)[2:])
    if properties.get("product") != "RabbitMQ":
        return None
    answer = _long(f"\0{user}\0{password}".encode())
    _send(connection, START_OK, _long(b"") + _short(b"PLAIN") + answer + _short(b"en_US"))
    tune = _expect(connection, TUNE)
    _send(connection, TUNE_OK, tune[:6] + b"\0\0")
    _send(connection, OPEN, _short(vhost.encode()) + b"\0\0")
    _expect(connection, OPEN_OK)
    _send(connection, CLOSE, struct.pack(">H", 200) + _short(b"") + b"\0\0\0\0")  # else the broker's log has a warning
    connection.recv(64)
    return properties.get("version", "unknown")


def _send(connection: socket.socket, method: tuple[int, int], arguments: bytes) -> None:
    body = struct.pack(">HH", *method) + arguments
    connection.sendall(struct.pack(">BHI", METHOD, 0, len(body)) + body + END)


def _expect(connection: socket.socket, method: tuple[int, int]) -> bytes:
    """The arguments of the next frame, which must be `method`."""
    kind, _, size = struct.unpack(">BHI", _exactly(connection, 7))
    if kind != METHOD or size > 1 << 17:
        raise ValueError("not AMQP 0-9-1")
    body = _exactly(connection, size + 1)
    if struct.unpack(">HH", body[:4]) != method or body[-1:] != END:
        raise ValueError("another AMQP method")
    return body[4:-1]


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _properties(table: bytes) -> dict[str, str]:
    """The texts at the top of a field table; nested tables and flags are stepped over."""
    found = {}
    position, end = 4, 4 + int.from_bytes(table[:4], "big")
    while position < end:
        key_end = position + 1 + table[position]
        key, kind = table[position + 1 : key_end].decode(), table[key_end : key_end + 1]
        if kind == b"t":
            position = key_end + 2
            continue
        if kind not in b"SF":
            break
        size = int.from_bytes(table[key_end + 1 : key_end + 5], "big")
        position = key_end + 5 + size
        if kind == b"S":
            found[key] = table[key_end + 5 : position].decode(errors="replace")
    return found


def redis_version(url: str, timeout: float = 2.0) -> str | None:
    """The version of the Redis that answers PING at `url`; None when there is none."""
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(b"PING\r\n")
            if _exactly(connection, 7) != b"+PONG\r\n":
                return None
            connection.sendall(b"INFO server\r\n")
            facts = connection.recv(1 << 16).decode(errors="replace").splitlines()
    except (OSError, EOFError):
        return None
    return next((line.partition(":")[2] for line in facts if line.startswith("redis_version:")), "unknown")
