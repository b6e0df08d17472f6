"""A receiver leaves the port that it shares: who connects in that moment is not reset."""

import asyncio
import contextlib
import socket
import sys

import pytest

from gateway import handover

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections over the listeners")


def listening(port: int = 0) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), reuse_port=True, backlog=128)
    listener.setblocking(False)
    return listener


async def test_who_connects_while_one_listener_leaves_comes_to_another():
    with listening() as staying, contextlib.ExitStack() as stack:
        port = staying.getsockname()[1]
        with listening(port) as leaving:
            left = asyncio.create_task(handover.leave([leaving]))
            await asyncio.sleep(0)  # until it waits
            connecting = [asyncio.create_task(asyncio.open_connection("127.0.0.1", port)) for _ in range(40)]
            await left
            with pytest.raises(BlockingIOError):
                leaving.accept()  # it has nobody whom its end would cut off
        for _, writer in await asyncio.gather(*connecting):
            stack.callback(writer.close)
        for _ in connecting:
            stack.enter_context(staying.accept()[0])


async def test_where_the_kernel_hands_over_by_itself_nobody_has_to_wait(tmp_path):
    switch = tmp_path / "tcp_migrate_req"
    switch.write_text("1\n")
    with listening() as leaving:
        await handover.leave([leaving], migrates=switch)
        with socket.create_connection(leaving.getsockname(), timeout=0.2):
            leaving.accept()[0].close()


async def test_a_system_that_has_no_such_filters_holds_up_no_end(tmp_path, monkeypatch):
    def refuse(_: socket.socket) -> None:
        raise OSError(92, "Protocol not available")

    monkeypatch.setattr(handover, "_attach", refuse)
    with listening() as leaving:
        await handover.leave([leaving], migrates=tmp_path / "none")
        with contextlib.closing(socket.create_connection(leaving.getsockname(), 1)):
            leaving.accept()[0].close()
