"""`mm7 simulate`: the simulated provider from the command line.

Strategy: `Plan` has the options; here is only the running of it: do what was asked for, say what happens, end
on Ctrl-C or SIGTERM as well as by itself.
"""

import asyncio
import inspect
import json
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TextIO

import typer

from . import lines
from .plan import Plan
from .simulator import Simulator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def simulate(**options: Any) -> None:
    """Play a provider: send messages, reports and read replies to a URL, take submits, answer as you like.

    Callbacks have the provider's timeout and retries. Exit code 1 if one was finally not accepted.
    """
    raise typer.Exit(asyncio.run(perform(Plan(**options))))


# typer reads the options off a function's signature; it is that of Plan, where each is written once.
simulate.__signature__ = inspect.signature(Plan)  # type: ignore[attr-defined]
simulate.__annotations__ = dict(Plan.__annotations__)


async def perform(plan: Plan) -> int:
    """Do what was planned; the exit code. Raises typer.BadParameter for a plan that cannot be."""
    told = lines.as_json if plan.json else lines.human
    provider = plan.simulator(lambda thing: _say(told(thing)))
    stop = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await provider.start()
        if provider.listens:
            _say(
                json.dumps({"event": "listening", "url": provider.url}) if plan.json else f"listening on {provider.url}"
            )
        await _until(stop, _errands(provider, plan))
    except OSError as error:
        _say(f"error: {error}", sys.stderr)
        return 2
    finally:
        await provider.stop()
    return 0 if all(result.delivered for result in provider.results) else 1


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Work until it is done or a signal has come."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, stopped):
        task.cancel()
    await asyncio.wait({working, stopped})
    if not working.cancelled():
        working.result()


async def _errands(provider: Simulator, plan: Plan) -> None:
    """All that the plan sends, then, as it says, waiting for more or for the reports of one submit."""
    attachments = plan.attachments()
    sending = [
        provider.send_mo(
            plan.text or None,
            sender=plan.sender,
            recipient=plan.shortcode,
            subject=plan.subject,
            attachments=attachments,
        )
        for _ in range(plan.messages)
    ]
    phone, service = plan.sender, plan.shortcode
    reports, replies = plan.delivery_report or (), plan.read_reply or ()
    sending += [
        provider.send_report(known, recipient=phone, sender=service, mm_status=status)
        for known in reports
        for status in plan.mm_statuses
    ]
    sending += [provider.send_read_reply(known, recipient=phone, sender=service) for known in replies]
    await asyncio.gather(*sending)
    if plan.stays:
        await asyncio.Event().wait()
    if provider.listens and not sending:
        await provider.next_submit(within=None)
    await provider.idle(within=None)


def _say(line: str, stream: TextIO | None = None) -> None:
    print(line, file=stream or sys.stdout, flush=True)
