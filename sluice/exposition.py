"""Metric families as text, of one process or of several merged: Prometheus 0.0.4, and OpenMetrics with exemplars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import orjson

CONTENT_TYPE = "text/plain; version=0.0.4"
OPEN_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_OPEN_TYPE = "application/openmetrics-text"
_PLAIN_TYPES = ("text/plain", "text/*", "*/*")
_TOTAL = "_total"


class Exemplar(NamedTuple):
    """One measurement and the trace that it is of."""

    trace_id: str
    value: float
    at_seconds: float
    """Of the epoch."""


class Family(NamedTuple):
    """One metric with all its series, as plain data."""

    name: str
    kind: str
    meaning: str
    unit: str
    labels: Sequence[str]
    series: Sequence[tuple[Sequence[str], Any]]
    """Label values, and a number, or for histograms (count of each bucket, sum)."""
    buckets: Sequence[float] = ()
    exemplars: Sequence[Sequence[tuple[int, Sequence[Any]]]] = ()
    """Of histograms, by series: the place of a bucket, and an ``Exemplar``'s fields; empty where there are none."""


def dump_families(families: Sequence[Family]) -> bytes:
    """Families as JSON, for another process of the same version."""
    return orjson.dumps([tuple(family) for family in families])


def load_families(text: bytes) -> list[Family]:
    """What ``dump_families`` wrote; ValueError or TypeError where it is damaged."""
    return [Family(*fields) for fields in orjson.loads(text)]


def render_families(processes: Iterable[tuple[Mapping[str, str], Sequence[Family]]]) -> str:
    """The text of several processes' families, each with labels of its own; a metric's lines stand together."""
    heads: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    for extra, families in processes:
        for family in families:
            unit = f" ({family.unit})" if family.unit else ""
            heads[family.name] = f"# HELP {family.name} {family.meaning}{unit}\n# TYPE {family.name} {family.kind}"
            lines.setdefault(family.name, []).extend(_lines(family, extra))
    return "".join(f"{head}\n" + "".join(f"{line}\n" for line in lines[name]) for name, head in heads.items())


def render_open_metrics(processes: Iterable[tuple[Mapping[str, str], Sequence[Family]]]) -> str:
    """The same as OpenMetrics 1.0, with exemplars."""
    heads: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    for extra, families in processes:
        for family in families:
            heads[family.name] = _open_head(family)
            lines.setdefault(family.name, []).extend(_open_lines(family, extra))
    text = "".join(head + "".join(f"{line}\n" for line in lines[name]) for name, head in heads.items())
    return f"{text}# EOF\n"


def wants_open_metrics(accept: str) -> bool:
    """Whether an ``Accept`` header asks for OpenMetrics rather than for plain text."""
    wanted = _qualities(accept)
    plain = max((wanted.get(name, 0.0) for name in _PLAIN_TYPES), default=0.0)
    return wanted.get(_OPEN_TYPE, 0.0) > 0 and wanted[_OPEN_TYPE] >= plain


def _qualities(accept: str) -> dict[str, float]:
    """Each media type with how much it is wanted; of one that comes twice the most."""
    wanted: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            value = float(quality)
        except ValueError:
            value = 0.0
        wanted[name] = max(wanted.get(name, 0.0), value if 0 <= value <= 1 else 0.0)
    return wanted


def _open_head(family: Family) -> str:
    """A counter's name is its samples' without their ending; a unit is told where the name ends in it."""
    name = family.name.removesuffix(_TOTAL) if family.kind == "counter" else family.name
    unit = f"# UNIT {name} {family.unit}\n" if family.unit and name.endswith(f"_{family.unit}") else ""
    return f"# TYPE {name} {family.kind}\n{unit}# HELP {name} {_escaped(family.meaning)}\n"


def _open_lines(family: Family, extra: Mapping[str, str]) -> Iterable[str]:
    for place, (values, measured) in enumerate(family.series):
        labels = {**extra, **dict(zip(family.labels, values, strict=True))}
        if family.kind == "histogram":
            exemplars = dict(family.exemplars[place]) if family.exemplars else {}
            yield from _open_histogram(family, labels, measured, exemplars)
        else:
            yield f"{family.name}{_labels(labels)} {measured:.17g}"


def _open_histogram(
    family: Family,
    labels: dict[str, str],
    measured: tuple[Sequence[int], float],
    exemplars: Mapping[int, Sequence[Any]],
) -> Iterable[str]:
    counts, total = measured
    bounds = [*(repr(float(bound)) for bound in family.buckets), "+Inf"]
    for place, (bound, count) in enumerate(zip(bounds, accumulate(counts), strict=True)):
        line = f"{family.name}_bucket{_labels({**labels, 'le': bound})} {count}"
        yield line + _exemplar(exemplars[place]) if place in exemplars else line
    yield f"{family.name}_sum{_labels(labels)} {total:.17g}"
    yield f"{family.name}_count{_labels(labels)} {sum(counts)}"


def _exemplar(fields: Sequence[Any]) -> str:
    trace_id, value, at_seconds = fields
    return f" # {_labels({'trace_id': trace_id})} {value:.17g} {at_seconds:.6f}"


def _lines(family: Family, extra: Mapping[str, str]) -> Iterable[str]:
    for values, measured in family.series:
        labels = {**extra, **dict(zip(family.labels, values, strict=True))}
        if family.kind == "histogram":
            yield from _histogram(family, labels, measured)
        else:
            yield f"{family.name}{_labels(labels)} {measured:.17g}"


def _histogram(family: Family, labels: dict[str, str], measured: tuple[Sequence[int], float]) -> Iterable[str]:
    counts, total = measured
    bounds = [*(f"{bound:g}" for bound in family.buckets), "+Inf"]
    for bound, count in zip(bounds, accumulate(counts), strict=True):
        yield f"{family.name}_bucket{_labels({**labels, 'le': bound})} {count}"
    yield f"{family.name}_sum{_labels(labels)} {total:.17g}"
    yield f"{family.name}_count{_labels(labels)} {sum(counts)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
