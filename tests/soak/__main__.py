"""`make soak`: everything breaks at random for minutes, under load; then a calm, and the accounts."""

import argparse
import asyncio
import json
import logging
import shutil
import signal
import sys
import time
from pathlib import Path

from rundir import RUN_DIR

from tests.soak import director
from tests.soak.report import table
from tests.soak.scene import Options


def main(arguments: list[str] | None = None) -> int:
    """0: the accounts are good; 1: they are not, and the folder is kept; 130: Ctrl-C."""
    given = _parse(arguments)
    options = Options(
        minutes=given.minutes,
        receivers=given.receivers,
        workers=given.workers,
        redis=given.state == "redis",
        cluster=given.cluster,
        seed=given.seed,
        callbacks_per_second=given.callbacks,
        commands_per_second=given.commands,
    )
    folder = RUN_DIR / "soak" / f"{time.strftime('%m%d-%H%M%S')}-{options.seed}"
    folder.mkdir(parents=True)
    logging.disable()  # the client libraries say much while a broker is away
    _say(f"soak: seed {options.seed}, logs in {folder}")
    try:
        title, figures, problems = asyncio.run(_until_told(options, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("soak: interrupted; all is ended")
        return 130
    if given.json:
        sys.stdout.write(json.dumps({"title": title, "problems": problems, **figures}, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(table(title, figures) + "\n")
    for problem in problems:
        _say(f"BAD: {problem}")
    if problems or given.keep:
        _say(f"soak: logs and all that was seen are kept in {folder}; once more: SEED={options.seed}")
    else:
        shutil.rmtree(folder)
    return 1 if problems else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long things break (default: 5)")
    parser.add_argument("--receivers", type=int, default=1, help="sharing a spool folder (default: 1)")
    parser.add_argument("--workers", type=int, default=1, help="(default: 1)")
    parser.add_argument("--state", choices=["sqlite", "redis"], default="sqlite", help="(default: sqlite)")
    parser.add_argument("--cluster", action="store_true", help="three RabbitMQ nodes instead of one")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="the same faults at the same times")
    parser.add_argument("--callbacks", type=float, default=30.0, help="per second (default: 30)")
    parser.add_argument("--commands", type=float, default=8.0, help="per second (default: 8)")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output, not as a table")
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    return parser.parse_args(arguments)


async def _until_told(options: Options, folder: Path) -> director.Result:
    """SIGTERM and SIGHUP are as a Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await director.soak(options, folder, _say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
