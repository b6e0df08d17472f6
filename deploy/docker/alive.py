# ruff: noqa: INP001  # a script of the image, run by its path
"""The image's health check: whether /livez of the program in this container answers.

Strategy: the standard library alone, since it runs every few seconds: importing the programs would take a second of
processor time, and this takes a twentieth. The receiver's admin port is 8081, the worker's 8082; only one is here.
"""

import os
import sys
import urllib.request
from collections.abc import Iterable

WITHIN = 2.0
# Straight to this host: a proxy that is meant for S3 has no business here.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def alive(ports: Iterable[str]) -> bool:
    """Whether one of the ports answers 200 at /livez."""
    return any(map(_answers, ports))


def _answers(port: str) -> bool:
    try:
        with _DIRECT.open(f"http://127.0.0.1:{port}/livez", timeout=WITHIN) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    given = os.environ.get("MM7_ADMIN_PORT")
    sys.exit(0 if alive([given] if given else ["8081", "8082"]) else 1)
