"""`venv.sh`: at once when there is nothing to do, and clear when it cannot be done. (`make` runs the rest.)"""

import shutil
import subprocess
from pathlib import Path

import pytest

VENV = Path(__file__).parents[2] / "deploy/setup/venv.sh"
TOOLS = ("bash", "cat", "cut", "dirname", "flock", "grep", "mkdir", "mv", "rm", "sha256sum", "tail")
# Answers as a Python does: it runs, it is whole, it makes an environment whose Python is itself.
FAKE_PYTHON = """#!/bin/sh
echo "$@" >> "{notes}"
case "$*" in
  *sys.executable*) echo "$0";;
  *-VV*) echo "Python 3.13.0";;
  "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with the script, and a PATH with what the script needs and no Python."""
    (tmp_path / "deploy/setup").mkdir(parents=True)
    shutil.copy(VENV, tmp_path / "deploy/setup/venv.sh")
    (tmp_path / "requirements.lock").write_text("one==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "bin").mkdir()
    for tool in (*TOOLS, "cp"):
        if path := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(path)
    return tmp_path


def run(checkout: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(checkout / "bin"), "PYTHON": python, "LC_ALL": "C.UTF-8"}
    script = checkout / "deploy/setup/venv.sh"
    return subprocess.run([script], env=env, capture_output=True, text=True, check=False)


def fake_python(checkout: Path, text: str = FAKE_PYTHON) -> str:
    path = checkout / "bin/fake-python"
    path.write_text(text.format(notes=checkout / "notes"))
    path.chmod(0o755)
    return str(path)


def notes(checkout: Path) -> str:
    return (checkout / "notes").read_text()


def test_it_is_made_once_and_again_only_when_what_it_depends_on_changed(checkout: Path) -> None:
    python = fake_python(checkout)
    first = run(checkout, python)
    assert first.returncode == 0, first.stderr
    assert "--require-hashes -r requirements.lock" in notes(checkout)
    assert notes(checkout).count("--no-deps --no-build-isolation -e .") == 1

    assert run(checkout, python).stderr == ""
    assert notes(checkout).count("-m venv") == 1

    (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    run(checkout, python)
    assert notes(checkout).count("-m venv") == 1
    assert notes(checkout).count("--no-deps") == 2

    (checkout / "requirements.lock").write_text("one==2\n")
    run(checkout, python)
    assert notes(checkout).count("-m venv") == 2


def test_a_half_made_one_is_made_again(checkout: Path) -> None:
    python = fake_python(checkout)
    run(checkout, python)
    (checkout / ".venv/.stamp").unlink()
    assert run(checkout, python).returncode == 0
    assert notes(checkout).count("-m venv") == 2


def test_a_failure_shows_the_end_of_the_log(checkout: Path) -> None:
    text = FAKE_PYTHON.replace("esac", '  *--require-hashes*) echo "no such hash"; exit 1;;\nesac')
    done = run(checkout, fake_python(checkout, text))
    assert done.returncode == 1
    assert "no such hash" in done.stderr
    assert ".run/setup.log" in done.stderr
    assert not (checkout / ".venv/.stamp").exists()


def test_a_python_that_cannot_make_environments_is_said(checkout: Path) -> None:
    text = FAKE_PYTHON.replace("esac", "  *ensurepip*) exit 1;;\nesac")
    done = run(checkout, fake_python(checkout, text))
    assert done.returncode == 1
    assert "install python3-venv" in done.stderr


def test_no_python_is_said(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 1
    assert "no Python 3.11 or newer" in done.stderr
