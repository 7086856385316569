"""LLMs: the vendors' endpoints that apps may call."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import AfterValidator, Field, StrictInt, StrictStr

from gateway.control.api.call import Call, CallOf
from gateway.control.api.envelopes import Done, Many, One
from gateway.control.api.fields import (
    MAX_ID,
    Body,
    Count,
    Flag,
    Ids,
    Label,
    Model,
    Money,
    Name,
    Object,
    ResetDay,
    Seconds,
    Size,
    Slug,
    Vendor,
    column,
    example,
    slug_of,
)
from gateway.control.api.paging import PageQuery
from gateway.control.api.problems import invalid
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.usage_views import LlmStatsView
from gateway.control.api.views import LlmView
from gateway.control.endpoint_policy import EndpointPolicy, EndpointRefused
from gateway.entity_settings import MAX_FAILOVER, LlmSettings
from gateway.upstreams.vendors.registry import VENDORS

router = control_router("llms")
LlmId = Annotated[int, Path(ge=1, le=MAX_ID)]
_KEY_IN_ENVIRONMENT = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,254}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_EXAMPLE = {
    "name": "Mock GPT",
    "vendor": "openai",
    "endpoint": "https://api.openai.com/v1",
    "api_key": "env:OPENAI_API_KEY",
    "default_model": "gpt-4o-mini",
    "allowed_models": ["gpt-4o.*"],
    "monthly_budget": "100",
    "rate_limit_rpm": 600,
    "is_active": True,
}


def _vendor(value: str) -> str:
    if value not in VENDORS:
        message = f"is no vendor that this gateway speaks; known: {', '.join(VENDORS)}"
        raise ValueError(message)
    return value


def _key(value: str) -> str:
    """What no header takes would make every call fail; where a key is found must be a place."""
    if _CONTROLS.search(value):
        message = "has a control character, such as a line's end; remove it"
        raise ValueError(message)
    if value.startswith("env:") and not _KEY_IN_ENVIRONMENT.fullmatch(value):
        message = "names no variable of the environment; write env:NAME"
        raise ValueError(message)
    if value == "file:":
        message = "names no file; write file:/path"
        raise ValueError(message)
    return value


def _patterns(values: list[str]) -> list[str]:
    LlmSettings.models_are_patterns(tuple(values))
    return values


KnownVendor = Annotated[Vendor, AfterValidator(_vendor), Field(json_schema_extra={"enum": list(VENDORS)})]
Endpoint = Annotated[StrictStr, Field(min_length=1, max_length=2048)]
ApiKey = Annotated[StrictStr, Field(max_length=4096), AfterValidator(_key)]
Models = Annotated[list[Model], Field(max_length=200), AfterValidator(_patterns)]
Labels = Annotated[list[Label], Field(max_length=32)]
Retries = Annotated[StrictInt, Field(ge=0, le=5)]
OutputTokens = Annotated[StrictInt, Field(ge=0, le=100_000_000)]


class LlmChange(Body):
    """Any of an LLM's fields; those that are not named stay as they are."""

    model_config = example({"allowed_models": ["gpt-4o.*"]}, is_change=True)

    name: Name = ""
    slug: Slug = ""
    endpoint: Endpoint = ""
    api_key: ApiKey = ""
    """The key itself, ``env:NAME`` or ``file:/path``; empty takes it away."""
    default_model: Annotated[Model, Field(min_length=0)] = ""
    max_tokens: OutputTokens = 0
    timeout_seconds: Seconds | None = None
    retry_count: Retries | None = None
    is_active: Flag = True
    monthly_budget: Money = 0
    budget_reset_day: ResetDay = 1
    rate_limit_rpm: Count = 0
    rate_limit_tpm: Count = 0
    max_request_bytes: Size = 0
    max_response_bytes: Size = 0
    allowed_models: Models = Field(default_factory=list)
    failover_llm_ids: Annotated[Ids, Field(max_length=MAX_FAILOVER)] = Field(default_factory=list)
    allowed_upstreams: Annotated[list[Endpoint], Field(max_length=64)] = Field(default_factory=list)
    """Base URLs that a plugin's ``upstream_override`` may name; they get the vendor key."""
    labels: Labels = Field(default_factory=list)
    metadata: Object | None = None


