"""The guide's figures are those that were measured."""

from pathlib import Path

from tests.bench import figures

GUIDE = (Path(__file__).parents[2] / "deploy" / "README.md").read_text("utf-8")


def test_every_table_of_the_guide_is_as_the_measured_figures_give_it() -> None:
    for name in figures.TABLES:
        assert f"<!-- measured: {name} -->" in GUIDE
    assert figures.filled(GUIDE) == GUIDE, "run `make figures`, or python -m tests.bench.figures deploy/README.md"


def test_the_figures_are_of_both_programs_with_one_and_two_of_each() -> None:
    cases = [row["case"] for row in figures.measured("scale")]
    for wanted in ("1 receiver, report", "2 receivers, report", "1 worker,", "2 workers,", figures.FLOOR):
        assert any(case.startswith(wanted) for case in cases), wanted
