"""Everything that is not the data plane: health, readiness, metrics. The control API will live beside them."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException


def make_application(ready: Callable[[], list[str]], metrics: Callable[[], str]) -> FastAPI:
    """The FastAPI application; ``ready`` lists what is wrong, ``metrics`` renders all live workers."""
    application = FastAPI(title="Sluice gateway", openapi_url=None, redirect_slashes=False)

    @application.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @application.get("/ready")
    async def readiness() -> JSONResponse:
        problems = ready()
        body = {"status": "unready" if problems else "ready", "problems": problems}
        return JSONResponse(body, status_code=503 if problems else 200)

    @application.get("/metrics")
    async def metrics_text() -> PlainTextResponse:
        return PlainTextResponse(metrics(), media_type="text/plain; version=0.0.4")

    @application.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> JSONResponse:
        body = {"status": error.status_code, "message": error.detail, "code": _code(error.status_code)}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)

    return application


def _code(status: int) -> str:
    return {404: "not_found", 405: "method_not_allowed"}.get(status, "request_invalid")
