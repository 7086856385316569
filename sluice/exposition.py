"""Prometheus text (0.0.4) of metric families, of one process or of several merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import orjson

CONTENT_TYPE = "text/plain; version=0.0.4"


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
