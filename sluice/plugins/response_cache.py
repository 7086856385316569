"""Answers equal requests from memory, whole or as streams. A message of ``response_cache.clear`` forgets them all.

The first of several equal requests asks the vendor, the others wait ``wait_seconds`` at most: let the registration's
``timeout_ms`` be more. With ``storage: kv`` all workers of a host share the answers, else each has its own.
"""

from __future__ import annotations

import json
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, Field, PositiveInt

from sluice.sdk import (
    BasePlugin,
    BoundedCache,
    Context,
    EnrichedRequest,
    Flight,
    PluginResponse,
    PostAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    ServiceError,
    SessionAware,
    SingleFlight,
    StreamCompleteHandler,
    StreamCompleteRequest,
    credential_of,
    is_good_answer,
    now_seconds,
    request_fingerprint,
)


class Config(BaseModel):
    """What is kept, for whom, and for how long; of ``paths`` alone: a second batch or file is not the first."""

    enabled: bool = True
    ttl_seconds: Annotated[int, Field(ge=60, le=86_400)] = 3600
    max_entry_size_kb: PositiveInt = 2048
    max_cache_size_mb: PositiveInt = 256
    namespaces: tuple[Literal["api_key", "app_id", "org_id"], ...] = ("app_id",)
    """Who shares entries; none is everybody. Who has no key or organisation shares with its own app."""
    normalize_prompts: bool = False  # whether texts that differ in case and white space alone are equal
    expose_cache_key_header: bool = False
    report_interval_seconds: Annotated[int, Field(ge=10, le=300)] = 60
    cache_streaming_responses: bool = True
    wait_seconds: Annotated[float, Field(ge=0, le=600)] = 0.8
    storage: Literal["memory", "kv"] = "memory"
    paths: tuple[str, ...] = ("*/completions", "*/embeddings", "/messages", "/v?/messages", "*/responses", "*Content")


class ResponseCache(BasePlugin[Config], PostAuthHandler, ResponseHandler, StreamCompleteHandler, SessionAware):
    """Keeps answers with status 200, with their content type and no other of their headers. Attach it behind what
    changes or withholds answers: what comes from here no other plugin sees again."""

    name = "response_cache"
    version = "1.0.0"
    handles_chunks = True  # streams pass; they are kept when they are over

    async def initialize(self, ctx: Context, config: Config) -> None:  # noqa: ARG002 - as the host calls it
        """Begin empty."""
        self._entries = BoundedCache[bytes](config.max_cache_size_mb << 20, config.ttl_seconds, now_seconds)
        self._flights = SingleFlight()
        self._counts = dict.fromkeys(("HIT", "MISS", "BYPASS"), 0)
        self._report_at = now_seconds() + config.report_interval_seconds

    async def on_session_ready(self, ctx: Context) -> None:
        """Listen for who wants it emptied."""
        with suppress(ServiceError):
            await ctx.services.messages.subscribe("response_cache.clear", lambda _: self._clear(ctx))

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Answer, or note what is to be kept."""
        await self._report(ctx)
        key, seconds = self._key(ctx, request), self.config.wait_seconds
        found = await self._flights.answer(key, lambda: self._find(ctx, key), seconds) if key else None
        status = "HIT" if isinstance(found, bytes) else "MISS" if found else "BYPASS"
        self._counts[status] += 1
        shown = {"x-cache-key": key} if key and self.config.expose_cache_key_header else {}
        said = {"x-cache-status": status, **shown}
        if not isinstance(found, bytes):
            ctx.state.update(said=said, flight=found)
            return PluginResponse.allow()
        head, _, body = found.partition(b"\n")
        content_type, stored_at = json.loads(head)
        age = int(now_seconds() - stored_at)
        said |= {"x-cache-age": str(age), "x-cache-ttl": str(max(0, self.config.ttl_seconds - age))}
        return PluginResponse.block(200, headers={"content-type": content_type, **said}, body=body)

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        """Say that it was not from here."""
        return ResponseWriteResponse.modify(headers=request.headers | ctx.state.get("said", {}))

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        """Keep a whole answer; let streams pass."""
        if not request.is_stream_chunk and not request.is_event_stream:
            await self._keep(ctx, request)
        return ResponseWriteResponse.allow()

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> None:
        """Keep a stream of which nothing is missing."""
        if self.config.cache_streaming_responses:
            await self._keep(ctx, request)

    def _key(self, ctx: Context, request: EnrichedRequest) -> str:
        asked_for = (request.headers.get("x-cache", "").lower(), *parse_qs(request.query).get("cache", ()))
        is_question = request.method == "POST" and any(fnmatchcase(request.path, glob) for glob in self.config.paths)
        if not self.config.enabled or "bypass" in asked_for or not is_question or b'"conversation"' in request.body:
            return ""  # a conversation goes on between two equal requests
        given = {"api_key": credential_of(request.headers), "org_id": ctx.claims.get("org_id")}
        whose = [f"{each} {given[each]}" if given.get(each) else f"app {ctx.app_id}" for each in self.config.namespaces]
        return request_fingerprint(ctx, request, whose, normalize=self.config.normalize_prompts) or ""

    async def _find(self, ctx: Context, key: str) -> bytes | None:
        with suppress(ServiceError):
            is_here = self.config.storage == "memory"
            return self._entries.get(key) if is_here else await ctx.services.kv.read(f"answer:{key}")
        return None

    async def _keep(self, ctx: Context, answer: ResponseWriteRequest | StreamCompleteRequest) -> None:
        flight = ctx.state.pop("flight", None)  # lands as it is dropped: at the end of this
        is_kept = len(answer.body) <= self.config.max_entry_size_kb << 10 and is_good_answer(answer)
        if isinstance(flight, Flight) and is_kept:
            value = json.dumps([answer.headers.get("content-type", ""), now_seconds()]).encode() + b"\n" + answer.body
            if self.config.storage == "memory":
                self._entries.put(flight.key, value, len(value))
            else:
                with suppress(ServiceError):
                    await ctx.services.kv.write_with_ttl(f"answer:{flight.key}", value, self.config.ttl_seconds)

    async def _clear(self, ctx: Context) -> None:
        self._entries.clear()
        while self.config.storage == "kv" and (keys := await ctx.services.kv.list("answer:")):
            for key in keys:
                await ctx.services.kv.delete(key)

    async def _report(self, ctx: Context) -> None:
        if now_seconds() >= self._report_at:
            self._report_at = now_seconds() + self.config.report_interval_seconds
            told = {**self._counts, "entries": len(self._entries), "bytes": self._entries.used_bytes}
            with suppress(ServiceError):
                await ctx.services.gateway().send_to_control_json(told, metadata={"metric_type": "cache_stats"})
