"""Gateways and their workers: by the events that they wrote, by what they reported of themselves, and by what comparing
both found."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.console.answers import answer
from gateway.console.asked import AskedQuery
from gateway.console.dashboards import figures
from gateway.console.door import Looking, parts_of
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery

router = APIRouter()
MAX_BOOTS = 60
_BOOT = ("gateway_id", "worker", "boot_id")
_FAILED = (Filter("outcome", "not", ("ok", "answered_by_plugin")),)
_MEASURES = (
    Measure("count", name="exchanges"),
    Measure("share", where=_FAILED, name="failed"),
    Measure("percentiles", "total_micros", (50.0, 95.0)),
    Measure("sum", "request_body_bytes", name="request_bytes"),
    Measure("sum", "response_body_bytes", name="response_bytes"),
    Measure("distinct", "boot_id", name="starts"),
)


@router.get("/gateways/reports")
async def list_reports(_visitor: Looking, request: Request) -> Response:
    """What workers reported of themselves, and what the last comparison with the log and the sinks found: by the desks
    of collectors, which read the log. On Kafka each desk has the same log, so each boot is shown once."""
    collectors = parts_of(request).collectors
    found = await collectors.reports()
    boots = {tuple(boot.get(name) for name in _BOOT): boot for each in found for boot in each.get("boots", ())}
    newest = sorted(boots.values(), key=lambda boot: str(boot.get("last_seen_at")), reverse=True)
    shown = {
        "is_configured": bool(collectors.urls),
        "boots": newest[:MAX_BOOTS],
        "total": len(newest),
        "reconciled": [
            {"url": each["url"], **each["reconciled"]} for each in found if isinstance(each.get("reconciled"), dict)
        ],
        "problems": [f"{each['url']}: {each['problem']}" for each in found if each["problem"]],
    }
    return answer(shown)


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
