"""Everything that is not the data plane: health, readiness, metrics, and the control API where it is served here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from sluice.exposition import CONTENT_TYPE, OPEN_CONTENT_TYPE, wants_open_metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gateway.control.api.renderer import Probe
    from gateway.control.api.services import ControlServices


CONSOLE_PREFIX = "/console"


def make_application(
    ready: Callable[[], list[str]],
    metrics: Callable[[], str],
    control: ControlServices | None = None,
    console: ASGIApp | None = None,
    open_metrics: Callable[[], str] | None = None,
) -> FastAPI:
    """The FastAPI application; ``ready`` lists what is wrong, ``metrics`` renders all live workers.

    ``open_metrics`` renders them as OpenMetrics, for those who ask for that. With ``control`` it serves the control API
    too, under ``/api/v1``; with ``console`` that, under ``/console``.
    """
    application = FastAPI(title="Sluice gateway", openapi_url=None, redirect_slashes=False)

    def shown(name: Probe, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body if control is None else control.renderer.probe(name, body, control)

    @application.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse(shown("health", {"status": "ok"}))

    @application.get("/ready")
    async def readiness() -> JSONResponse:
        problems = ready()
        body = {"status": "unready" if problems else "ready", "problems": problems}
        return JSONResponse(shown("ready", body), status_code=503 if problems else 200)

    @application.get("/metrics")
    async def metrics_text(request: Request) -> Response:
        if open_metrics is not None and wants_open_metrics(request.headers.get("accept", "")):
            return Response(open_metrics(), headers={"content-type": OPEN_CONTENT_TYPE})
        return Response(metrics(), media_type=CONTENT_TYPE)

    if control is not None:
        _add_control(application, control)
    if console is not None:
        _add_console(application, console)

    @application.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> JSONResponse:
        body = {"status": error.status_code, "message": error.detail, "code": _code(error.status_code)}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)

    return application


def _add_control(application: FastAPI, control: ControlServices) -> None:
    from gateway.control.api.application import PREFIX, build_application  # noqa: PLC0415 - half a second, for the few
    from gateway.control.api.health import detailed_health  # noqa: PLC0415 - as above

    @application.get("/")
    async def service() -> JSONResponse:
        body = {"service": "sluice", "version": control.info.version, "status": "running"}
        return JSONResponse(control.renderer.probe("service", body, control))

    @application.get("/health/detailed")
    async def health() -> JSONResponse:
        body = await detailed_health(control)
        status = 200 if body["status"] == "healthy" else 503
        return JSONResponse(control.renderer.probe("detailed", body, control), status_code=status)

    application.add_middleware(_Below, prefix=PREFIX, served=build_application(control))


def _add_console(application: FastAPI, console: ASGIApp) -> None:
    @application.get(CONSOLE_PREFIX)
    async def enter() -> RedirectResponse:
        return RedirectResponse(f"{CONSOLE_PREFIX}/", status_code=308)

    application.add_middleware(_Below, prefix=CONSOLE_PREFIX, served=console)


class _Below:
    """Hands everything below a prefix to an application of its own; a mount would let go of paths with a line's end."""

    def __init__(self, app: ASGIApp, prefix: str, served: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path."""
        if scope["type"] == "http" and scope["path"].startswith(f"{self._prefix}/"):
            await self._served({**scope, "root_path": scope.get("root_path", "") + self._prefix}, receive, send)
        else:
            await self._app(scope, receive, send)


def _code(status: int) -> str:
    return {404: "not_found", 405: "method_not_allowed"}.get(status, "request_invalid")
