"""The dashboard: made of its table, asked of a real Prometheus query by query, on metrics that exist."""

import subprocess
import sys

import pytest
import yaml

from tests.deploy import promql
from tests.deploy.promql import ALERTS, DASHBOARD, DEPLOY, PANELS

NAMES = {rule["alert"] for rule in ALERTS} - {promql.WATCHDOG}  # it has nothing to show
FOLDER = DEPLOY / "grafana"


def test_it_is_what_its_table_makes() -> None:
    script = "import make_dashboard; print(make_dashboard.text(), end='')"
    made = subprocess.run([sys.executable, "-c", script], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert made.stdout == (FOLDER / "dashboard.json").read_text(), "run deploy/grafana/make_dashboard.py"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_explains_itself_and_finds_something(panel, prometheus) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    for query in promql.queries(panel):
        assert prometheus.ask("query", query=query)["result"], query


@pytest.mark.parametrize("event", DASHBOARD["annotations"]["list"], ids=lambda event: event["name"])
def test_an_event_is_asked_for_in_words_that_prometheus_understands(event, prometheus) -> None:
    prometheus.ask("query", query=event["expr"])


@pytest.mark.parametrize("name", ["account", "instance"])
def test_a_choice_has_something_to_choose(name, prometheus) -> None:
    (choice,) = (each for each in DASHBOARD["templating"]["list"] if each["name"] == name)
    metric = choice["query"]["query"].removeprefix("label_values(").partition(",")[0]
    assert prometheus.ask(f"label/{name}/values", **{"match[]": metric})


def test_it_names_no_metric_that_does_not_exist(rabbitmq_names) -> None:
    named = set().union(*(promql.metrics(query) for panel in PANELS for query in promql.queries(panel)))
    assert named <= promql.ours() | rabbitmq_names


def test_every_metric_of_ours_is_on_it_or_in_an_alert() -> None:
    named = set().union(*(promql.metrics(query) for panel in PANELS for query in promql.queries(panel)))
    named |= set().union(*(promql.metrics(rule["expr"]) for rule in ALERTS))
    suffixes = ("_bucket", "_count", "_sum")
    told = {name for name in promql.ours() if name.startswith("mm7_") and not name.endswith(suffixes)}
    shown = {name.removesuffix(suffix) for name in named for suffix in ("", *suffixes)}
    assert told - shown == set()


def test_panels_lead_to_the_runbooks_and_each_alert_is_led_to() -> None:
    linked = [link for panel in PANELS for link in panel["links"]]
    assert {link["title"] for link in linked} == NAMES
    assert all(link["url"] == f"${{runbooks}}#{link['title'].lower()}" for link in linked)


def test_panels_lie_beside_each_other_and_fill_their_rows() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)) == 24 * (max(y for _, y in cells) + 1)


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/mm7.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert not provider["allowUiUpdates"], "what somebody saved at night would be gone with the next dashboard.json"
