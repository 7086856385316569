"""Dead letters and jobs, asked of the desks of collectors: counts, one letter, a redrive and its end.

A desk starts and runs what is asked for on its own host; the console only passes it on. What a letter was is as the
gateway recorded it, by the body policy of its app; bodies and headers of it are shown to admins alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.console.answers import answer
from gateway.console.collectors import CollectorAwayError
from gateway.console.door import Changing, Looking, Visitor, parts_of
from gateway.control.api.problems import Problem

router = APIRouter()
_Text = Annotated[str, Field(max_length=400)]
_Job = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
FOR_ADMINS = ("request_body", "response_body", "request_headers", "response_headers", "raw_usage")
"""Of what a letter was."""


class LettersAsked(BaseModel):
    """Which letters; empty is all."""

    model_config = ConfigDict(extra="forbid")

    collector: _Text = ""
    reason: _Text = ""
    kind: _Text = ""


class RedriveAsked(LettersAsked):
    """Which letters to give back; with ``dry_run`` they are only counted."""

    dry_run: bool = True


@router.get("/collectors/{number}/dead-letters")
async def count_letters(number: int, _visitor: Looking, request: Request) -> Response:
    """Open letters by reason, collector and kind."""
    return answer(await _desk(request, number, "dead-letters"))


@router.get("/collectors/{number}/dead-letters/list")
async def list_letters(
    number: int, asked: Annotated[LettersAsked, Query()], _visitor: Looking, request: Request
) -> Response:
    """Some of them, without what they were."""
    return answer(await _desk(request, number, f"dead-letters/list?{urlencode(asked.model_dump())}"))


@router.get("/collectors/{number}/dead-letters/one")
async def read_letter(
    number: int, visitor: Looking, request: Request, letter: Annotated[str, Query(alias="id", max_length=400)]
) -> Response:
    """One letter: why it is one, its headers, and what it was."""
    found = await _desk(request, number, f"dead-letters/one?{urlencode({'id': letter})}")
    return answer({**found, "shows_bodies": visitor.is_admin} if visitor.is_admin else _without_bodies(found))


@router.post("/collectors/{number}/redrives")
async def begin_redrive(number: int, asked: RedriveAsked, who: Changing, request: Request) -> Response:
    """Count what would be given back, or give it back."""
    return answer(await _desk(request, number, "redrives", {**asked.model_dump(), "by": _name_of(who)}))


@router.post("/collectors/{number}/redrives/{job}/cancel")
async def cancel_redrive(number: int, job: _Job, who: Changing, request: Request) -> Response:
    """Have it finish what is in flight and end."""
    return answer(await _desk(request, number, f"redrives/{job}/cancel", {"by": _name_of(who)}))


def _name_of(who: Visitor) -> str:
    """As a desk takes it, whatever the token was called."""
    return "".join(each if each.isprintable() else "?" for each in who.actor.name)[:400]


async def _desk(request: Request, number: int, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    try:
        return await parts_of(request).collectors.desk(number, path, body)
    except CollectorAwayError as error:
        raise Problem(502, "collector_away", str(error), error="The collector does not answer") from error


def _without_bodies(found: Mapping[str, Any]) -> dict[str, Any]:
    letter = found.get("letter")
    shown = dict(letter) if isinstance(letter, dict) else {}
    event = shown.get("event")
    if isinstance(event, dict):
        shown["event"] = {name: value for name, value in event.items() if name not in FOR_ADMINS}
    shown.pop("value_base64", None)
    return {"letter": shown, "shows_bodies": False}
