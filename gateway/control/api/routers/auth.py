"""Whom a token belongs to, and new tokens; nobody gets one without an admin's."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from pydantic import Field, StrictStr

from gateway.control.api.call import CallOf
from gateway.control.api.envelopes import One
from gateway.control.api.fields import Body, example
from gateway.control.api.renderer import Answer
from gateway.control.api.route import PUBLIC, control_router
from gateway.control.api.routers.tokens import TokenCreate, mint
from gateway.control.api.system_views import IdentityView
from gateway.control.api.views import NewTokenView

router = control_router("auth")


class TokenValidate(Body):
    """A token to be looked at."""

    model_config = example({"token": "slc_…"})

    token: Annotated[StrictStr, Field(min_length=1, max_length=512)]


@router.post("/auth/token", name="token.generated", status_code=201, response_model=One[NewTokenView])
async def generate_token(body: TokenCreate, call: CallOf) -> Response:
    """A new token, shown this once; as ``POST /tokens``."""
    return await mint(call, body)


@router.post("/auth/validate", name="token.validated", response_model=One[IdentityView], openapi_extra=PUBLIC)
async def validate_token(body: TokenValidate, call: CallOf) -> Response:
    """Whether a token is good now, and whose it is; 401 where it is not. Needs no other token."""
    gate = call.request.app.state.gate
    return await call.answer(Answer(data=gate.identify(body.token, gate.address_of(call.request))))
