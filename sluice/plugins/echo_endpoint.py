"""Endpoints that tell what they were asked: to see what reaches a plugin, and how streams arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from sluice.sdk import (
    BasePlugin,
    Context,
    CustomEndpointHandler,
    EndpointChunk,
    EndpointRegistration,
    EndpointRequest,
    EndpointResponse,
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SECRET_HEADERS = frozenset(("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"))


class Config(BaseModel):
    """Who may ask, and how the stream goes."""

    require_auth: bool = False
    """Whether a token is needed; then the answer names the app."""
    events: Annotated[int, Field(ge=1, le=1000)] = 3
    """Of one stream."""
    pause_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Between two of them."""


class EchoEndpoint(BasePlugin[Config], CustomEndpointHandler):
    """``/*`` answers any request with itself as JSON; ``GET /stream`` with server-sent events, numbered."""

    name = "echo_endpoint"
    version = "1.0.0"

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        """One that is answered whole, one that is streamed."""
        return [
            EndpointRegistration(path="/*", methods=METHODS, require_auth=self.config.require_auth),
            EndpointRegistration(path="/stream", require_auth=self.config.require_auth, stream_response=True),
        ]

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        """The request as JSON."""
        body = json.dumps(self._described(ctx, request), indent=2).encode()
        return EndpointResponse(headers={"content-type": "application/json"}, body=body)

    async def handle_endpoint_request_stream(
        self, ctx: Context, request: EndpointRequest
    ) -> AsyncIterator[EndpointChunk]:
        """The request again and again, each time with its number."""
        described = self._described(ctx, request)
        yield EndpointChunk.head(200, {"content-type": "text/event-stream", "cache-control": "no-store"})
        for number in range(1, self.config.events + 1):
            data = json.dumps({"number": number, "of": self.config.events, **described})
            yield EndpointChunk(data=f"id: {number}\nevent: echo\ndata: {data}\n\n".encode())
            await asyncio.sleep(self.config.pause_seconds)
        yield EndpointChunk("done")

    def _described(self, ctx: Context, request: EndpointRequest) -> dict[str, object]:
        """Credentials are not echoed: whoever sees the answer need not be who sent them."""
        return {
            "plugin": self.name,
            "request_id": ctx.request_id,
            "method": request.method,
            "path": request.path,
            "relative_path": request.relative_path,
            "path_segments": list(request.path_segments),
            "query": request.query,
            "headers": {name: value for name, value in request.headers.items() if name not in SECRET_HEADERS},
            "body": request.body.decode("utf-8", "replace"),
            "remote_addr": request.remote_addr,
            "host": request.host,
            "authenticated": request.authenticated,
            "app": {"id": request.app.id, "name": request.app.name} if request.app else None,
            "scopes": list(request.scopes),
        }
