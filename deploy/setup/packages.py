"""Debian's or Ubuntu's packages, unpacked under `.run/packages/` without root and without installing anything.

Strategy: `apt-get download` and `dpkg-deb --extract`, first with the machine's package lists, then, when those are
empty or stale, with lists of our own. The folder gets its final name last, so an interrupted run leaves no half.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from problems import NoServer
from rundir import locked, plain, say

ERLANG = "usr/lib/erlang"


@dataclass(frozen=True)
class PackageSet:
    """What to fetch for one server: a package, and which of the packages it needs are fetched as well."""

    package: str
    title: str
    megabytes: int
    family: str  # fetched even where the system has it: half an Erlang in another place is of no use
    program: str  # a pattern: what must be there in the end


RABBITMQ = PackageSet(
    package="rabbitmq-server",
    title="RabbitMQ and Erlang",
    megabytes=34,
    family=r"rabbitmq-server|erlang-(?!.*hipe).*",
    program="usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
)
REDIS = PackageSet(
    package="redis-server",
    title="Redis",
    megabytes=2,
    family="redis-server|redis-tools",
    program="usr/bin/redis-server",
)
HAPROXY = PackageSet("haproxy", "HAProxy", megabytes=2, family="haproxy", program="usr/sbin/haproxy")
NGINX = PackageSet("nginx", "nginx", megabytes=1, family="nginx", program="usr/sbin/nginx")
PROMETHEUS = PackageSet(
    "prometheus", "Prometheus", megabytes=19, family="prometheus", program="usr/bin/prometheus"
)  # and promtool
# Libraries that the system lacks come along. Not libc: one of another age than the system's loader cannot start.
LIBRARY = r"lib(?!c6|c-|js-|python|pam|perl).*"


def unpacked(run_dir: Path, wanted: PackageSet) -> Path:
    """The folder that holds `wanted`, fetched at the first call; `NoServer` says why it cannot be had."""
    folder = plain(run_dir) / "packages"
    target = folder / wanted.package
    waiting = f"packages: waiting for another set-up that is unpacking {wanted.title}"
    with locked(folder / f".{wanted.package}.lock", waiting):
        if not target.is_dir():
            _check_tools()
            _unpack(wanted, folder, target)
    return target


def library_path(root: Path) -> str:
    """The folders of `root` that hold shared libraries, as LD_LIBRARY_PATH wants them."""
    found = {library.parent for part in ("lib", "usr/lib") for library in (root / part).glob("*-linux-*/*.so*")}
    return ":".join(map(str, sorted(found)))


def _check_tools() -> None:
    missing = [tool for tool in ("apt-get", "apt-cache", "dpkg-deb") if not shutil.which(tool)]
    if missing:
        raise NoServer(f"this is not Debian or Ubuntu ({missing[0]} is not there)")


def _unpack(wanted: PackageSet, folder: Path, target: Path) -> None:
    say(f"setup: unpacking {wanted.title} from Debian packages ({wanted.megabytes} MB, once) …")
    begun = time.monotonic()
    making = folder / f".making-{wanted.package}"
    shutil.rmtree(making, ignore_errors=True)
    debs = making / "debs"
    debs.mkdir(parents=True)
    _download(wanted, debs, folder / ".apt")
    for deb in sorted(debs.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(deb), str(making)])
    shutil.rmtree(debs)
    if not list(making.glob(wanted.program)):
        raise NoServer(f"the package {wanted.package} holds no {wanted.program}")
    _relocate_erlang(making)
    making.rename(target)
    say(f"setup: {wanted.title} unpacked in {time.monotonic() - begun:.0f} s")


def _download(wanted: PackageSet, debs: Path, own: Path) -> None:
    # As root, apt would hand the download to a user who cannot write here.
    options = ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
    try:
        return _fetch(wanted, debs, options)
    except NoServer:  # empty lists on a bare machine, or so old that the server has newer packages only
        say("setup: reading the package lists, the system's do not do …")
    for part in ("lists/partial", "cache/archives/partial"):
        (own / part).mkdir(parents=True, exist_ok=True)
    options += ["-o", f"Dir::State::Lists={own / 'lists'}", "-o", f"Dir::Cache={own / 'cache'}"]
    # Its exit code says little: one third-party repository that is down, or a hook that wants root, and it is not 0.
    subprocess.run(["apt-get", *options, "-qq", "update"], check=False, capture_output=True, timeout=300)
    return _fetch(wanted, debs, options)


def _fetch(wanted: PackageSet, debs: Path, options: Sequence[str]) -> None:
    names = sorted(_family(wanted, options) | _missing(wanted, options))
    _run(["apt-get", *options, "-qq", "download", *names], cwd=debs)


def _family(wanted: PackageSet, options: Sequence[str]) -> set[str]:
    """All packages of the family that the package needs, installed or not."""
    ignored = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    tree = _run(["apt-cache", *options, "depends", "--recurse", *ignored, wanted.package])
    return {name for name in tree.splitlines() if re.fullmatch(wanted.family, name)}


def _missing(wanted: PackageSet, options: Sequence[str]) -> set[str]:
    """What apt would install here, of that the family and the libraries."""
    plan = _run(["apt-get", *options, "install", "--simulate", "--no-install-recommends", wanted.package])
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    return {name for name in names if re.fullmatch(f"{wanted.family}|{LIBRARY}", name)}


def _relocate_erlang(root: Path) -> None:
    """Erlang's start scripts name the folder of a real installation; let the environment name it."""
    for script in (root / ERLANG).glob("**/bin/*"):
        text = script.read_bytes()
        if text.startswith(b"#!/bin/sh"):
            script.write_bytes(text.replace(b"ROOTDIR=/usr/lib/erlang", b'ROOTDIR="$ERL_ROOTDIR"'))


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    """The command's output; `NoServer` with its last complaint."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        complaint = done.stderr.strip().splitlines() or ["no message"]
        raise NoServer(f"{Path(command[0]).name}: {complaint[-1]}")
    return done.stdout
