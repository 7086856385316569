"""Dashboards as they are defined in ``sluice/eventstore/dashboards``: their shape, and one panel's figures at a time.

A page asks for each panel by itself: so the first figures are there while others are still being added up, and one that
cannot be answered says so in its place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from gateway.console.answers import answer
from gateway.console.asked import Asked, of_query
from gateway.console.door import Looking, parts_of
from gateway.console.lazily import DEFINED
from gateway.control.api.problems import Problem
from sluice.eventstore.panels.answers import plain
from sluice.eventstore.panels.fields import fields_of
from sluice.eventstore.panels.query import Measure, PanelQuery, QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.console.parts import ConsoleParts
    from sluice.eventstore.dashboards.definitions import Dashboard, Panel
    from sluice.eventstore.panels.answers import Answer
    from sluice.eventstore.panels.query import Filter

router = APIRouter()
MAX_CHOICES = 50
_SPLITS = ("app_id", "vendor", "llm_slug", "model_name")


class PanelAsked(Asked):
    """A panel's figures; with ``compare`` beside those of the period before, with ``by`` split by another field."""

    compare: bool = True
    by: Literal["", "app_id", "vendor", "llm_slug", "model_name"] = ""


class ChoicesAsked(Asked):
    """Values that were seen in a range, and in whose names a text stands."""

    search: Annotated[str, Field(max_length=200)] = ""


@router.get("/dashboards")
async def list_dashboards(_visitor: Looking) -> Response:
    """What dashboards there are, with their panels and without a figure."""
    return answer({"dashboards": [_shape(each) for each in await DEFINED.get()]})


@router.get("/dashboards/{dashboard}/panels/{panel}")
async def read_panel(
    dashboard: str, panel: str, asked: Annotated[PanelAsked, Query()], _visitor: Looking, request: Request
) -> Response:
    """The figures of one panel, and the names of the numbers in them."""
    parts = parts_of(request)
    query = _query(_panel(await DEFINED.get(), dashboard, panel), asked)
    return answer(await figures(parts, query))


@router.get("/choices/{field}")
async def list_choices(
    field: str, asked: Annotated[ChoicesAsked, Query()], _visitor: Looking, request: Request
) -> Response:
    """Values of a field that a reader may choose, the most frequent first; apps and LLMs are chosen by name."""
    parts = parts_of(request)
    named = parts.names.matching(field, asked.search, MAX_CHOICES)
    if named is not None:
        return answer({"choices": [{"value": number, "name": name} for number, name in named]})
    start, end = asked.range()
    query = PanelQuery("analytics", start, end, (Measure(),), (field,), limit=MAX_CHOICES)
    found = await _asked(parts, query)
    values = [each.key[0] for each in found.series if not each.is_other and each.key[0] is not None]
    wanted = [each for each in values if asked.search.casefold() in str(each).casefold()]
    return answer({"choices": [{"value": each, "name": str(each)} for each in wanted]})


async def figures(parts: ConsoleParts, query: PanelQuery) -> dict[str, Any]:
    """The answer to a query as pages show it. Raises a ``Problem``."""
    found = await _asked(parts, query)
    names = {
        field: parts.names.of(field, [each.key[number] for each in found.series if len(each.key) > number])
        for number, field in enumerate(query.split_by)
    }
    return {**plain(found), "names": {field: known for field, known in names.items() if known}}


async def _asked(parts: ConsoleParts, query: PanelQuery) -> Answer:
    try:
        return await parts.asking.ask(lambda: parts.events.figures(query))
    except QueryError as error:
        raise of_query(error) from error


def _panel(dashboards: Sequence[Dashboard], dashboard: str, name: str) -> Panel:
    for each in dashboards:
        if each.name == dashboard:
            for panel in each.panels:
                if panel.name == name:
                    return panel
    raise Problem(404, "not_found", "there is no such panel; load the page anew")


def _query(panel: Panel, asked: PanelAsked) -> PanelQuery:
    start, end = asked.range()
    query = panel.query.made(start, end, asked.zone, _of_kind(panel, asked.filters()))
    if asked.by:
        if asked.by not in _choices(panel):
            raise Problem(400, "invalid", f"this panel cannot be split by {asked.by}; load the page anew")
        query = replace(query, split_by=(asked.by,))
    if not asked.compare:
        return replace(query, compare="")
    return query if query.split_by else replace(query, compare="previous")


def _choices(panel: Panel) -> list[str]:
    """What a chart over time may be split by, beside what it is split by: whose, whence and which."""
    of = panel.query.split_by
    if not panel.query.interval or len(of) != 1 or of[0] not in _SPLITS:
        return []
    known = fields_of(panel.query.kind)
    return [field for field in _SPLITS if field in known]


def _of_kind(panel: Panel, filters: Sequence[Filter]) -> list[Filter]:
    """A reader's conditions on fields that the panel's events have; others are about other panels."""
    known = fields_of(panel.query.kind)
    return [each for each in filters if each.field in known]


def _shape(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "name": dashboard.name,
        "title": dashboard.title,
        "answers": dashboard.answers,
        "variables": [each.model_dump() for each in dashboard.variables],
        "panels": [
            {
                **{
                    name: getattr(each, name)
                    for name in ("name", "title", "answers", "chart", "unit", "width", "limits")
                },
                "split_by": list(each.query.split_by),
                "choices": _choices(each),
                "has_time": bool(each.query.interval),
                "ignores": [v.name for v in dashboard.variables if v.field not in fields_of(each.query.kind)],
            }
            for each in dashboard.panels
        ],
    }
