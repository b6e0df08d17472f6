"""The fuzzer runs a while in every test run, finds what is there to be found, and keeps it."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import mm7
from tests.fuzz import __main__ as fuzz
from tests.fuzz import target

ROOT = Path(__file__).parents[2]
SECONDS = 4


def test_a_bounded_run_finds_nothing(tmp_path) -> None:
    arguments = ["-m", "tests.fuzz", "--seconds", str(SECONDS), "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "0 found" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken(monkeypatch) -> None:
    """A codec that cannot bear a closing angle bracket twice in a row."""
    whole = mm7.decode

    def decode(content_type, body):
        if b">>" in body:
            raise KeyError("a bug")
        return whole(content_type, body)

    monkeypatch.setattr(target.mm7, "decode", decode)


def test_what_crashes_is_kept_with_how_to_see_it_again(broken, tmp_path, capsys) -> None:
    assert fuzz.main(["--seconds", "1.5", "--seed", "1", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "FOUND KeyError in test_fuzzing.py" in said
    [kept] = tmp_path.glob("*.body")
    assert f"--replay {kept}" in said
    assert b">>" in kept.read_bytes()
    assert fuzz.main(["--replay", str(kept)]) == 1
    assert "a bug" in capsys.readouterr().out


def test_what_was_mended_is_replayed_without_a_word_of_it(tmp_path, capsys) -> None:
    path = tmp_path / "one.body"
    path.write_bytes(b"<no/>")
    path.with_suffix(".json").write_text('{"content_type": "text/xml"}')
    assert fuzz.main(["--replay", str(path)]) == 0
    assert capsys.readouterr().out == "4004\n"


def test_what_takes_too_long_is_found(monkeypatch) -> None:
    monkeypatch.setattr(target, "MAX_SECONDS", 0.0)
    with pytest.raises(target.TooSlow):
        target.check(target.seeds()[0])
