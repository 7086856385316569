"""What holds for every route: who may, what the body says, which query parameters are known, how a refusal goes out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from gateway.control.api.bodies import JsonRequest, read_body
from gateway.control.api.call import JSON, Call, to_json
from gateway.control.api.problems import Problem, problem_of

if TYPE_CHECKING:
    from gateway.control.api.renderer import Renderer

PUBLIC: dict[str, Any] = {"security": []}
"""``openapi_extra`` of a route that needs no token."""


class ControlRoute(APIRoute):
    """A route of the API. Its name is the operation's, ``llm.created``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, with what comes before it and what catches its errors."""
        handle = super().get_route_handler()
        operation, takes_body = self.name, self.body_field is not None
        is_public = (self.openapi_extra or {}).get("security") == []
        known = None if _has_query_model(self.dependant) else _query_names(self.dependant)

        async def control(request: Request) -> Response:
            services, gate = request.app.state.services, request.app.state.gate
            try:
                identity = None if is_public else gate.admit(request)
                request.state.call = call = Call(services, operation, identity, request)
                _check_query(request, known)
                if takes_body:
                    call.request = request = JsonRequest(request, await read_body(request))
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - the one place where any error becomes an answer
                return await refuse(services.renderer, operation, problem_of(error))

        return control


def control_router(tag: str) -> APIRouter:
    """A router of the API."""
    return APIRouter(route_class=ControlRoute, tags=[tag])


async def refuse(renderer: Renderer, operation: str, problem: Problem) -> Response:
    """The answer to what cannot be done."""
    status, body = await renderer.refusal(operation, problem)
    return Response(to_json(body), status_code=status, media_type=JSON, headers=problem.headers)


def _has_query_model(dependant: Dependant) -> bool:
    """A model refuses what it does not know by itself."""
    return any(hasattr(each.field_info.annotation, "model_fields") for each in dependant.query_params)


def _query_names(dependant: Dependant) -> list[str]:
    return [each.alias for each in dependant.query_params]


def _check_query(request: Request, known: list[str] | None) -> None:
    if known is None:
        return
    for name in request.query_params:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else "remove it"
            shown = name[:64]
            raise Problem(400, "invalid", f"{shown}: is no query parameter of this; {remedy}", field=shown)
