"""The operator's table and the tests are one: each row names a test that exists, and each test stands in a row."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "deploy" / "README.md").read_text("utf-8")
NO_FAULTS = ("test_table.py", "test_tools.py")


def existing() -> Iterator[str]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.name not in NO_FAULTS:
            module = importlib.import_module(f"tests.faults.{path.stem}")
            for name, function in inspect.getmembers(module, inspect.isfunction):
                if name.startswith("test_"):
                    yield from (f"tests/faults/{path.name}::{name}{case}" for case in cases(function))


def cases(function: object) -> list[str]:
    """The ids of a test that is parametrised by a table's keys; of another, one that is empty."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    return [f"[{key}]" for key in marks[0].args[1]] if marks else [""]


def named() -> set[str]:
    """The tests of the table; `…[case]` repeats the test that stands before it."""
    found: set[str] = set()
    last = ""
    for name in re.findall(r"`((?:tests/faults/\w+\.py::|…\[)[^`]+)`", TABLE):
        last = name.partition("[")[0] if not name.startswith("…") else last
        found.add(name.replace("…", last))
    return found


def test_every_row_of_the_operators_table_is_a_test_and_every_test_stands_in_it() -> None:
    assert named() == set(existing())


def test_every_other_test_that_the_table_names_exists() -> None:
    others = re.findall(r"`(tests/(?!faults/)[\w/]+\.py)::(test_\w+)`", TABLE)
    assert others
    for path, name in others:
        assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"
