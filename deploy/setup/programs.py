"""Programs of others that ours are put behind or looked at with: installed, else unpacked from Debian's packages."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import packages
from packages import PackageSet
from problems import NoServer
from rundir import RUN_DIR, allowed_sources

PACKAGES: dict[str, PackageSet] = {
    "haproxy": packages.HAPROXY,
    "nginx": packages.NGINX,
    "prometheus": packages.PROMETHEUS,
    "promtool": packages.PROMETHEUS,
}
# Where Debian puts servers; a person's PATH often lacks it.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Program:
    """An executable, where it comes from, and the variables it needs beside the process's own."""

    origin: str
    path: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """All the variables to start it with."""
        return {**os.environ, **self.env}


def find(name: str, run_dir: Path = RUN_DIR, sources: Sequence[str] | None = None) -> Program:
    """The first that is there, of PACKAGES; `NoServer` lists what was tried."""
    tried = []
    for source in sources or allowed_sources():
        if source == "installed":
            if path := shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}"):
                return Program("installed", path)
            tried.append(f"installed: no {name} on this machine")
        elif source == "packages":
            try:
                return unpacked(PACKAGES[name], name, run_dir)
            except NoServer as problem:
                tried.append(f"packages: {problem}")
    raise NoServer("; ".join(tried) or "MM7_SETUP_SOURCES allows neither installed nor packages")


def unpacked(wanted: PackageSet, name: str, run_dir: Path) -> Program:
    """A program of a package; the libraries that the system lacks come with it."""
    root = packages.unpacked(run_dir, wanted)
    path = root / Path(wanted.program).with_name(name)
    return Program("from Debian packages", str(path), {"LD_LIBRARY_PATH": packages.library_path(root)})
