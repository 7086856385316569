"""Analytics: what happened, from the event store; it knows what collectors have written so far.

Events outlive their app, so an app that is unknown has none; it is no error.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from gateway.control.api.call import Call, CallOf
from gateway.control.api.envelopes import Many, One, Timed
from gateway.control.api.fields import MAX_ID
from gateway.control.api.paging import PageInfo
from gateway.control.api.paging import Query as QueryModel
from gateway.control.api.problems import Problem, invalid
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.times import MONTH_MICROS, WEEK_MICROS, TimeQuery, range_of
from gateway.control.api.usage_views import (
    CostsView,
    Event,
    EventView,
    OneBody,
    RequestBodyView,
    ResponseBodyView,
    SummaryView,
)
from sluice.eventstore.queries import MAX_DOCUMENTS, Bodies

router = control_router("analytics")
_AppId = Annotated[int, Field(ge=1, le=MAX_ID)]
EventId = Annotated[str, Path(pattern=r"^[0-9A-Za-z._-]{1,128}$", description="of the event, or of its exchange")]


class EventsQuery(QueryModel):
    """Whose events."""

    app_id: _AppId
    page: Annotated[int, Field(ge=1, le=MAX_DOCUMENTS)] = 1
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class FiguresQuery(TimeQuery):
    """Whose figures, and of which time."""

    app_id: _AppId


@router.get("/analytics/events", name="event.listed", response_model=Many[EventView])
async def list_events(query: Annotated[EventsQuery, Query()], call: CallOf) -> Response:
    """An app's exchanges, the newest first."""
    if query.page * query.limit > MAX_DOCUMENTS:
        raise invalid("page", f"is too far: only the newest {MAX_DOCUMENTS} events can be paged through")
    found = await call.services.events.analytics_events(query.app_id, query.page, query.limit)
    page = PageInfo(query.page, query.limit, found.total)
    return await call.answer(Answer(data=tuple(Event(each) for each in found.items), page=page))


@router.get("/analytics/events/{event_id}/request", name="event.request", response_model=One[RequestBodyView])
async def read_event_request(event_id: EventId, call: CallOf) -> Response:
    """What the client sent, as far as it was kept."""
    return await call.answer(Answer(data=OneBody(event_id, "request", await _bodies(call, event_id))))


@router.get("/analytics/events/{event_id}/response", name="event.response", response_model=One[ResponseBodyView])
async def read_event_response(event_id: EventId, call: CallOf) -> Response:
    """What the client got, as far as it was kept."""
    return await call.answer(Answer(data=OneBody(event_id, "response", await _bodies(call, event_id))))


@router.get("/analytics/summary", name="event.summary", response_model=Timed[SummaryView])
async def read_summary(query: Annotated[FiguresQuery, Query()], call: CallOf) -> Response:
    """How an app fared, by default in the last 7 days."""
    start, end = range_of(query, WEEK_MICROS)
    summary = await call.services.events.summary(query.app_id, start, end)
    return await call.answer(Answer(data=summary, time_range=(start, end)))


@router.get("/analytics/costs", name="event.costs", response_model=Timed[CostsView])
async def read_costs(query: Annotated[FiguresQuery, Query()], call: CallOf) -> Response:
    """What an app spent, by default in the last 30 days."""
    start, end = range_of(query, MONTH_MICROS)
    costs = await call.services.events.costs(query.app_id, start, end)
    return await call.answer(Answer(data=costs, time_range=(start, end)))


async def _bodies(call: Call, event_id: str) -> Bodies:
    found = await call.services.events.bodies(event_id)
    if found is None:
        message = "there is no such event, or no collector has written it yet"
        raise Problem(404, "not_found", message, error="Event not found")
    return found
