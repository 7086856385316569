"""The console as an application, to be served below ``/console``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from gateway.console import budgets, collectors, dashboards, desks, exchanges, gateways, live, plugins, signing
from gateway.console.answers import refuse
from gateway.console.assets import FOR_EVER
from gateway.console.door import Door
from gateway.console.headers import SecurityHeaders
from gateway.console.lazily import PACKAGED, Lazily
from gateway.control.api.bodies import JsonRequest, read_body

if TYPE_CHECKING:
    from gateway.console.assets import Asset, Assets
    from gateway.console.parts import ConsoleParts

PREFIX = "/console"
PAGES = (signing, dashboards, live, exchanges, budgets, plugins, collectors, desks, gateways)
"""Whose questions are answered below ``/console/api``."""
_CHANGES = frozenset({"POST", "PUT", "PATCH"})


class ConsoleRoute(APIRoute):
    """Says what is wrong in one form, whatever was raised."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with bounds around it."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            try:
                if request.method in _CHANGES:
                    request = JsonRequest(request, await read_body(request))
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - logged where it is a fault of ours
                return await refuse(request, error)

        return bounded


def build_console(parts: ConsoleParts, files: Lazily[Assets] = PACKAGED) -> FastAPI:
    """The application; it serves paths without ``PREFIX``."""
    application = FastAPI(openapi_url=None, redirect_slashes=False)
    application.state.parts = parts
    application.state.door = Door(parts)
    api = APIRouter(route_class=ConsoleRoute)
    for page in PAGES:
        for route in page.router.routes:
            assert isinstance(route, APIRoute)  # noqa: S101 - routers of ours have nothing else
            api.add_api_route(route.path, route.endpoint, methods=sorted(route.methods or ()), response_model=None)
    application.include_router(api, prefix="/api")
    _serve_files(application, files)
    application.add_exception_handler(HTTPException, refuse)
    application.add_middleware(SecurityHeaders)
    return application


def _serve_files(application: FastAPI, files: Lazily[Assets]) -> None:
    @application.get("/")
    async def page(request: Request) -> Response:
        return _sent((await files.get()).page, request, "no-cache")

    @application.get("/static/{version}/{path:path}")
    async def file(version: str, path: str, request: Request) -> Response:
        assets = await files.get()
        found = assets.find(path)
        if found is None:
            raise HTTPException(404, "there is no such file of the console; load the page anew")
        return _sent(found, request, FOR_EVER if version == assets.version else "no-cache")


def _sent(asset: Asset, request: Request, keep: str) -> Response:
    headers = {"cache-control": keep, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers={**headers, "content-encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)
