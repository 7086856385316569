"""As much of PromQL as tells which metrics and labels an expression speaks of, and what is served of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collectors.metrics import CollectorMetrics
from collectors.workers.supervisor import Supervisor
from gateway.telemetry import GatewayMetrics
from sluice.telemetry import Metric, Registry

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<range>\[[^\]]*\])|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"""
    r"""|(?P<duration>\d+[smhdw])|(?P<number>\d+(?:\.\d+)?(?:e\d+)?)|(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},])|(?P<space>\s+)"""
)
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OF_ALL = {"instance", "job", "worker"}
"""Prometheus adds the first two, and who has several workers the third."""


def tokens(expression: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each; ValueError for what is none."""
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None or match.lastgroup is None:
            message = f"{expression[at : at + 20]!r} in {expression!r}"
            raise ValueError(message)
        at = match.end()
        if match.lastgroup != "space":
            yield match.lastgroup, match.group()


@dataclass
class Spoken:
    """What an expression speaks of."""

    selectors: list[tuple[str, set[str]]] = field(default_factory=list)
    """Metric, and the labels in its braces."""
    listed: set[str] = field(default_factory=set)
    """Labels in ``by (…)``, ``on (…)`` and so on."""
    values: list[tuple[str, str]] = field(default_factory=list)
    """Label and value of each exact match."""


def spoken_of(expression: str) -> Spoken:
    """By reading it from left to right; ValueError where brackets do not match."""
    spoken, found, at = Spoken(), list(tokens(expression)), 0
    texts = [text for _, text in found]
    for opening, closing in ("()", "{}"):
        if texts.count(opening) != texts.count(closing):
            message = f"{opening} and {closing} in {expression!r}"
            raise ValueError(message)
    while at < len(found):
        kind, text = found[at]
        following = texts[at + 1] if at + 1 < len(found) else ""
        if kind == "name" and text in _LISTS and following == "(":
            end = texts.index(")", at)
            spoken.listed.update(name for name in texts[at + 2 : end] if name != ",")
            at = end
        elif kind == "name" and text not in _KEYWORDS and following not in {"(", "by", "without"}:
            end = texts.index("}", at) if following == "{" else at
            labels = _matchers(texts[at + 2 : end], spoken)
            spoken.selectors.append((text, labels))
            at = end
        at += 1
    return spoken


def _matchers(texts: list[str], spoken: Spoken) -> set[str]:
    """The labels of ``name="value", …``."""
    parts = [text for text in texts if text != ","]
    for at in range(0, len(parts), 3):
        if parts[at + 1] == "=":
            spoken.values.append((parts[at], parts[at + 2].strip("\"'")))
    return set(parts[::3])


def catalogue() -> dict[str, tuple[Metric, set[str]]]:
    """Every metric that is served, by the names that it has there, with the labels it is served with."""
    served: dict[str, tuple[Metric, set[str]]] = {}
    supervisor = Supervisor(lambda _: [], 1, Path(), 1.0)
    for registry in (CollectorMetrics().registry, GatewayMetrics().registry, supervisor.registry):
        for metric in _metrics(registry):
            labels = {*metric.labels, *_OF_ALL}
            if metric.kind == "histogram":
                served[f"{metric.name}_bucket"] = (metric, {*labels, "le"})
                served |= {f"{metric.name}_{part}": (metric, labels) for part in ("sum", "count")}
            else:
                served[metric.name] = (metric, labels)
    return served


def _metrics(registry: Registry) -> list[Metric]:
    return list(registry._metrics.values())


def problems_of(expression: str) -> list[str]:
    """Metrics that are not served, and labels that they do not have."""
    served, spoken = catalogue(), spoken_of(expression)
    problems = [f"no metric {name}" for name, _ in spoken.selectors if name not in served]
    known = set[str]()
    for name, labels in spoken.selectors:
        own = served[name][1] if name in served else labels
        known |= own
        problems += [f"{name} has no label {label}" for label in sorted(labels - own)]
    problems += [f"no metric of it has the label {label}" for label in sorted(spoken.listed - known)]
    return problems if spoken.selectors else [*problems, "speaks of no metric"]
