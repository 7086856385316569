"""Gateways and their workers, by the events that they wrote: who works, how much, what fails, when last."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.console.answers import answer
from gateway.console.asked import AskedQuery
from gateway.console.dashboards import figures
from gateway.console.door import Looking, parts_of
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery

router = APIRouter()
_FAILED = (Filter("outcome", "not", ("ok", "answered_by_plugin")),)
_MEASURES = (
    Measure("count", name="exchanges"),
    Measure("share", where=_FAILED, name="failed"),
    Measure("percentiles", "total_micros", (50.0, 95.0)),
    Measure("sum", "request_body_bytes", name="request_bytes"),
    Measure("sum", "response_body_bytes", name="response_bytes"),
    Measure("distinct", "boot_id", name="starts"),
)


@router.get("/gateways")
async def list_gateways(asked: AskedQuery, _visitor: Looking, request: Request) -> Response:
    """Every worker that wrote a proxy log in the range; and this gateway, as it is now."""
    parts = parts_of(request)
    start, end = asked.range()
    query = PanelQuery(
        "proxy_log", start, end, _MEASURES, ("gateway_id", "worker"), "auto", asked.zone, asked.filters(), limit=200
    )
    info = parts.services.info
    here: dict[str, Any] = {
        "gateway_id": info.gateway_id,
        "version": info.version,
        "started_at": info.started_at,
        "workers": parts.services.settings.gateway.workers,
        "durability": parts.services.settings.eventlog.durability,
        "kafka": bool(parts.services.settings.kafka.bootstrap_servers),
    }
    return answer({"here": here, "figures": await figures(parts, query)})
