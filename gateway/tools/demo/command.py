"""`mm7 demo` from the command line."""

import asyncio
import os
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from gateway import signals
from gateway.broker import BrokerDown, Connection, Inbox, PublishFailed
from gateway.telemetry import logs
from gateway.tools.simulator import PROFILES, VERSIONS, Form, Report

from .stage import Ports, Stage, StageError
from .story import Narrator, Story, StoryError

FOLDER = Path(".run/demo")
DEFAULT_BROKER = "amqp://guest:guest@127.0.0.1:5672/"
FIXED_PORTS = Ports(http=8080, receiver_admin=8081, worker_admin=8082, sinch=9090, vibes=9091)


def demo(
    stay: Annotated[
        bool, typer.Option("--stay", help="Start everything on fixed ports and stay until Ctrl-C.")
    ] = False,  # an option
) -> None:
    """Show the main job, end to end: a message in, a message out, its report; needs a RabbitMQ (MM7_AMQP_URL)."""
    logs.configure("error", "console")
    try:
        asyncio.run(_stay() if stay else _demo())
    except (StageError, StoryError, PublishFailed) as error:
        typer.echo(f"\nthe demo failed: {error}", err=True)
        raise typer.Exit(1) from None
    except BrokerDown as error:
        typer.echo(f"no broker: {error.reason}. `make demo` brings one, or set MM7_AMQP_URL", err=True)
        raise typer.Exit(1) from None
    except asyncio.CancelledError:  # SIGTERM
        raise typer.Exit(128 + signal.SIGTERM) from None


def _amqp_url() -> str:
    return os.environ.get("MM7_AMQP_URL", DEFAULT_BROKER)


async def _demo() -> None:
    _cancel_on_sigterm()
    began = time.monotonic()
    narrator = Narrator()
    folder = FOLDER / time.strftime("%Y%m%d-%H%M%S")
    narrator.say("mm7-gateway: a picture message comes in, a message goes out, its report comes home.")
    async with Connection(_amqp_url(), "mm7 demo") as connection:
        stage = Stage(folder, Ports.free(), _amqp_url())
        async with narrator.step("Receiver and worker start, as processes of their own"):
            await connection.wait_up(5.0)
            narrator.tell(f"RabbitMQ answers at {connection.address}")
            await stage.__aenter__()
        try:
            narrator.tell(f"callbacks are received at {stage.callback_url('demo-sinch')}")
            async with Inbox(connection, ["*.*.demo-sinch.*", "*.*.demo-vibes.*"]) as inbox:
                await Story(stage, narrator, connection, inbox).tell()
        finally:
            async with narrator.step("SIGTERM: both finish what they hold, and end"):
                await stage.__aexit__(None, None, None)
    if any(stage.exit_codes.values()):
        raise StoryError(f"a program ended with an error: {stage.exit_codes}; logs: {folder}")
    _times(narrator, time.monotonic() - began)
    _how_to_go_on(narrator, folder)
    _forget_older(folder)


def _cancel_on_sigterm() -> None:
    """Once, so that the programs started are ended and this is not cut short."""
    demo = asyncio.current_task()
    assert demo is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: demo.cancelling() or demo.cancel())


def _times(narrator: Narrator, total: float) -> None:
    table = Table("step", "seconds", box=None, title="\nHow long it took", title_justify="left")
    table.columns[1].justify = "right"
    for title, seconds in narrator.times:
        table.add_row(title, f"{seconds:.2f}")
    table.add_row("in all", f"{total:.2f}")
    Console(width=100).print(table)


def _how_to_go_on(narrator: Narrator, folder: Path) -> None:
    narrator.say("\nHow to go on")
    narrator.tell("make run                 everything stays up: send with curl and mm7, and watch")
    narrator.tell("mm7 decode --http FILE   what would become of a callback that you have captured")
    narrator.tell(f"{folder}   settings, logs and pictures of this run")
    narrator.tell("README.md                your own account, the events, the commands")


def _forget_older(folder: Path) -> None:
    """The last three runs are kept."""
    for old in sorted(folder.parent.iterdir())[:-3]:
        shutil.rmtree(old, ignore_errors=True)


def _report(folder: Path) -> Path:
    """A delivery report in a file, to be POSTed by hand."""
    message = Report(transaction_id="4711", message_id="1234567890", at=datetime.now(UTC))
    path = folder / "report.xml"
    path.write_bytes(PROFILES["generic"].write(message, Form(*VERSIONS["6.8.0"])).body)
    return path


async def _stay() -> None:
    stop = signals.stop_event()
    stage = Stage(FOLDER / "run", FIXED_PORTS, _amqp_url())
    narrator = Narrator()
    async with stage:
        host = urlsplit(stage.callback_url("demo-sinch")).netloc
        narrator.say(f"receiver on {host}, worker, and providers on {stage.sinch.url} and {stage.vibes.url}.")
        report = _report(stage.folder)
        narrator.say("\nIn another terminal:\n")
        for name, value in stage.environment(FIXED_PORTS.receiver_admin).items():
            if name in ("MM7_CONFIG", "MM7_AMQP_URL", "MM7_MEDIA_URL", "MM7_SPOOL_DIR", "MM7_STATE_URL"):
                narrator.say(f"  export {name}={value!r}")
        narrator.say("\n  .venv/bin/mm7 tail                                       # follow the events")
        narrator.say("  .venv/bin/mm7 send --account demo-sinch --to 15553199144 --text Hello --wait")
        narrator.say(
            f"  .venv/bin/mm7 simulate --profile sinch --to {stage.callback_url('demo-sinch')}"
            f" --user demo-sinch --password {stage.password} --mo 1"
        )
        narrator.say(f"  curl -i -u demo-sinch:{stage.password} -H 'Content-Type: text/xml' --data-binary @{report} \\")
        narrator.say(f"       {stage.callback_url('demo-sinch')}")
        narrator.say(f"  curl http://127.0.0.1:{FIXED_PORTS.receiver_admin}/readyz\n\nCtrl-C ends everything.")
        await stop.wait()
        narrator.say("\nending …")
