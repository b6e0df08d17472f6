"""Unpacking packages, with stand-ins for Debian's tools that note how they were called."""

from pathlib import Path

import packages
import pytest
from packages import PackageSet
from problems import NoServer

WANTED = PackageSet(
    package="thing-server", title="Thing", megabytes=1, family="thing-.*", program="usr/bin/thing-server"
)
APT_GET = """#!/bin/sh
echo "$@" >> {notes}
case "$*" in
  *--simulate*) printf 'Inst libneeded (1)\\nInst cron (1)\\nInst libc6 (1)\\nInst thing-server (1)\\n';;
  *update*) exit 100;;
  *Dir::State::Lists*download*) touch thing-server.deb;;
  *download*) echo 'E: 404 Not Found' >&2; exit 100;;
esac
"""
APT_CACHE = "#!/bin/sh\nprintf 'thing-server\\n  Depends: thing-part\\nthing-part\\ncron\\n'\n"
DPKG_DEB = '#!/bin/sh\nmkdir -p "$3/usr/bin"\necho half > "$3/usr/bin/other"\n'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-ins, first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {"apt-get": APT_GET.format(notes=tmp_path / "notes"), "apt-cache": APT_CACHE, "dpkg-deb": DPKG_DEB}
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_an_interrupted_unpacking_is_done_again_and_a_finished_one_is_not(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(NoServer, match="holds no usr/bin/thing-server"):
        packages.unpacked(tmp_path / "run", WANTED)
    (tools / "dpkg-deb").write_text(DPKG_DEB.replace("echo half", "echo whole").replace("other", "thing-server"))
    root = packages.unpacked(tmp_path / "run", WANTED)
    assert [path.name for path in (root / "usr/bin").iterdir()] == ["thing-server"]
    (tools / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    assert packages.unpacked(tmp_path / "run", WANTED) == root


def test_stale_lists_are_replaced_by_our_own_and_only_the_family_and_libraries_come(
    tools: Path, tmp_path: Path
) -> None:
    (tools / "dpkg-deb").write_text(DPKG_DEB.replace("other", "thing-server"))
    packages.unpacked(tmp_path / "run", WANTED)
    downloads = [line for line in (tmp_path / "notes").read_text().splitlines() if " download " in line]
    assert [line.partition(" download ")[2] for line in downloads] == ["libneeded thing-part thing-server"] * 2
    assert "Dir::State::Lists" in downloads[1]
