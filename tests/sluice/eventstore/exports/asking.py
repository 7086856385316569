"""What Kibana and Grafana would send Elasticsearch for our panels, and what plain Python makes of the same events."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.eventstore.exports.plans import Figure, Plan
from tests.sluice.eventstore.panels.ledger import DAY, START
from tests.sluice.eventstore.panels.oracle import Event, near

Body = dict[str, Any]
Rows = dict[tuple[Any, ...], dict[str, Any]]
"""By the values of all buckets: the documents and the figures."""

HOUR = DAY // 24
_MISSING = {"__missing__", "(none)"}
_FIXED = {"auto": "1d", "d": "1d", "h": "1h", "m": "1m"}


def asked(text: str, aggs: Body) -> Body:
    """A search of our three days."""
    bounds = {"gte": START // 1000, "lt": (START + 3 * DAY) // 1000, "format": "epoch_millis"}
    filters = [{"range": {"@timestamp": bounds}}, {"query_string": {"query": text, "analyze_wildcard": True}}]
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": filters}}, "aggs": aggs}


def kibana_body(attributes: Mapping[str, Any]) -> Body:
    """The search of a visualisation: its ``aggs`` in their order, one within the other."""
    state = json.loads(attributes["visState"])
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert source["query"]["language"] == "lucene"
    metrics = [agg for agg in state["aggs"] if agg["schema"] == "metric"]
    buckets = [agg for agg in state["aggs"] if agg["schema"] != "metric"]
    found = {agg["id"]: _kibana_metric(agg) for agg in metrics if agg["type"] != "count"}
    counts = {agg["id"] for agg in metrics if agg["type"] == "count"}
    aggs = dict(found)
    for agg in reversed(buckets):
        aggs = {agg["id"]: {**_kibana_bucket(agg, counts), "aggs": aggs}, **found}
    return asked(source["query"]["query"], aggs)


def _kibana_metric(agg: Mapping[str, Any]) -> Body:
    return {agg["type"]: {name: value for name, value in agg["params"].items() if name != "customLabel"}}


def _kibana_bucket(agg: Mapping[str, Any], counts: set[str]) -> Body:
    given = agg["params"]
    if agg["type"] == "date_histogram":
        interval = _FIXED[given["interval"]]
        return {"date_histogram": {"field": given["field"], "fixed_interval": interval, "min_doc_count": 1}}
    if agg["type"] == "filters":
        for each in given["filters"]:
            assert each["input"]["language"] == "lucene"
        texts = {each["label"]: each["input"]["query"] for each in given["filters"]}
        return {"filters": {"filters": {label: {"query_string": {"query": text}} for label, text in texts.items()}}}
    order = "_count" if given["orderBy"] in counts else given["orderBy"]
    terms = {"field": given["field"], "size": given["size"], "order": {order: given["order"]}}
    return {"terms": {**terms, **({"missing": "__missing__"} if given["missingBucket"] else {})}}


def grafana_body(target: Mapping[str, Any], variables: Mapping[str, str]) -> Body:
    """The search of a target, with what readers chose put in as Grafana does."""
    text = target["query"]
    for name, value in variables.items():
        text = text.replace(f"${{{name}:lucene}}", value)
    assert "$" not in text
    found = {each["id"]: _grafana_metric(each) for each in target["metrics"] if each["type"] != "count"}
    aggs = dict(found)
    for agg in reversed(target["bucketAggs"]):
        aggs = {agg["id"]: {**_grafana_bucket(agg), "aggs": aggs}, **found}
    return asked(text, aggs)


def _grafana_metric(metric: Mapping[str, Any]) -> Body:
    return {metric["type"]: {"field": metric["field"], **metric.get("settings", {})}}


def _grafana_bucket(agg: Mapping[str, Any]) -> Body:
    given = agg["settings"]
    if agg["type"] == "date_histogram":
        interval = _FIXED.get(given["interval"], given["interval"])
        return {"date_histogram": {"field": agg["field"], "fixed_interval": interval, "min_doc_count": 0}}
    if agg["type"] == "filters":
        texts = {each["label"]: each["query"] for each in given["filters"]}
        return {"filters": {"filters": {label: {"query_string": {"query": text}} for label, text in texts.items()}}}
    terms = {"field": agg["field"], "size": int(given["size"]), "order": {given["orderBy"]: given["order"]}}
    return {"terms": {**terms, **({"missing": given["missing"]} if "missing" in given else {})}}


def rows_of(answer: Mapping[str, Any]) -> Rows:
    """The innermost buckets that hold documents."""
    whole = {**answer.get("aggregations", {}), "doc_count": answer["hits"]["total"]["value"]}
    return dict(_rows(whole, ()))


def _rows(bucket: Mapping[str, Any], key: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    inner = [found for found in bucket.values() if isinstance(found, dict) and "buckets" in found]
    if not inner:
        yield key, {name: found for name, found in bucket.items() if name == "doc_count" or isinstance(found, dict)}
        return
    buckets = inner[0]["buckets"]
    pairs = buckets.items() if isinstance(buckets, dict) else ((each["key"], each) for each in buckets)
    for name, each in pairs:
        if each["doc_count"]:
            yield from _rows(each, (*key, None if name in _MISSING else name))


def values(event: Event, field: str) -> list[Any]:
    """What a document has in a field, as far as an index knows it."""
    if field == "cost":
        return [] if event["cost_nanos"] is None else [event["cost_nanos"] / 10**9]
    if field.startswith("plugins."):
        found = [step[field.removeprefix("plugins.")] for step in event["plugins"]]
        return found if field.endswith("micros") else list(dict.fromkeys(found))
    held = event[field]
    return [] if held is None or (isinstance(held, str) and len(held) > 1024) else [held]


def expected(plan: Plan, events: Sequence[Event], *, is_timed: bool) -> dict[tuple[Any, ...], list[Event]]:
    """The events of each innermost bucket."""
    length = HOUR if plan.interval == "1h" else DAY
    found: dict[tuple[Any, ...], list[Event]] = {}
    for event in events:
        keys: list[tuple[Any, ...]] = [()]
        for split in plan.splits:
            held = values(event, split.field) or ([None] if split.is_text else [])
            keys = [(*key, each) for key in keys for each in held]
        when = (event["occurred_at"] // length * length // 1000,) if is_timed else ()
        for key in keys:
            found.setdefault((*key, *when), []).append(event)
    return found


def equal(plan: Plan, rows: Rows, held: Mapping[tuple[Any, ...], Sequence[Event]]) -> None:
    """Assert that every row is right, and that no group is missing but those behind the limit."""
    assert set(rows) <= set(held)
    if plan.splits:
        first = {key[0] for key in held}
        assert len({key[0] for key in rows}) == min(plan.splits[0].size, len(first))
    else:
        assert set(rows) == set(held)
    for key, row in rows.items():
        assert row["doc_count"] == len(held[key])
        for number, figure in enumerate(plan.figures, 1):
            if figure.kind != "count":
                _same(figure, row[str(number)], [each for event in held[key] for each in values(event, figure.field)])


def _same(figure: Figure, found: Mapping[str, Any], held: Sequence[Any]) -> None:
    if figure.kind == "percentiles":
        for percent in figure.percents:
            near(found["values"][str(float(percent))], held, percent, 0.02)
    elif figure.kind == "cardinality":
        assert found["value"] == len(set(held))
    elif figure.kind == "avg" and not held:
        assert found["value"] is None
    else:
        wanted = math.fsum(held) / (len(held) if figure.kind == "avg" else 1)
        assert math.isclose(found["value"], wanted, rel_tol=1e-12, abs_tol=1e-12 * sum(map(abs, held)))
