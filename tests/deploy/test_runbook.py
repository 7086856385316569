"""The page for operators: what each alert means, where to look, what to do; in commands and names that there are."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import get_args

import pytest
import yaml

from gateway.outcomes import Outcome
from gateway.settings import Settings as GatewaySettings
from tests.deploy.promql import catalogue
from tests.documents.blocks import ROOT, Block, blocks_of
from tests.documents.shell import problems_of

PAGE = ROOT / "deploy" / "README.md"
TEXT = PAGE.read_text()
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "sluice.rules.yaml").read_text())
NAMES = [rule["alert"] for group in RULES["groups"] for rule in group["rules"]]
SECTIONS = dict(re.findall(r"^### (Sluice\w+)\n(.+?)(?=\n###|\Z)", TEXT, re.MULTILINE | re.DOTALL))
HEAD = re.compile(r"[A-Z][A-Z/]*(?: +[A-Z][A-Z/]*)+")
PARTS = ("**Means.** ", "**Look.** ", "**Do.** ")


@pytest.mark.parametrize("name", NAMES)
def test_a_section_says_what_an_alert_means_where_to_look_and_what_to_do(name: str) -> None:
    """All three, once each, in this order, each with something behind it."""
    lines = SECTIONS[name].splitlines()
    marked = [line for line in lines if line.startswith("**")]
    assert [next(part for part in PARTS if line.startswith(part)) for line in marked] == list(PARTS)
    assert all(len(line.partition(".** ")[2]) > len("As above") for line in marked)


def test_sections_are_in_the_order_of_the_rules_groups() -> None:
    """Whoever is paged finds the section where the rules have it; none is of a rule that there is not."""
    assert list(SECTIONS) == NAMES


def test_alerts_that_sections_refer_to_exist() -> None:
    """``*SluiceCollectorHalted*`` leads somewhere."""
    assert set(re.findall(r"\*(Sluice[A-Z]\w+)\*", TEXT)) <= set(NAMES)


def commands() -> list[str]:
    """What the runbook has in backticks and would be typed."""
    found = re.findall(r"`(sluice [^`]+|curl [^`]+)`", TEXT.partition("## Where to look")[2])
    return sorted({command for command in found if "…" not in command})


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_text_are_taken_as_they_stand(command: str) -> None:
    """At three in the morning nobody looks up how an option is called."""
    assert problems_of(command) == []


def outputs() -> list[Block]:
    """What commands printed."""
    return [block for block in blocks_of(TEXT, "deploy/README.md") if block.language == ""]


@cache
def heads() -> list[set[str]]:
    """The texts in each list of the code that prints tables, as tables show them; one may choose between two."""
    found = []
    for folder in ("operations", "services", "jobs"):
        for path in (ROOT / "collectors" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Tuple | ast.List):
                    texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                    found.append({text.upper().replace("_", " ") for text in texts if isinstance(text, str)})
    return found


def test_tables_have_the_columns_that_commands_print() -> None:
    """Copied outputs go stale; their heads are those of the code."""
    lines = [line for block in outputs() for line in block.text.splitlines()]
    shown = [set(re.split(r" {2,}", line)) for line in lines if HEAD.fullmatch(line)]
    assert len(shown) >= 8
    assert [head for head in shown if not any(head <= names for names in heads())] == []


def test_metrics_that_the_page_names_are_served() -> None:
    """In its text and in its outputs."""
    named = set(re.findall(r"\bsluice_[a-z_]+\b", TEXT))
    assert named
    assert named - set(catalogue()) == set()


OF_COLLECTORS = {("control", "url"), ("control", "token")}
"""Sections of that name are in both files."""


def test_settings_that_the_page_names_exist() -> None:
    """``journal.max_bytes`` and its like, of ``sluice.yaml``; their defaults are the code's."""
    settings = GatewaySettings()
    sections = {field.alias or name: getattr(settings, name) for name, field in GatewaySettings.model_fields.items()}
    pattern = rf"`({'|'.join(sections)})\.([a-z_.]+)`"
    named = set(re.findall(pattern, TEXT)) - OF_COLLECTORS
    assert len(named) > 10
    for section, key in named:
        at = sections[section]
        for part in key.split("."):
            assert hasattr(at, part), f"{section}.{key}"
            at = getattr(at, part)
    assert f"({settings.gateway.shutdown_seconds:.0f}) for what is under way" in TEXT
    assert (settings.journal.max_bytes, settings.journal.max_lag_bytes) == (8 << 30, 6 << 30)
    assert settings.journal.retention_seconds == 7 * 86_400


def test_outcomes_that_the_page_names_exist() -> None:
    """An outcome that nobody has would be looked for in vain."""
    section = SECTIONS["SluiceExchangesFail"].partition("**Do.** ")[2]
    named = set(re.findall(r"`([a-z_]+)`:", section))
    assert named
    assert named <= set(get_args(Outcome))
