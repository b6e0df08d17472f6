"""The private nodes: really private, and their faults are what they say."""

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import installation
import pytest
from handshake import rabbitmq_version, redis_version
from problems import NoServer
from rabbitmq import RabbitNode
from redis_server import RedisNode


@pytest.fixture
def node(run_dir: Path) -> Iterator[RabbitNode]:
    with RabbitNode.create(run_dir, ["installed", "packages"]) as started:
        yield started


def test_a_rabbit_node_is_private_and_its_faults_can_be_had(node: RabbitNode) -> None:
    """One test for all of it, since a node takes seconds to start."""
    assert node.version == rabbitmq_version(node.url)
    assert _listening_addresses(node.data_dir) <= {"127.0.0.1", "::1"}
    node.ctl("add_vhost", "kept")

    node.kill()
    assert rabbitmq_version(node.url) is None
    node.start()
    assert {"name": "kept"} in json.loads(node.ctl("list_vhosts", "--formatter", "json"))

    node.pause()
    assert rabbitmq_version(node.url, timeout=0.3) is None
    node.resume()
    assert rabbitmq_version(node.url)

    node.alarm(on=True)
    assert "memory" in node.ctl("eval", "rabbit_alarm:get_alarms().")
    node.disk_alarm(on=True)
    assert "disk" in node.ctl("eval", "rabbit_alarm:get_alarms().")
    node.alarm(on=False)
    node.disk_alarm(on=False)
    assert node.ctl("eval", "rabbit_alarm:get_alarms().").strip() == "[]"

    node.pause()
    node.stop()
    assert rabbitmq_version(node.url) is None
    assert not _processes(node.data_dir)


def test_a_redis_forgets_unless_told_to_keep(run_dir: Path) -> None:
    for appendonly, expected in ((False, b"$-1\r\n"), (True, b"$1\r\n1\r\n")):
        with RedisNode.create(run_dir, ["installed", "packages"], appendonly=appendonly) as node:
            assert node.version == redis_version(node.url)
            assert _listening_addresses(node.data_dir) == {"127.0.0.1"}
            assert _ask_redis(node.port, b"SET key 1\r\n") == b"+OK\r\n"
            node.pause()
            assert redis_version(node.url, timeout=0.3) is None
            node.resume()
            assert redis_version(node.url)
            node.pause()
            node.stop()
            assert redis_version(node.url) is None
            node.start()
            assert _ask_redis(node.port, b"GET key\r\n") == expected
        assert not node.data_dir.exists()


def test_a_server_to_test_with_is_taken_from_the_folder_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MM7_TEST_RABBITMQ", str(tmp_path))
    with pytest.raises(NoServer, match="no sbin/rabbitmq-server"):
        installation.first(["installed", "packages"], tmp_path)
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin" / "rabbitmq-server").touch()
    found = installation.first(["installed", "packages"], tmp_path)
    assert found.program("rabbitmqctl") == str(tmp_path / "sbin" / "rabbitmqctl")


def _ask_redis(port: int, command: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(command)
        return connection.recv(64)


def _processes(folder: Path) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


def _listening_addresses(folder: Path) -> set[str]:
    """Where the processes of a node listen, by the kernel's word."""
    files = set()
    for file in (file for process in _processes(folder) for file in (process / "fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            files.add(str(file.readlink()))
    found = set()
    for table, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_rest = line.split()
            if state == "0A" and f"socket:[{line.split()[9]}]" in files:
                found.add(_address(local.partition(":")[0], family))
    return found


def _address(text: str, family: socket.AddressFamily) -> str:
    """The kernel writes addresses as hexadecimal words in the machine's byte order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(words))
