"""The alerts: read by Prometheus' own tool, each shown to fire and not to, on metrics that exist, with its runbook."""

import re

import pytest
import yaml

from tests.deploy import promql
from tests.deploy.promql import ALERTS, DEPLOY

FOLDER = DEPLOY / "prometheus"
CASES = sorted(FOLDER.glob("*_test.yml"))
NAMES = [rule["alert"] for rule in ALERTS]


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
    assert sorted(set(found)) == sorted((name, fires) for name in NAMES for fires in (True, False))


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_stands(rule) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"deploy/README.md#{rule['alert'].lower()}"


def test_there_is_a_runbook_for_each_alert_and_no_other() -> None:
    section = promql.GUIDE.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == NAMES


def test_an_alert_names_no_metric_that_does_not_exist(rabbitmq_names, haproxy_page) -> None:
    named = set().union(*(promql.metrics(rule["expr"]) for rule in ALERTS))
    assert named
    assert named <= promql.ours() | rabbitmq_names | promql.shown(haproxy_page)
