"""Every import rule of pyproject.toml holds, and each is seen to break when it is violated."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = Path(sys.executable).with_name("lint-imports")
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
PURE = next(rule for rule in RULES if rule["name"].startswith("The codec is pure"))
KNOWN_TO = {  # a library → the modules that own it
    "aio_pika": ("gateway.broker",),
    "aiohttp": (
        "gateway.receiver",
        "gateway.door",
        "gateway.server",
        "gateway.admin",
        "gateway.tools",
        "workers.provider",
        "workers.fetch",
    ),
    "obstore": ("gateway.stores",),
    "redis": ("gateway.stores",),
    "opentelemetry": ("gateway.telemetry.tracing",),
}

# contract → (module, line that violates it and no other)
VIOLATIONS = {
    "The worker builds on the gateway, never the other way round": ("gateway/answers.py", "import workers.retry"),
    "Layers of the gateway": ("gateway/accounts.py", "import gateway.settings"),
    "Layers of the workers": ("workers/outcome.py", "import workers.retry"),
    "Layers of the codec": ("gateway/mm7/status.py", "import gateway.mm7.codec"),
    "The codec is pure: no clock, socket, logger, setting or framework": ("gateway/mm7/values.py", "import time"),
    "aio-pika is known to the broker package alone": ("gateway/outbound.py", "import aio_pika"),
    "aiohttp is known to the edges that speak HTTP": ("gateway/outbound.py", "import aiohttp"),
    "obstore is known to the media store alone": ("gateway/outbound.py", "import obstore"),
    "redis is known to the state store alone": ("gateway/outbound.py", "import redis"),
    "OpenTelemetry is known to the tracing module alone": ("gateway/outbound.py", "import opentelemetry"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("gateway", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> tuple[dict[str, bool], str]:
    """Contract → whether it is kept; and all that was said."""
    done = subprocess.run(
        [LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(folder)}
    )
    kept = {name: word == "KEPT" for name, word in re.findall(r"^(\S.*?) (KEPT|BROKEN)", done.stdout, re.MULTILINE)}
    assert kept, done.stdout + done.stderr
    assert (done.returncode == 0) is all(kept.values())
    return kept, done.stdout


def add(folder: Path, module: str, line: str) -> None:
    path = folder / module
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_the_code_as_it_is_keeps_every_rule(copy):
    kept, _ = lint(copy)
    assert kept == {rule["name"]: True for rule in RULES}


def test_every_rule_has_its_violation_here():
    assert VIOLATIONS.keys() == {rule["name"] for rule in RULES}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_breaks_its_rule_and_no_other(copy, name):
    add(copy, *VIOLATIONS[name])
    kept, said = lint(copy)
    assert [broken for broken, is_kept in kept.items() if not is_kept] == [name], said


@pytest.mark.parametrize("package", ["gateway", "workers", "gateway/mm7"])
def test_a_new_module_must_be_given_its_layer(copy, package):
    (copy / package / "newcomer.py").write_text('"""New."""\n')
    kept, _ = lint(copy)
    assert [name.startswith("Layers of the") for name, is_kept in kept.items() if not is_kept] == [True]


def test_nothing_impure_can_be_imported_by_the_codec(copy):
    for forbidden in PURE["forbidden_modules"]:
        add(copy, "gateway/mm7/values.py", f"import {forbidden}")
    _, said = lint(copy)
    assert set(re.findall(r"gateway\.mm7\.values -> (\w+)", said)) == set(PURE["forbidden_modules"])


def test_a_library_is_forbidden_to_every_module_but_its_owners(copy):
    expected = set()
    for library, owners in KNOWN_TO.items():
        for path in sorted(copy.glob("gateway/**/*.py")) + sorted(copy.glob("workers/**/*.py")):
            module = ".".join(path.relative_to(copy).with_suffix("").parts).removesuffix(".__init__")
            if not f"{module}.".startswith(tuple(f"{owner}." for owner in owners)):
                add(copy, str(path.relative_to(copy)), f"import {library}")
                expected.add((module, library))
    above = {owner.rpartition(".")[0] for owners in KNOWN_TO.values() for owner in owners} | {"workers"}
    expected -= {(package, library) for package in above for library in KNOWN_TO}  # all of a package, to it
    _, said = lint(copy)
    assert expected - set(re.findall(rf"^ *-? *(\S+) -> ({'|'.join(KNOWN_TO)}) \(", said, re.MULTILINE)) == set()
