"""One panel of a Grafana dashboard: its targets, and how it looks.

Elasticsearch's data source wants a bucket aggregation in every query: a figure of the whole range stands within one
filter that all documents pass, so that counts and percentiles are those of the range and of no bucket.
"""

from __future__ import annotations

from typing import Any

from sluice.eventstore.exports.lucene import EVERYTHING
from sluice.eventstore.exports.plans import Figure, Plan, Share, Split

_UNITS = {"micros": "µs", "share": "percentunit", "bytes": "bytes"}
_EXPRESSIONS = {"type": "__expr__", "uid": "__expr__"}

Part = dict[str, Any]


def grafana_panel(plan: Plan, source: Part, query: str) -> Part:
    """All but its id and place."""
    kind = {"figure": "stat", "table": "table"}.get(plan.panel.chart, "timeseries")
    return {
        "datasource": source,
        "description": plan.description,
        "fieldConfig": {"defaults": _defaults(plan, kind), "overrides": []},
        "options": _options(plan, kind),
        "targets": _share(plan, plan.share, source, query) if plan.share else [_target(plan, source, query)],
        "title": plan.panel.title,
        "transformations": [],
        "type": kind,
    }


def _target(plan: Plan, source: Part, query: str) -> Part:
    is_timed = plan.panel.chart in {"line", "area", "bar"} or plan.is_rate
    buckets = [_terms(number, split, plan.figures[0]) for number, split in enumerate(plan.splits)]
    if is_timed:
        buckets.append(_over_time(plan))
    return {
        "alias": _alias(plan) if is_timed else "",
        "bucketAggs": buckets or [_whole()],
        "datasource": source,
        "metrics": [_metric(number, figure) for number, figure in enumerate(plan.figures, 1)],
        "query": query,
        "refId": "A",
        "timeField": "@timestamp",
    }


def _share(plan: Plan, share: Share, source: Part, query: str) -> list[Part]:
    """How many are in it, how many there are, and the one by the other."""
    counted = {
        "alias": "",
        "bucketAggs": [_over_time(plan)],
        "datasource": source,
        "hide": True,
        "metrics": [{"id": "1", "type": "count"}],
        "timeField": "@timestamp",
    }
    inside = f"({query}) AND {share.where}"
    found: list[Part] = [{**counted, "query": inside, "refId": "A"}, {**counted, "query": query, "refId": "B"}]
    if plan.panel.chart != "figure":
        return [*found, _expression("C", "math", "$A / $B", hide=False)]
    found += [
        {**_expression("C", "reduce", "A", hide=True), "reducer": "sum"},
        {**_expression("D", "reduce", "B", hide=True), "reducer": "sum"},
    ]
    return [*found, _expression("E", "math", "$C / $D", hide=False)]


def _expression(name: str, kind: str, text: str, *, hide: bool) -> Part:
    return {"datasource": _EXPRESSIONS, "expression": text, "hide": hide, "refId": name, "type": kind}


def _metric(number: int, figure: Figure) -> Part:
    found: Part = {"id": str(number), "type": figure.kind}
    if figure.field:
        found["field"] = figure.field
    if figure.percents:
        found["settings"] = {"percents": [f"{percent:g}" for percent in figure.percents]}
    return found


def _terms(number: int, split: Split, first: Figure) -> Part:
    settings = {"min_doc_count": "1", "order": "desc", "orderBy": _order(first), "size": str(split.size)}
    if split.is_text:
        settings["missing"] = "(none)"
    return {"field": split.field, "id": f"1{number}", "settings": settings, "type": "terms"}


def _order(first: Figure) -> str:
    if first.kind == "count":
        return "_count"
    return f"1[{first.percents[0]:.1f}]" if first.percents else "1"


def _over_time(plan: Plan) -> Part:
    settings = {"interval": plan.interval or "auto", "min_doc_count": "0", "trimEdges": "0"}
    return {"field": "@timestamp", "id": "20", "settings": settings, "type": "date_histogram"}


def _whole() -> Part:
    return {"id": "10", "settings": {"filters": [{"label": "all", "query": EVERYTHING}]}, "type": "filters"}


def _alias(plan: Plan) -> str:
    words = [f"{{{{term {split.field}}}}}" for split in plan.splits]
    many = len(plan.figures) > 1 or bool(plan.figures[0].percents)
    if not many:
        return " ".join(words) or plan.figures[0].label
    return " ".join([*words, "{{metric}}", *(["{{field}}"] if len(plan.figures) > 1 else [])])


def _defaults(plan: Plan, kind: str) -> Part:
    found: Part = {"min": 0, "unit": "short" if kind == "table" else _UNITS.get(plan.panel.unit, "short")}
    if plan.panel.unit == "money":
        del found["min"]  # corrections may be below nothing
    if plan.share:
        found |= {"displayName": plan.share.label, "max": 1}
    if kind == "timeseries":
        is_stacked = plan.panel.chart in {"area", "bar"} and (bool(plan.splits) or len(plan.figures) > 1)
        found["custom"] = {
            "drawStyle": "bars" if plan.panel.chart == "bar" else "line",
            "fillOpacity": {"area": 25, "bar": 80}.get(plan.panel.chart, 0),
            "showPoints": "never" if plan.panel.chart == "bar" else "auto",
            "stacking": {"group": "A", "mode": "normal" if is_stacked else "none"},
        }
    return found


def _options(plan: Plan, kind: str) -> Part:
    if kind == "stat":
        calc = "mean" if plan.is_rate else "lastNotNull"
        rows = not plan.is_rate and not plan.share  # one for each currency
        return {
            "colorMode": "value", "graphMode": "none",
            "reduceOptions": {"calcs": [calc], "fields": "", "limit": 25, "values": rows}, "textMode": "auto",
        }  # fmt: skip
    if kind == "table":
        return {"cellHeight": "sm", "showHeader": True}
    legend = {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
