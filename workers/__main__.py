"""The worker: `mm7-worker`, or `python -m workers`."""

import sys

from gateway.__main__ import start
from gateway.settings import WorkerSettings
from workers.app import run


def main() -> None:
    """Entry point."""
    sys.exit(start(WorkerSettings, run, "mm7-worker"))


if __name__ == "__main__":
    main()
