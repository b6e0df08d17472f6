"""`mm7 simulate` as a program of its own, against the simulator as the gateway's stand-in."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway import mm7

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

PROGRAM = "import typer; from gateway.tools.simulator.command import simulate; typer.run(simulate)"
WITHIN = 30.0


@asynccontextmanager
async def gateway(*statuses: int) -> AsyncIterator[tuple[str, list[mm7.Decoded]]]:
    """A receiver that answers with these HTTP statuses, then accepts all; its URL and what it got."""
    received: list[mm7.Decoded] = []
    script = list(statuses)

    async def receive(request: web.Request) -> web.Response:
        decoded = mm7.decode(request.headers.get("Content-Type"), await request.read())
        received.append(decoded)
        if script:
            return web.Response(status=script.pop(0))
        message = decoded.message
        echoed = mm7.Request(
            operation=message.operation,
            transaction_id=message.transaction_id,
            namespace=message.namespace,
            mm7_version=message.mm7_version,
        )
        answer = mm7.encode(mm7.response(echoed, 1000, message_id="1"))
        return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})

    app = web.Application(client_max_size=2**24)
    app.router.add_post("/mm7/sinch-us", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/mm7/sinch-us", received
    finally:
        await runner.cleanup()


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(*arguments: str) -> tuple[int, list[str], str]:
    async with program(*arguments) as process:
        async with asyncio.timeout(WITHIN):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode().splitlines(), err.decode()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN):
        return (await process.stdout.readline()).decode().rstrip("\n")


def submit() -> mm7.Encoded:
    message = mm7.SubmitReq(
        transaction_id="tx-1",
        mm7_version="6.8.0",
        sender_identification=mm7.SenderIdentification(sender_address=mm7.Address("111122", "ShortCode")),
        recipients=mm7.Recipients(to=(mm7.Address("15553199144"),)),
    )
    return mm7.encode(message)


async def post(url: str) -> tuple[int, mm7.Response | None]:
    written = submit()
    headers = {"Content-Type": written.content_type}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=written.body, headers=headers) as got,
    ):
        body = await got.read()
        if got.content_type != "text/xml":
            return got.status, None
        message = mm7.decode(got.headers["Content-Type"], body).message
        assert isinstance(message, mm7.Response)
        return got.status, message


async def test_messages_are_sent_and_each_has_its_line() -> None:
    async with gateway() as (url, received):
        code, lines, _ = await run("--to", url, "--mo", "3", "--text", "Hi", "--from", "15550001111")
    assert code == 0
    assert len(lines) == 3
    assert all(said.startswith("→ MO ") and "sent: 200, status 1000, " in said for said in lines)
    assert [[part.content_type for part in decoded.parts] for decoded in received] == [["image/png", "text/plain"]] * 3
    assert {getattr(decoded.message, "sender", None) for decoded in received} == {mm7.Address("15550001111")}


async def test_one_message_is_sent_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    attached = tmp_path / "note.txt"
    attached.write_text("attached")
    async with gateway() as (url, received):
        code, lines, _ = await run("--to", url, "--text", "", "--attach", str(attached), "--profile", "generic")
    assert (code, len(lines)) == (0, 1)
    assert [(part.content_type, part.filename, part.data) for part in received[0].parts] == [
        ("text/plain", "note.txt", b"attached")
    ]


async def test_reports_and_read_replies_are_sent_on_message_ids() -> None:
    async with gateway() as (url, received):
        code, _, _ = await run("--to", url, "--delivery-report", "71", "--read-reply", "72", "--mm-status", "Expired")
    found = {(d.message.operation, getattr(d.message, "message_id", None)) for d in received}
    assert (code, found) == (0, {("DeliveryReportReq", "71"), ("ReadReplyReq", "72")})
    assert {getattr(d.message, "mm_status", None) for d in received} == {"Expired", "Read"}


async def test_a_callback_that_is_finally_refused_is_exit_code_1() -> None:
    async with gateway(503, 500) as (url, received):
        code, lines, _ = await run("--to", url, "--retries", "1", "--retry-interval", "0.01")
    assert (code, len(received), len(lines)) == (1, 2, 2)
    assert "not accepted: HTTP 503" in lines[0]
    assert "attempt 2 in 0.01 s" in lines[0]
    assert "given up after 2 attempts: HTTP 500" in lines[1]


async def test_json_lines_tell_the_same() -> None:
    async with gateway(503) as (url, _):
        code, lines, _ = await run("--to", url, "--retry-interval", "0.01", "--json")
    first, second = (json.loads(said) for said in lines)
    assert code == 0
    assert (first["event"], first["kind"], first["http_status"], first["retry_in"]) == (
        "callback.sent",
        "Mo",
        503,
        0.01,
    )
    assert (second["attempt"], second["accepted"], second["status_code"]) == (2, True, 1000)
    assert first["transaction_id"] == second["transaction_id"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_listens_and_reports_until_a_signal_ends_it(number: signal.Signals) -> None:
    async with (
        gateway() as (url, received),
        program("--to", url, "--listen", "127.0.0.1:0", "--report-after", "0") as process,
    ):
        listening = (await line(process)).removeprefix("listening on ")
        status, answer = await post(listening)
        took, reported = await line(process), await line(process)
        process.send_signal(number)
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == 0
    assert isinstance(answer, mm7.SubmitRsp)
    assert (status, answer.status.code) == (200, 1000)
    assert took == (f"← SubmitReq from 111122 to 15553199144, 0 parts: answered 1000, MessageID {answer.message_id}")
    assert reported.startswith("→ delivery report Retrieved ")
    assert getattr(received[0].message, "message_id", None) == answer.message_id


async def test_a_signal_ends_it_in_the_middle_of_retries() -> None:
    async with gateway(*[503] * 9) as (url, _), program("--to", url) as process:
        assert "attempt 2 in 300 s" in await line(process)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == 0


async def test_once_it_ends_after_one_submit_and_its_reports() -> None:
    async with (
        gateway() as (url, received),
        program("--to", url, "--listen", "127.0.0.1:0", "--once", "--json") as process,
    ):
        await post(json.loads(await line(process))["url"])
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == 0
    assert [decoded.message.operation for decoded in received] == ["DeliveryReportReq"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--status", "2007"), [(200, "RSErrorRsp", 2007), (200, "RSErrorRsp", 2007)]),
        (("--status", "2007", "--profile", "vibes"), [(200, "SubmitRsp", 2007), (200, "SubmitRsp", 2007)]),
        (
            ("--status", "4006", "--http", "500", "--fail-first", "1"),
            [(500, "RSErrorRsp", 4006), (200, "SubmitRsp", 1000)],
        ),
        (("--http", "429", "--retry-after", "5"), [(429, None, None), (429, None, None)]),
        (("--fail-first", "1"), [(503, None, None), (200, "SubmitRsp", 1000)]),
        (("--answer-body", "empty"), [(200, None, None), (200, None, None)]),
        (
            ("--status", "2000", "--answer-body", "response"),
            [(200, "SubmitRsp", 2000), (200, "SubmitRsp", 2000)],
        ),
    ],
)
async def test_answers_are_as_the_options_say(
    options: tuple[str, ...], expected: list[tuple[int, str | None, int | None]]
) -> None:
    async with program("--listen", "127.0.0.1:0", *options) as process:
        url = (await line(process)).removeprefix("listening on ")
        seen = [await post(url) for _ in expected]
    assert [(http, m and m.operation, m and m.status.code) for http, m in seen] == expected


async def test_hanging_up_and_answering_late_are_options_too() -> None:
    async with program("--listen", "127.0.0.1:0", "--hang-up", "--answer-delay", "0.1") as process:
        url = (await line(process)).removeprefix("listening on ")
        with pytest.raises(aiohttp.ClientError):
            await post(url)
        assert "hung up after 0.1 s" in await line(process)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--to"),
        (("--to", "ftp://example.com"), "not an HTTP URL"),
        (("--listen", "9090x"), "not HOST:PORT"),
        (("--to", "http://127.0.0.1:1/", "--attach", "/nowhere/at/all"), "No such file"),
        (("--listen", "127.0.0.1:0", "--profile", "acme"), "acme"),
        (("--listen", "203.0.113.1:80"), "error:"),
    ],
)
async def test_what_cannot_be_is_exit_code_2_with_a_reason(arguments: tuple[str, ...], complaint: str) -> None:
    code, _, complaints = await run(*arguments)
    assert code == 2
    assert complaint in complaints
    assert "Traceback" not in complaints
