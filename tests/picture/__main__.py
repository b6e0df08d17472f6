"""Five minutes of load and of what goes wrong, and a picture of what Prometheus saw of it.

    python -m tests.picture deploy/grafana/dashboard.png --python .run/picture/bin/python   # `make picture`

Strategy: each fault of PLOT shows in panels of its own. The picture is drawn while Prometheus still runs.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rundir import RUN_DIR

from tests.faults.provider import HANG, Say, late, page, refuse
from tests.picture import load
from tests.picture.load import dice
from tests.picture.stage import ACCOUNTS, PASSWORD, Stage, stage

DRAWING = Path(__file__).parents[2] / "deploy/grafana/picture.py"
BEFORE_SECONDS = 20  # until rates have settled: not drawn
SECONDS = 330
CAMPAIGN = 400  # commands


async def wrong_password(made: Stage) -> None:
    made.passwords["vibes-us"] = "another"
    await asyncio.sleep(22)
    made.passwords["vibes-us"] = PASSWORD


async def broker_away(made: Stage) -> None:
    """For more than the minute after which somebody is woken. Towards its end a spool's disk is full."""
    await asyncio.to_thread(made.node.stop)
    await asyncio.sleep(62)
    made.programs["receiver-1"].fill_disk(True)
    await asyncio.sleep(8)
    made.programs["receiver-1"].fill_disk(False)
    await asyncio.to_thread(made.node.start)


async def mood(made: Stage, account: str, seconds: float, share: float, say: Say) -> None:
    """A provider answers so, to a share of the submits."""
    made.moods[account] = lambda: say if dice.random() < share else late(0.1)
    await asyncio.sleep(seconds)
    del made.moods[account]


async def redis_frozen(made: Stage) -> None:
    made.redis.pause()
    await asyncio.sleep(9)
    made.redis.resume()


async def restarted(made: Stage, name: str) -> None:
    await made.end(name)
    await made.start(name)


async def campaign(made: Stage) -> None:
    """More at once than an account's `rate` lets out."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CAMPAIGN):
            tasks.create_task(made.orderer.order(account="sinch-us"))


PLOT = (  # seconds from the beginning, what happens
    (30, wrong_password),
    (68, broker_away),
    (180, lambda made: mood(made, "acme-eu", 30, 0.8, page(503))),
    (200, lambda made: mood(made, "sinch-us", 25, 0.2, refuse(2007))),
    (215, lambda made: mood(made, "vibes-us", 14, 0.25, HANG)),
    (233, campaign),
    (262, redis_frozen),
    (284, lambda made: restarted(made, "worker-1")),
    (300, lambda made: restarted(made, "receiver-1")),
)


async def play(folder: Path, draw: Callable[[str, float, float], list[str]], keep: Path | None) -> int:
    """Everything of PLOT under load; then the picture."""
    async with stage(folder) as made, asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(act(made, each)) for act in (load.callbacks, load.commands) for each in ACCOUNTS]
        await asyncio.sleep(BEFORE_SECONDS)
        start = time.time()
        running += [tasks.create_task(_later(made, *scene)) for scene in PLOT]
        await asyncio.sleep(SECONDS)
        for task in running:
            task.cancel()
        drawing = await asyncio.create_subprocess_exec(*draw(made.prometheus.url, start, start + SECONDS))
        code = await drawing.wait()
        if keep:
            made.prometheus.stop()
            shutil.copytree(made.prometheus.data_dir / "data", keep / f"{start:.0f}")
        return code


async def _later(made: Stage, seconds: float, act: Callable[[Stage], Awaitable[None]]) -> None:
    await asyncio.sleep(seconds)
    await act(made)


def main() -> int:
    """The drawing's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.picture", description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--python", default=sys.executable, help="with what deploy/grafana/requirements.txt names")
    parser.add_argument("--keep", type=Path, help="a folder for Prometheus' data")
    given = parser.parse_args()
    folder = RUN_DIR / "scene" / time.strftime("%m%d-%H%M%S")
    folder.mkdir(parents=True)
    logging.disable()  # the client libraries say much while a broker is away

    def draw(url: str, start: float, end: float) -> list[str]:
        return [given.python, str(DRAWING), str(given.picture), "--url", url, "--from", f"{start}", "--to", f"{end}"]

    code = asyncio.run(play(folder, draw, given.keep))
    shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
