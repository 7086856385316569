"""Exchanges: found by what is known of them, and one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from gateway.console.answers import answer
from gateway.console.asked import Asked, of_query
from gateway.console.door import Looking, parts_of
from gateway.console.story import story_of
from gateway.control.api.problems import Problem
from sluice.eventstore.panels.query import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.console.parts import ConsoleParts
    from sluice.eventstore.panels.answers import SearchPage
    from sluice.eventstore.panels.query import Filter
    from sluice.eventstore.queries import Document

router = APIRouter()
_MAX_MESSAGE = 300
_PLAIN = (
    "exchange_id", "occurred_at", "app_id", "llm_slug", "vendor", "outcome", "model_name", "method", "path",
    "is_stream", "response_code", "total_micros", "first_byte_micros", "error_kind", "gateway_id", "trace_id",
)  # fmt: skip
_WORTH = ("prompt_tokens", "response_tokens", "total_tokens", "cost_nanos", "currency", "cost_status")
ExchangeId = Annotated[str, Path(pattern=r"^[0-9A-Za-z._-]{1,128}$")]


class SearchAsked(Asked):
    """A page of exchanges, newest first; ``cursor`` is that of the page before."""

    cursor: Annotated[str, Field(max_length=512)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.get("/exchanges")
async def search_exchanges(asked: Annotated[SearchAsked, Query()], _visitor: Looking, request: Request) -> Response:
    """Exchanges of every app and of none, with what they cost."""
    parts = parts_of(request)
    start, end = asked.range()
    rows, cursor = await find_rows(parts, asked.filters(), start, end, asked.cursor or None, asked.limit)
    return answer({"exchanges": rows, "cursor": cursor})


@router.get("/exchanges/{exchange_id}")
async def read_exchange(exchange_id: ExchangeId, visitor: Looking, request: Request) -> Response:
    """One exchange in full, by its id or that of any of its events; bodies and headers for admins alone."""
    parts = parts_of(request)
    found = await parts.asking.ask(lambda: parts.events.exchange(exchange_id))
    if found.proxy_log is None and found.analytics is None and not found.budgets:
        message = "no event of this exchange is in the store: no collector has written it yet, or it was deleted"
        raise Problem(404, "not_found", message)
    return answer(story_of(found, parts, shows_bodies=visitor.is_admin))


@router.get("/exchanges/{exchange_id}/sinks")
async def find_in_sinks(exchange_id: ExchangeId, _visitor: Looking, request: Request) -> Response:
    """Which sinks have the events of an exchange, as the collectors that carry them there find it now."""
    collectors = parts_of(request).collectors
    found = await collectors.everybody(f"sinks/{exchange_id}")
    return answer({"is_configured": bool(collectors.urls), "collectors": found})


async def find_rows(
    parts: ConsoleParts, filters: Sequence[Filter], start: int, end: int, cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of exchanges as rows, and the cursor of the next. Raises a ``Problem``."""

    async def find() -> tuple[SearchPage, list[Document]]:
        page = await parts.events.search("proxy_log", filters, start, end, cursor, limit)
        ids = [str(each["exchange_id"]) for each in page.items]
        return page, await parts.events.documents("analytics", ids) if ids else []

    try:
        page, analytics = await parts.asking.ask(find)
    except QueryError as error:
        raise of_query(error) from error
    worth = {str(each["exchange_id"]): each for each in analytics}
    return [_row(each, worth.get(str(each["exchange_id"])), parts) for each in page.items], page.cursor


def _row(log: Document, worth: Document | None, parts: ConsoleParts) -> dict[str, Any]:
    app_id = log.get("app_id")
    return {
        **{name: log.get(name) for name in _PLAIN},
        **{name: worth.get(name) if worth else None for name in _WORTH},
        "app": None if app_id is None else parts.names.app(app_id),
        "error_message": (log.get("error_message") or "")[:_MAX_MESSAGE],
    }
