"""From what Elasticsearch keeps of a document, its ``_source``, back to the event that was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from schemas.avro_schema import event_schema, micros_fields
from schemas.events import Kind
from sluice.clock import micros_of

_BODIES = ("request_body", "response_body")
_KEPT = tuple(f"{body}_replaced" for body in _BODIES)
"""What documents of proxy logs add and events do not have, but readers must know."""


def event_of(kind: Kind, source: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the event that are there: times in micros, bodies as bytes; what documents add is left out."""
    moment = source.get("@timestamp")
    given = source if moment is None else {"occurred_at": moment, **source}
    event = {name: given[name] for name in _names(kind) if name in given}
    for name, within in micros_fields(kind):
        if within is None and name in event:
            event[name] = _micros(event[name])
        elif within is not None and within in event:
            event[within] = [{**item, name: _micros(item[name])} for item in event[within]]
    if kind == "proxy_log":
        event |= {name: event[name].encode() for name in _BODIES if isinstance(event.get(name), str)}
    return event


@cache
def _names(kind: Kind) -> tuple[str, ...]:
    names = tuple(field["name"] for field in event_schema(kind)["fields"])
    return (*names, *_KEPT) if kind == "proxy_log" else names


def _micros(moment: Any) -> Any:
    """What is no time of ours is left as it is: a page is not lost for one foreign document."""
    try:
        return micros_of(datetime.fromisoformat(moment))
    except (TypeError, ValueError):
        return moment
