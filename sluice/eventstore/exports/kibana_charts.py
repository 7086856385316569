"""A panel as one of Kibana's visualisations of aggregations: what is asked, and how it looks.

A share is two filters: a ring of both, or columns that fill up to 100 %. What is per hour is the sum of each hour.
"""

from __future__ import annotations

from typing import Any

from sluice.eventstore.exports.lucene import except_for
from sluice.eventstore.exports.plans import Figure, Plan, Share, Split

_INTERVALS = {"1m": "m", "1h": "h", "1d": "d", "1w": "w", "1M": "M"}
_CHARTS = {"line": "line", "area": "area", "bar": "histogram"}

Part = dict[str, Any]


def visualisation(plan: Plan) -> Part:
    """``type``, ``aggs`` and ``params`` of a ``visState``."""
    kind = chart_of(plan)
    shown = (Figure("count", "", "events"),) if plan.share else plan.figures
    metrics = [_metric(number, figure) for number, figure in enumerate(shown, 1)]
    buckets: list[Part] = []
    within = {"metric": "group", "pie": "segment", "table": "bucket"}.get(kind, "group")
    if plan.share:
        buckets.append(_agg("share", "filters", within, _both(plan.share)))
    for number, split in enumerate(plan.splits):
        buckets.append(_agg(f"by{number}", "terms", within, _terms(split, metrics[0])))
    if kind in {"line", "area", "histogram"}:  # innermost, so that the largest groups are those of the whole range
        buckets.append(_agg("time", "date_histogram", "segment", _over_time(plan)))
    return {"aggs": [*metrics, *buckets], "params": _parameters(kind, plan, metrics), "type": kind}


def chart_of(plan: Plan) -> str:
    """What Kibana calls the kind of chart."""
    if plan.panel.chart == "table":
        return "table"
    if plan.share:
        return "pie" if plan.panel.chart == "figure" else "histogram"
    if plan.panel.chart == "figure":
        return "histogram" if plan.is_rate else "metric"
    return _CHARTS[plan.panel.chart]


def _agg(name: str, kind: str, schema: str, parameters: Part) -> Part:
    return {"enabled": True, "id": name, "params": parameters, "schema": schema, "type": kind}


def _metric(number: int, figure: Figure) -> Part:
    parameters: Part = {"customLabel": figure.label}
    if figure.field:
        parameters["field"] = figure.field
    if figure.percents:
        parameters["percents"] = list(figure.percents)
    return _agg(str(number), figure.kind, "metric", parameters)


def _over_time(plan: Plan) -> Part:
    return {
        "drop_partials": False,
        "extended_bounds": {},
        "field": "@timestamp",
        "interval": _INTERVALS.get(plan.interval, plan.interval or "auto"),
        "min_doc_count": 1,
        "scaleMetricValues": False,
        "useNormalizedEsInterval": True,
    }


def _both(share: Share) -> Part:
    def asked(text: str, label: str) -> Part:
        return {"input": {"language": "lucene", "query": text}, "label": label}

    return {"filters": [asked(share.where, share.label), asked(except_for(share.where), f"not {share.label}")]}


def _terms(split: Split, first: Part) -> Part:
    return {
        "field": split.field,
        "missingBucket": split.is_text,
        "missingBucketLabel": "(none)",
        "order": "desc",
        "orderBy": _order(first),
        "otherBucket": split.is_text and split.field != "currency",
        "otherBucketLabel": "(other)",
        "size": split.size,
    }


def _order(first: Part) -> str:
    if first["type"] == "percentiles":
        return f"{first['id']}.{first['params']['percents'][0]:g}"
    return str(first["id"])


def _parameters(kind: str, plan: Plan, metrics: list[Part]) -> Part:
    if kind == "table":
        return {
            "percentageCol": "", "perPage": 10, "showMetricsAtAllLevels": False, "showPartialRows": False,
            "showToolbar": True, "showTotal": False, "totalFunc": "sum",
        }  # fmt: skip
    if kind == "metric":
        return _of_figure()
    if kind == "pie":
        labels = {"last_level": True, "show": True, "truncate": 100, "values": True}
        return {
            "addLegend": True, "addTooltip": True, "isDonut": True, "labels": labels, "legendPosition": "right",
            "type": "pie",
        }  # fmt: skip
    return _of_axes(kind, plan, metrics)


def _of_figure() -> Part:
    style = {"bgColor": False, "bgFill": "#000", "fontSize": 40, "labelColor": False, "subText": ""}
    metric = {
        "colorSchema": "Green to Red", "colorsRange": [{"from": 0, "to": 10000}], "invertColors": False,
        "labels": {"show": True}, "metricColorMode": "None", "percentageMode": False, "style": style,
        "useRanges": False,
    }  # fmt: skip
    return {"addLegend": False, "addTooltip": True, "metric": metric, "type": "metric"}


def _of_axes(kind: str, plan: Plan, metrics: list[Part]) -> Part:
    title = str(metrics[0]["params"]["customLabel"])
    is_stacked = kind != "line" and (bool(plan.splits) or plan.share is not None or len(metrics) > 1)
    series = [_series(kind, metric, is_stacked=is_stacked) for metric in metrics]
    bottom = {
        "id": "CategoryAxis-1", "labels": {"filter": True, "show": True, "truncate": 100}, "position": "bottom",
        "scale": {"type": "linear"}, "show": True, "style": {}, "title": {}, "type": "category",
    }  # fmt: skip
    left = {
        "id": "ValueAxis-1", "labels": {"filter": False, "rotate": 0, "show": True, "truncate": 100},
        "name": "LeftAxis-1", "position": "left",
        "scale": {"mode": "percentage" if plan.share else "normal", "type": "linear"}, "show": True, "style": {},
        "title": {"text": title}, "type": "value",
    }  # fmt: skip
    return {
        "addLegend": True, "addTimeMarker": False, "addTooltip": True, "categoryAxes": [bottom],
        "grid": {"categoryLines": False}, "labels": {"show": False}, "legendPosition": "right",
        "seriesParams": series, "thresholdLine": {"color": "#E7664C", "show": False, "style": "full", "value": 10,
        "width": 1}, "times": [], "type": kind, "valueAxes": [left],
    }  # fmt: skip


def _series(kind: str, metric: Part, *, is_stacked: bool) -> Part:
    return {
        "data": {"id": metric["id"], "label": metric["params"]["customLabel"]},
        "drawLinesBetweenPoints": True, "interpolate": "linear", "lineWidth": 2,
        "mode": "stacked" if is_stacked else "normal", "show": True, "showCircles": True, "type": kind,
        "valueAxis": "ValueAxis-1",
    }  # fmt: skip
