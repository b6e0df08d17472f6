"""The alerts: read by Prometheus' own tool, each shown to fire and not to, on metrics that exist, with its runbook."""

import re

import pytest
import yaml
from typer.main import get_command

from gateway.tools import cli
from tests.deploy import promql
from tests.deploy.promql import ALERTS, DEPLOY, WATCHDOG

FOLDER = DEPLOY / "prometheus"
CASES = sorted(FOLDER.glob("*_test.yml"))
RUNBOOKS = promql.GUIDE.partition("\n## Alerts\n")[2].partition("\n## ")[0]
NAMES = [rule["alert"] for rule in ALERTS]
PAGES = {"Runbooks", "Get messages", "Move messages", "Status"}  # of Grafana, RabbitMQ, Prometheus


def test_prometheus_takes_the_alerts_and_its_configuration(promtool) -> None:
    promtool("check", "rules", FOLDER / "alerts.yml")
    promtool("check", "config", FOLDER / "prometheus.yml")


def test_the_alerts_do_as_their_cases_say(promtool) -> None:
    promtool("test", "rules", *CASES)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    found = [
        (case["alertname"], bool(case["exp_alerts"]))
        for file in CASES
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    fire_and_not = {(name, fires) for name in NAMES for fires in (True, False)}
    assert set(found) == fire_and_not - {(WATCHDOG, False)}


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_stands(rule) -> None:
    assert rule["labels"]["severity"] in (("none",) if rule["alert"] == WATCHDOG else ("page", "ticket"))
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"deploy/README.md#{rule['alert'].lower()}"


def test_there_is_a_runbook_for_each_alert_and_no_other() -> None:
    assert re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE) == NAMES


def test_runbooks_lead_to_places_that_there_are() -> None:
    headings = re.findall(r"^#+ (.+)$", promql.GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOKS)) <= anchors


def test_runbooks_name_panels_that_there_are() -> None:
    titles = [panel["title"] for panel in promql.PANELS]
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", RUNBOOKS)) - PAGES
    assert named
    assert {name for name in named if not any(title.startswith(name) for title in titles)} == set()


def test_runbooks_name_the_receivers_admin_port_of_the_units_beside_that_of_containers() -> None:
    lines = [line for line in RUNBOOKS.splitlines() if "8081" in line]
    assert lines
    assert [line for line in lines if "18080" not in line] == []


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`mm7 ([a-z][^`]*)`", RUNBOOKS))))
def test_runbooks_name_commands_and_options_that_there_are(line) -> None:
    command = get_command(cli.app)
    for word in line.split():
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
    assert not hasattr(command, "commands"), line
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in line.split() if word.startswith("--")} <= options


def test_an_alert_names_no_metric_that_does_not_exist(rabbitmq_names, haproxy_page) -> None:
    named = set().union(*(promql.metrics(rule["expr"]) for rule in ALERTS))
    assert named
    assert named <= promql.ours() | rabbitmq_names | promql.shown(haproxy_page)


def test_what_is_missing_is_not_missing_of_a_real_rabbitmq(prometheus) -> None:
    (expr,) = (rule["expr"] for rule in ALERTS if rule["alert"] == "Mm7QueuesUnseen")
    assert prometheus.ask("query", query=expr)["result"] == []
    (gone,) = prometheus.ask("query", query=expr.replace(r"mm7\\", r"mm8\\").partition("\n")[0])["result"]
    assert gone["metric"] == {}


def test_the_lag_of_a_real_program_is_counted(prometheus) -> None:
    (expr,) = (rule["expr"] for rule in ALERTS if rule["alert"] == "Mm7LoopLag")
    found = prometheus.ask("query", query=expr.replace("> 20", ">= 0"))["result"]
    assert {each["metric"]["job"] for each in found} == {"mm7-receiver", "mm7-worker"}
