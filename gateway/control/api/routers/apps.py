"""Apps: credentialed callers, their limits, and the LLMs they may use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import Field

from gateway.control.api.call import CallOf
from gateway.control.api.envelopes import All, Done, Many, One
from gateway.control.api.fields import (
    MAX_ID,
    Block,
    Body,
    Count,
    Email,
    Flag,
    Id,
    Ids,
    Money,
    Name,
    Object,
    ResetDay,
    Text,
    Zone,
    column,
    example,
)
from gateway.control.api.paging import PageQuery, by_ids
from gateway.control.api.problems import invalid
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.views import AppView, LlmView
from gateway.control.entities import LlmLink

router = control_router("apps")
AppId = Annotated[int, Path(ge=1, le=MAX_ID)]
_EXAMPLE = {
    "name": "bench",
    "owner_email": "dev@example.com",
    "llm_ids": [1],
    "monthly_budget": "12.50",
    "rate_limit_rpm": 60,
    "allowed_ips": ["10.0.0.0/8"],
}


class Link(Body):
    """An LLM that the app may use, with a budget of its own if any."""

    model_config = example({"llm_id": 1, "monthly_budget": "5"})

    llm_id: Id
    monthly_budget: Money = 0


Links = Annotated[list[Link], Field(max_length=1000)]


class AppChange(Body):
    """Any of an app's fields; those that are not named stay as they are."""

    model_config = example({"monthly_budget": 10, "description": "benchmarks"}, is_change=True)

    name: Name = ""
    description: Text = ""
    owner_email: Email = ""
    user_id: Id | None = None
    is_active: Flag = True
    bodies: Literal["default", "full", "redacted", "metadata", "none"] = "default"
    monthly_budget: Money = 0
    budget_reset_day: ResetDay = 1
    time_zone: Zone = "UTC"
    budget_fail: Literal["closed", "open"] = "closed"
    rate_limit_rpm: Count = 0
    rate_limit_tpm: Count = 0
    max_concurrent: Count = 0
    allowed_ips: Annotated[list[Block], Field(max_length=200)] = Field(default_factory=list)
    metadata: Object | None = None
    llm_ids: Ids = Field(default_factory=list)
    """The LLMs it may use; those that stay keep their budgets."""
    llms: Links = Field(default_factory=list)
    """The same, with budgets."""


class AppCreate(AppChange):
    """A new app."""

    model_config = example(_EXAMPLE)

    name: Name


class AppLlms(Body):
    """All LLMs that the app may use, as ids or with budgets."""

    model_config = example({"llm_ids": [1]})

    llm_ids: Ids = Field(default_factory=list)
    llms: Links = Field(default_factory=list)


class AppQuery(PageQuery):
    """Which apps."""

    active: bool | None = None


def _values(body: AppChange, present: tuple[LlmLink, ...] = ()) -> dict[str, Any]:
    """The entity's fields of what was named."""
    values = body.given()
    column(values, "monthly_budget", "monthly_budget_nanos")
    if "allowed_ips" in values:
        values["allowed_ips"] = tuple(values["allowed_ips"])
    if "metadata" in values:
        values["metadata"] = values["metadata"] or {}
    links = _links(body, present)
    values.pop("llm_ids", None)
    values.pop("llms", None)
    return values if links is None else {**values, "llms": links}


def _links(body: AppChange | AppLlms, present: tuple[LlmLink, ...]) -> tuple[LlmLink, ...] | None:
    given = body.given()
    if "llms" in given and "llm_ids" in given:
        raise invalid("llm_ids", "stands beside llms, which says the same; give one of them")
    if "llms" in given:
        ids = [link.llm_id for link in body.llms]
        if len(set(ids)) != len(ids):
            raise invalid("llms", "names an LLM twice")
        return tuple(LlmLink(llm_id=link.llm_id, monthly_budget_nanos=link.monthly_budget) for link in body.llms)
    if "llm_ids" in given:
        kept = {link.llm_id: link for link in present}
        return tuple(kept.get(llm_id) or LlmLink(llm_id=llm_id) for llm_id in body.llm_ids)
    return None


@router.get("/apps", name="app.listed", response_model=Many[AppView])
async def list_apps(query: Annotated[AppQuery, Query()], call: CallOf) -> Response:
    """Apps, the newest last."""
    wanted = {} if query.active is None else {"is_active": query.active}
    found = await call.store.apps.find(page=query.page, limit=query.limit, **wanted)
    return await call.listed(found.items, found.total, query)


@router.post("/apps", name="app.created", status_code=201, response_model=One[AppView])
async def create_app(body: AppCreate, call: CallOf) -> Response:
    """A new app."""
    values = _values(body)

    async def make() -> Answer:
        app = await call.store.apps.create(values, call.actor)
        return Answer(data=app, version=app.version)

    return await call.create(make)


@router.get("/apps/{app_id}", name="app.read", response_model=One[AppView])
async def read_app(app_id: AppId, call: CallOf) -> Response:
    """One app."""
    return await call.entity(await call.store.apps.get(app_id))


@router.put("/apps/{app_id}", name="app.updated", response_model=One[AppView])
async def update_app(app_id: AppId, body: AppChange, call: CallOf) -> Response:
    """Change what is named."""
    present = (await call.store.apps.get(app_id)).llms if body.llm_ids else ()
    values = _values(body, present)
    return await call.changed_entity(await call.store.apps.update(app_id, values, call.actor, call.if_version))


@router.delete("/apps/{app_id}", name="app.deleted", response_model=Done)
async def delete_app(app_id: AppId, call: CallOf) -> Response:
    """Delete an app with its tokens and its links to LLMs."""
    await call.store.apps.delete(app_id, call.actor, call.if_version)
    return await call.changed(Answer())


@router.get("/apps/{app_id}/llms", name="app.llms.read", response_model=All[LlmView])
async def list_app_llms(app_id: AppId, call: CallOf) -> Response:
    """The LLMs that an app may use."""
    app = await call.store.apps.get(app_id)
    llms = await by_ids(call.store.llms, [link.llm_id for link in app.llms])
    return await call.answer(Answer(data=tuple(llms.values()), version=app.version, shows_others=True))


@router.put("/apps/{app_id}/llms", name="app.llms.updated", response_model=One[AppView])
async def replace_app_llms(app_id: AppId, body: AppLlms, call: CallOf) -> Response:
    """Link exactly these; takes effect on the next request."""
    app = await call.store.apps.get(app_id)
    links = _links(body, app.llms)
    if links is None:
        raise invalid("llm_ids", "is required; add it, or llms")
    return await call.changed_entity(await call.store.apps.update(app_id, {"llms": links}, call.actor, call.if_version))
