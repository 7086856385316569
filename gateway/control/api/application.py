"""The API as an application, to be mounted at ``/api/v1`` of the gateway's own or of a listener of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from gateway.control.api.call import JSON, to_json
from gateway.control.api.openapi import document
from gateway.control.api.problems import Problem
from gateway.control.api.route import ControlRoute, refuse
from gateway.control.api.routers import (
    analytics,
    apps,
    attachments,
    audit,
    auth,
    budgets,
    credentials,
    filters,
    llms,
    plugin_workflow,
    plugins,
    pricing,
    system,
    tokens,
)
from gateway.control.api.security import Gate
from gateway.version import program_version

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.control.api.services import ControlServices

PREFIX = "/api/v1"
RESOURCES = (
    auth,
    llms,
    attachments,
    apps,
    credentials,
    tokens,
    budgets,
    pricing,
    plugins,
    plugin_workflow,
    filters,
    analytics,
    audit,
    system,
)
"""Whose routes there are, in the order of the document."""
_OUTSIDE = "request"
"""The operation of a refusal that belongs to no route."""


def build_application(services: ControlServices) -> FastAPI:
    """The application. It serves paths without ``PREFIX``: mount it there."""
    application = _routes()
    application.state.services = services
    application.state.gate = Gate(services)
    application.add_middleware(AnswerHeaders)

    @application.exception_handler(HTTPException)
    async def outside(_request: Request, error: HTTPException) -> Response:
        return await refuse(services.renderer, _OUTSIDE, _of_http(error))

    return application


def openapi_document() -> dict[str, Any]:
    """The API's OpenAPI document; needs no services."""
    return document(_routes(), program_version(), PREFIX)


def _routes() -> FastAPI:
    application = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    application.router.route_class = ControlRoute
    for resource in RESOURCES:
        application.include_router(resource.router)

    kept: list[bytes] = []

    @application.get("/openapi.json", name="openapi.read", include_in_schema=False)
    async def openapi() -> Response:
        if not kept:
            kept.append(to_json(openapi_document()))
        return Response(kept[0], media_type=JSON)

    return application


def _operation_id(route: APIRoute) -> str:
    return route.endpoint.__name__


def _of_http(error: HTTPException) -> Problem:
    if error.status_code == 405:
        return Problem(405, "method_not_allowed", "this path has other methods; see Allow", headers=error.headers)
    return Problem(404, "no_such_path", "there is no such path; see the OpenAPI document", error="Not found")


class AnswerHeaders:
    """Every answer has an id of its own, and is kept by no cache: it may show a token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to whatever answers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = [(b"x-request-id", b"req_" + uuid4().hex.encode()), (b"cache-control", b"no-store")]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
