"""The alert rules: well formed, about metrics that there are, each with something to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from collectors.metrics import Outcome
from gateway.outcomes import Outcome as ExchangeOutcome
from tests.deploy.promql import catalogue, problems_of, spoken_of

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCUMENT: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "sluice.rules.yaml").read_text())
RULES: list[dict[str, Any]] = [rule for group in DOCUMENT["groups"] for rule in group["rules"]]
DURATION = re.compile(r"\d+[smhd]")
NAMES = [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_has_the_shape_that_prometheus_reads(rule: dict[str, Any]) -> None:
    """No key that it does not know, durations with a unit, a severity, a summary and a description."""
    assert {"alert", "expr", "labels", "annotations"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Sluice[A-Za-z]+", rule["alert"])
    assert "for" not in rule or DURATION.fullmatch(rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert all(isinstance(text, str) and text for text in rule["annotations"].values())


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_speaks_of_what_is_served(rule: dict[str, Any]) -> None:
    """Metrics of the catalogues, with labels that they have; outcomes that there are; labels in texts too."""
    assert problems_of(rule["expr"]) == []
    assert {value for name, value in spoken_of(rule["expr"]).values if name == "outcome"} <= set(get_args(Outcome))
    texts = " ".join(rule["annotations"].values())
    for label in re.findall(r"\$labels\.(\w+)", texts):
        known = spoken_of(rule["expr"])
        by_list = "sum by" in rule["expr"]
        assert label in known.listed or not by_list
        assert problems_of(f"sum by ({label}) ({known.selectors[0][0]})") == []


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_has_a_section_of_what_to_do(rule: dict[str, Any]) -> None:
    """An anchor in a README that exists, with text below it; no section is of a rule that there is not."""
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    text = (DEPLOY.parent / file).read_text()
    sections = dict(re.findall(r"^### (\S+)\n(.+?)(?=\n###|\Z)", text, re.MULTILINE | re.DOTALL))
    assert anchor == rule["alert"].lower()
    assert len(sections[rule["alert"]].strip()) > 40
    assert set(sections) == set(NAMES)


def test_loss_comes_first_and_everything_that_must_be_watched_is() -> None:
    """Names once; the share of the retention that is left before all else."""
    assert len(NAMES) == len(set(NAMES))
    assert all("sluice_collector_seconds_to_loss" in rule["expr"] for rule in RULES[:3])
    watched = {name for rule in RULES for name, _ in spoken_of(rule["expr"]).selectors}
    assert {
        "sluice_collector_halted", "sluice_collector_lag_seconds", "sluice_collector_ready",
        "sluice_collector_records_total", "sluice_journal_left_bytes", "sluice_collector_oldest_unfinished_seconds",
    } <= watched  # fmt: skip
    assert set(DOCUMENT) == {"groups"}
    assert all(set(group) == {"name", "rules"} for group in DOCUMENT["groups"])


FIRST = re.compile(r"increase\((\w+(?:\{[^}]*\})?)\[(\w+)\]\)+ > 0")


@pytest.mark.parametrize("rule", [rule for rule in RULES if FIRST.search(rule["expr"])], ids=lambda rule: rule["alert"])
def test_the_first_of_its_kind_is_told(rule: dict[str, Any]) -> None:
    """A counter with labels is not there before it counts, and what appears has not increased: whoever wants to be told
    of one asks for what was not there before as well."""
    for name, window in FIRST.findall(rule["expr"]):
        assert f"({name} unless {name} offset {window}) > 0" in rule["expr"]


WATCHED_OTHERWISE = {
    "sluice_collector_archive_bytes_total": "how much, not how well",
    "sluice_collector_archive_failures_total": "the seconds that it has failed for tell more",
    "sluice_collector_archive_records_total": "how much, not how well",
    "sluice_collector_retention_deleted_total": "how much, not how well",
    "sluice_collector_retention_failures_total": "whether it fails now tells more",
}
BESIDE = re.compile(r"sluice_collector_(archive|budget|reconcile|retention)_\w+")


def test_what_runs_beside_collectors_is_watched() -> None:
    """Every metric of budget truth, reconciliation, archive and retention is in a rule, or here with why not."""
    watched = {name for rule in RULES for name, _ in spoken_of(rule["expr"]).selectors}
    beside = {name for name in catalogue() if BESIDE.fullmatch(name)}
    assert len(beside) >= 15
    assert beside - watched == set(WATCHED_OTHERWISE)


def test_outcomes_that_are_alternatives_exist() -> None:
    """A pattern of outcomes that nobody has would match nothing, in silence."""
    known = {*get_args(Outcome), *get_args(ExchangeOutcome), "applied", "duplicate"}
    for rule in RULES:
        for pattern in re.findall(r'outcome[=!]~"([^"]+)"', rule["expr"]):
            assert set(pattern.split("|")) <= known, rule["alert"]


def test_one_that_dies_again_and_again_is_told() -> None:
    """It is up whenever it is looked at, or nearly: how often it was started is what counts."""
    (rule,) = [rule for rule in RULES if rule["alert"] == "SluiceCollectorWorkerDown"]
    assert "increase(sluice_collector_worker_restarts_total[10m])" in rule["expr"]


def test_what_silences_an_alert_is_of_the_same_process() -> None:
    """A pause in one of several processes or workers hides no other."""
    for rule in RULES:
        for labels in re.findall(r"(?:unless|and) on \(([^)]*)\)", rule["expr"]):
            if "sum by (service)" not in rule["expr"]:
                assert {"service", "instance", "worker"} == set(labels.split(", ")), rule["alert"]
