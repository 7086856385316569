"""Everything that is not the data plane: health, readiness, metrics, and the control API where it is served here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sluice.exposition import CONTENT_TYPE, OPEN_CONTENT_TYPE, wants_open_metrics

if TYPE_CHECKING:
    from starlette.requests import Request
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
) -> Starlette:
    """The application; ``ready`` lists what is wrong, ``metrics`` renders all live workers.

    ``open_metrics`` renders them as OpenMetrics, for those who ask for that. With ``control`` it serves the control API
    too, under ``/api/v1``; with ``console`` that, under ``/console``. Without them it loads no FastAPI, which with what
    that loads takes seven MiB.
    """

    def shown(name: Probe, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body if control is None else control.renderer.probe(name, body, control)

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse(shown("health", {"status": "ok"}))

    async def readiness(_request: Request) -> JSONResponse:
        problems = ready()
        body = {"status": "unready" if problems else "ready", "problems": problems}
        return JSONResponse(shown("ready", body), status_code=503 if problems else 200)

    async def metrics_text(request: Request) -> Response:
        if open_metrics is not None and wants_open_metrics(request.headers.get("accept", "")):
            return Response(open_metrics(), headers={"content-type": OPEN_CONTENT_TYPE})
        return Response(metrics(), media_type=CONTENT_TYPE)

    routes = [_get("/health", health), _get("/ready", readiness), _get("/metrics", metrics_text)]
    application = Starlette(routes=routes, exception_handlers={HTTPException: _refuse})
    application.router.redirect_slashes = False
    if control is not None:
        _add_control(application, control)
    if console is not None:
        _add_console(application, console)
    return application


def _get(path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
    """GET alone: Starlette would add HEAD, of which nobody knows here."""
    route = Route(path, answer)
    route.methods = {"GET"}
    return route


async def _refuse(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is called for no other
    body = {"status": error.status_code, "message": error.detail, "code": _code(error.status_code)}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def _add_control(application: Starlette, control: ControlServices) -> None:
    from gateway.control.api.application import PREFIX, build_application  # noqa: PLC0415 - half a second, for the few
    from gateway.control.api.health import detailed_health  # noqa: PLC0415 - as above

    async def service(_request: Request) -> JSONResponse:
        body = {"service": "sluice", "version": control.info.version, "status": "running"}
        return JSONResponse(control.renderer.probe("service", body, control))

    async def health(_request: Request) -> JSONResponse:
        body = await detailed_health(control)
        status = 200 if body["status"] == "healthy" else 503
        return JSONResponse(control.renderer.probe("detailed", body, control), status_code=status)

    application.routes.extend((_get("/", service), _get("/health/detailed", health)))
    application.add_middleware(_Below, prefix=PREFIX, served=build_application(control))


def _add_console(application: Starlette, console: ASGIApp) -> None:
    async def enter(_request: Request) -> RedirectResponse:
        return RedirectResponse(f"{CONSOLE_PREFIX}/", status_code=308)

    application.routes.append(_get(CONSOLE_PREFIX, enter))
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
