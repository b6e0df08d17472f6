"""A listening socket that is left to others who listen on its port: nobody who connects meanwhile is reset.

Strategy: with SO_REUSEPORT the kernel gives each new connection to one of the listeners, and closing one resets what
lies in its queue, or is on its way through the handshake. Linux hands those over where net.ipv4.tcp_migrate_req is 1.
Elsewhere a filter on the socket first lets no SYN in any more, while handshakes that have begun come to their end; who
was not let in asks again after a second, as TCP does, and comes to one of the others.
"""

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

HANDSHAKE_SECONDS = 0.5  # more than a handshake's way there and back
MIGRATES = Path("/proc/sys/net/ipv4/tcp_migrate_req")
_SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h; Python does not name it
# Classic BPF, from the TCP header on: drop what has the flag SYN (byte 13, 0x02), take all else.
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


async def leave(listeners: Iterable[socket.socket], *, migrates: Path = MIGRATES) -> None:
    """Let nobody new in, and return when those who had begun are in: then the sockets may be closed."""
    if sys.platform != "linux" or _is_on(migrates):
        return
    for each in listeners:
        with suppress(OSError):  # a system that has no such filters: then as it is without
            _attach(each)
    await asyncio.sleep(HANDSHAKE_SECONDS)


def _is_on(switch: Path) -> bool:
    try:
        return switch.read_text().strip() == "1"
    except OSError:
        return False


def _attach(listener: socket.socket) -> None:
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _NO_SYN))
    fprog = struct.pack("HP", len(_NO_SYN), ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
