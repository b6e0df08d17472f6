# ruff: noqa: INP001  # a script of the image, run by its path
"""The image's health check: whether /livez of the program in this container answers.

Strategy: the standard library alone, since it runs every few seconds: importing the programs would take a second of
processor time, and this takes a twentieth. The admin port is the variable's, else the settings file's, else the
receiver's 8081 or the worker's 8082; only one of them is here.
"""

import os
import sys
import tomllib
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

WITHIN = 2.0
# Who listens everywhere is asked at home.
HOME = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # binds to nothing
# Straight to this host: a proxy that is meant for S3 has no business here.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def addresses(environment: Mapping[str, str]) -> Iterable[str]:
    """Where the program may be, as in a URL: "127.0.0.1:8081", "[::1]:8081"."""
    host = environment.get("MM7_ADMIN_HOST", "127.0.0.1")
    host = HOME.get(host, host)
    port = environment.get("MM7_ADMIN_PORT") or _written(environment.get("MM7_CONFIG", ""))
    return [f"[{host}]:{each}" if ":" in host else f"{host}:{each}" for each in ([port] if port else [8081, 8082])]


def _written(path: str) -> object:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8")).get("admin_port")
    except (OSError, ValueError):  # the program itself says what is wrong with it
        return None


def alive(addresses: Iterable[str]) -> bool:
    """Whether one of them answers 200 at /livez."""
    return any(map(_answers, addresses))


def _answers(address: str) -> bool:
    try:
        with _DIRECT.open(f"http://{address}/livez", timeout=WITHIN) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if alive(addresses(os.environ)) else 1)