class LlmCreate(LlmChange):
    """A new LLM."""

    model_config = example(_EXAMPLE)

    name: Name
    vendor: KnownVendor
    endpoint: Endpoint


class LlmQuery(PageQuery):
    """Which LLMs."""

    vendor: Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    active: bool | None = None


async def _values(call: Call, body: LlmChange) -> dict[str, Any]:
    """The entity's fields of what was named."""
    values = body.given()
    column(values, "monthly_budget", "monthly_budget_nanos")
    if "allowed_upstreams" in values:
        checked = [await _checked_endpoint(call, url, "allowed_upstreams") for url in values["allowed_upstreams"]]
        values["allowed_upstreams"] = dict.fromkeys(checked)
    for name in ("allowed_models", "failover_llm_ids", "allowed_upstreams", "labels"):
        if name in values:
            values[name] = tuple(values[name])
    if "metadata" in values:
        values["metadata"] = values["metadata"] or {}
    if "endpoint" in values:
        values["endpoint"] = await _checked_endpoint(call, values["endpoint"])
    return values


async def _checked_endpoint(call: Call, endpoint: str, field: str = "endpoint") -> str:
    try:
        return await EndpointPolicy(call.services.settings.control).check(endpoint)
    except EndpointRefused as error:
        raise invalid(field, str(error)) from None


@router.get("/llms", name="llm.listed", response_model=Many[LlmView])
async def list_llms(query: Annotated[LlmQuery, Query()], call: CallOf) -> Response:
    """LLMs, the newest last."""
    wanted = {"vendor": query.vendor, "is_active": query.active}
    found = await call.store.llms.find(
        page=query.page, limit=query.limit, **{name: value for name, value in wanted.items() if value is not None}
    )
    return await call.listed(found.items, found.total, query)


@router.post("/llms", name="llm.created", status_code=201, response_model=One[LlmView])
async def create_llm(body: LlmCreate, call: CallOf) -> Response:
    """A new LLM. Its slug, which is in its URLs, is made of its name where none is given."""
    values = await _values(call, body)
    values["slug"] = values.get("slug") or slug_of(body.name)
    if not values["slug"]:
        raise invalid("slug", "cannot be made of this name; give one, e.g. my-llm")

    async def make() -> Answer:
        llm = await call.store.llms.create(values, call.actor)
        return Answer(data=llm, version=llm.version)

    return await call.create(make)


@router.get("/llms/{llm_id}", name="llm.read", response_model=One[LlmView])
async def read_llm(llm_id: LlmId, call: CallOf) -> Response:
    """One LLM."""
    return await call.entity(await call.store.llms.get(llm_id))


@router.put("/llms/{llm_id}", name="llm.updated", response_model=One[LlmView])
async def update_llm(llm_id: LlmId, body: LlmChange, call: CallOf) -> Response:
    """Change what is named. Its slug stays when its name changes, so that its URLs do."""
    values = await _values(call, body)
    return await call.changed_entity(await call.store.llms.update(llm_id, values, call.actor, call.if_version))


@router.delete("/llms/{llm_id}", name="llm.deleted", response_model=Done)
async def delete_llm(llm_id: LlmId, call: CallOf) -> Response:
    """Delete an LLM with its attachments and its links to apps."""
    await call.store.llms.delete(llm_id, call.actor, call.if_version)
    return await call.changed(Answer())


@router.get("/llms/{llm_id}/stats", name="llm.stats", response_model=One[LlmStatsView])
async def read_llm_stats(llm_id: LlmId, call: CallOf) -> Response:
    """What all apps together asked of it, as far back as events are kept."""
    await call.store.llms.get(llm_id)
    return await call.answer(Answer(data=await call.services.events.llm_stats(llm_id)))
