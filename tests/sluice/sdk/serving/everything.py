"""A plugin that has every capability and does what requests tell it; run as a file it is a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from pydantic import BaseModel

from sluice.sdk import (
    AnalyticsData,
    App,
    AuthHandler,
    AuthRequest,
    AuthResponse,
    BasePlugin,
    BudgetUsageData,
    ConfigProvider,
    Context,
    CustomEndpointHandler,
    DataCollectionResponse,
    DataCollector,
    EdgePayload,
    EdgePayloadReceiver,
    EndpointChunk,
    EndpointRegistration,
    EndpointRequest,
    EndpointResponse,
    EnrichedRequest,
    ManifestProvider,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ProxyLogData,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    SessionAware,
    StreamCompleteHandler,
    StreamCompleteRequest,
    StreamCompleteResponse,
    User,
    serve,
)


class Config(BaseModel):
    greeting: str = "hello"
    rules: list[dict[str, int]] = []
    fail: bool = False


class Everything(
    BasePlugin[Config],
    PreAuthHandler,
    AuthHandler,
    PostAuthHandler,
    ResponseHandler,
    StreamCompleteHandler,
    DataCollector,
    CustomEndpointHandler,
    EdgePayloadReceiver,
    SessionAware,
    ConfigProvider,
    ManifestProvider,
):
    name = "everything"
    version = "1.0.0"
    handles_chunks = True

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    async def initialize(self, ctx: Context, config: Config) -> None:
        if config.fail:
            message = "told to fail"
            raise RuntimeError(message)
        self.said.append(f"initialize {config.greeting} {ctx.runtime}")

    async def shutdown(self, ctx: Context) -> None:
        self.said.append("shutdown")
        ctx.services.logger.info("ended", said=self.said)

    async def on_session_ready(self, ctx: Context) -> None:
        self.said.append("ready")
        ctx.services.logger.info("session is ready")

    async def on_session_closing(self, ctx: Context) -> None:
        self.said.append("closing")

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return await obeyed(ctx, request)

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse | PluginResponse:
        if request.credential == "teapot":
            return PluginResponse.block(418, "no coffee", {"x-tea": "yes"})
        if request.credential == "good":
            return AuthResponse.accept(7, "ann", {"tier": "gold"}, "Ann")
        return AuthResponse.reject("unknown")

    async def get_app_by_credential(self, ctx: Context, credential: str) -> App | int | None:
        found: dict[str, App | int] = {"app": App(id=8, name="eight"), "id": 9, "yes": True}
        return found.get(credential)

    async def get_user_by_credential(self, ctx: Context, credential: str) -> User | None:
        return User(id=3, name="Ann") if credential == "good" else None

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return await obeyed(ctx, request)

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(headers=request.headers | {"x-request-id": request.request_id})

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        ctx.state["pieces"] = ctx.state.get("pieces", 0) + 1
        return ResponseWriteResponse.modify(body=request.body + str(ctx.state["pieces"]).encode())

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> StreamCompleteResponse:
        return StreamCompleteResponse(message=f"{request.chunk_count} {len(request.accumulated_response)}")

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse | None:
        return self._collected(log.event_id)

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse | None:
        return self._collected(analytics.event_id)

    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> DataCollectionResponse | None:
        return self._collected(usage.event_id)

    def _collected(self, event_id: str) -> DataCollectionResponse | None:
        if event_id == "raise":
            message = "disk full"
            raise OSError(message)
        special: dict[str, Any] = {"none": None, "wrong": 7}
        return cast("DataCollectionResponse | None", special.get(event_id, DataCollectionResponse(message=event_id)))

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        if payload.payload == b"raise":
            message = "disk full"
            raise OSError(message)
        return payload.payload == b"mine"

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        return [EndpointRegistration(path="/a/{b}", methods=("GET", "POST"), scopes=("read",))]

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        if request.relative_path == "/raise":
            message = "broken"
            raise ValueError(message)
        return EndpointResponse(status_code=201, headers={"set-cookie": ["a=1", "b=2"]}, body=request.body)

    async def handle_endpoint_request_stream(
        self, ctx: Context, request: EndpointRequest
    ) -> AsyncIterator[EndpointChunk]:
        yield EndpointChunk.head(202, {"content-type": "text/event-stream"})
        try:
            for piece in request.body.split():
                if piece == b"raise":
                    message = "broken"
                    raise ValueError(message)
                if piece == b"wait":
                    await asyncio.Event().wait()
                yield EndpointChunk(data=piece)
        finally:
            self.said.append("stream closed")

    def get_config_schema(self) -> bytes:
        return json.dumps(Config.model_json_schema()).encode()

    def get_manifest(self) -> bytes:
        return b'{"id":"everything"}'


async def obeyed(ctx: Context, request: PluginRequest) -> PluginResponse:
    """What the body asks for."""
    wrong: Any = {"decision": "allow"}
    match request.body.split():
        case [b"block"]:
            return PluginResponse.block(429, "slow down", {"retry-after": "1"})
        case [b"raise"]:
            message = "told to"
            raise RuntimeError(message)
        case [b"wrong"]:
            return cast("PluginResponse", wrong)
        case [b"print"]:
            print("1|1|unix|/nowhere|grpc|", flush=True)
            return PluginResponse.allow()
        case [b"wait"]:
            ctx.services.logger.info("waiting")
            await asyncio.Event().wait()
        case [b"hang"]:
            ctx.services.logger.info("hanging")
            time.sleep(60)  # noqa: ASYNC251 - an author's mistake, on purpose
        case [b"sleep", seconds]:
            ctx.services.logger.info("sleeping")
            await asyncio.sleep(float(seconds))
        case [b"count"]:
            ctx.state["count"] = ctx.state.get("count", 0) + 1
            return PluginResponse.modify(body=str(ctx.state["count"]).encode())
    if not request.body:
        return PluginResponse.allow()
    headers = request.headers.without("x-remove") | {"x-app": str(ctx.app_id), "x-query": request.query}
    return PluginResponse.modify(headers=headers, body=b"", context_updates={"seen": ctx.exchange_id})


class Nothing(BasePlugin):
    """Has no capability at all."""

    name = "nothing"


if __name__ == "__main__":
    serve(Nothing() if "--nothing" in sys.argv else Everything())
