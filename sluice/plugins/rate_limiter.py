"""Limits requests, tokens, and what is under way at once, by rules on who asks what."""

from __future__ import annotations

import json
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, Field, PositiveInt

from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    Leases,
    PluginResponse,
    PostAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    ServiceError,
    SlidingCounters,
    StreamCompleteHandler,
    StreamCompleteRequest,
    credential_of,
    models_of,
    now_seconds,
    used_tokens,
)

Dimension = Literal["app_id", "user_id", "model", "llm_id", "api_key", "global"]


class Limit(BaseModel):
    """So many of what; ``requests`` and ``tokens`` in a window."""

    type: Literal["requests", "tokens", "concurrent"]
    value: PositiveInt


class Rule(BaseModel):
    """Who shares one limit, and what happens beyond it: refused, or only told."""

    id: str
    name: str = ""
    match: dict[Dimension, str] = {}  # globs, all of which must fit
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)] = ("app_id",)
    limit: Limit
    action: Literal["enforce", "log"] = "enforce"
    enabled: bool = True
    priority: int = 100  # the lowest is looked at first


class Config(BaseModel):
    """The rules, and how they are counted."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    window_size_seconds: Annotated[int, Field(ge=10, le=3600)] = 60
    storage: Literal["memory", "kv"] = "memory"  # with kv all workers of a host count together, else each alone
    fail_open: bool = True  # whether requests pass that cannot be counted; else 503


class RateLimiter(BasePlugin[Config], PostAuthHandler, ResponseHandler, StreamCompleteHandler):
    """A refused request counts nowhere; the first rule that is exceeded refuses. Tokens count once they are known."""

    name = "rate_limiter"
    version = "1.0.0"
    handles_chunks = True  # streams pass; they are counted when they are over

    async def initialize(self, ctx: Context, config: Config) -> None:  # noqa: ARG002 - as the host calls it
        """Begin at nothing."""
        self._rules = sorted((rule for rule in config.rules if rule.enabled), key=lambda rule: rule.priority)
        self._counters = SlidingCounters(config.window_size_seconds)
        self._leases = Leases(max_seconds=600)  # they end with their exchange; this is for one whose end nobody told

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """429 beyond a limit."""
        try:
            async with self._counters.turn:
                return await self._decide(ctx, request)
        except ServiceError as error:
            ctx.services.logger.warning("limits cannot be counted", reason=str(error))
            ctx.state["said"] = {"x-ratelimit-error": "storage"}
            refusal = PluginResponse.block(503, "cannot check limits", ctx.state["said"] | {"retry-after": "1"})
            return PluginResponse.allow() if self.config.fail_open else refusal

    async def _decide(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        kv = ctx.services.kv if self.config.storage == "kv" else None
        values = {
            "app_id": [str(ctx.app_id)],
            "user_id": [request.user_id],
            "llm_id": [str(ctx.llm_id)],
            "global": [""],
        }
        values |= {"api_key": [credential_of(request.headers) or str(ctx.app_id)], "model": models_of(request) or [""]}
        counted: dict[str, list[str]] = {"requests": [], "tokens": [], "concurrent": []}
        said: dict[str, str] = {}
        for rule in self._rules:
            if not all(any(fnmatchcase(it, glob) for it in values[name]) for name, glob in rule.match.items()):
                continue
            key = json.dumps([rule.id, *(values[name][-1] for name in rule.dimensions)])
            used = self._leases.held(key) if rule.limit.type == "concurrent" else await self._counters.used(key, kv)
            headers = self._headers(rule.limit, used)
            is_breach = used + 1 > rule.limit.value
            if is_breach and rule.action == "enforce":
                return _refusal(rule, used, headers)
            said = ({"x-ratelimit-shadow-breach": rule.id} if is_breach else headers) | said
            counted[rule.limit.type].append(key)
        await self._counters.add_all(counted["requests"], 1, kv)
        ctx.state.update(said=said, tokens=counted["tokens"], kv=kv, asked=len(request.body) // 4)
        ctx.state["leases"] = [self._leases.take(key) for key in counted["concurrent"]]
        return PluginResponse.allow()

    def _headers(self, limit: Limit, used: float) -> dict[str, str]:
        told = {"limit": limit.value, "remaining": max(0, int(limit.value - used - (limit.type != "tokens")))}
        told["reset"] = 1 if limit.type == "concurrent" else self._counters.seconds_left()
        return {f"x-ratelimit-{name}": str(value) for name, value in told.items()}

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        """Say what is left of the first rule."""
        return ResponseWriteResponse.modify(headers=request.headers | ctx.state.get("said", {}))

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        """Count a whole answer; let pieces pass."""
        if not request.is_stream_chunk:
            await self._settle(ctx, request.body, len(request.body) // 4)
        return ResponseWriteResponse.allow()

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> None:
        """Count a stream, whole or not."""
        await self._settle(ctx, request.accumulated_response, request.chunk_count)

    async def _settle(self, ctx: Context, body: bytes, estimate: int) -> None:
        """Once for each exchange: what it held is given back by being dropped; tokens not told are estimated."""
        ctx.state.pop("leases", None)
        keys = ctx.state.pop("tokens", ())
        tokens = (used_tokens(body) or estimate + ctx.state["asked"]) if keys else 0
        with suppress(ServiceError):  # the answer is there and paid for; this worker has counted it
            await self._counters.add_all(keys, tokens, ctx.state.get("kv"))


def _refusal(rule: Rule, used: float, headers: dict[str, str]) -> PluginResponse:
    reset = headers["x-ratelimit-reset"]
    told = {"error": "rate limit exceeded", "rule": rule.name or rule.id, "limit_type": rule.limit.type}
    numbers = {"limit_value": rule.limit.value, "current_usage": int(used), "reset_at": int(now_seconds()) + int(reset)}
    sent = headers | {"retry-after": reset, "content-type": "application/json"}
    return PluginResponse.block(429, "rate limit exceeded", sent, json.dumps(told | numbers).encode())
