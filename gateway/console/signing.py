"""Signing in and out, and who is signed in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from gateway.console.answers import answer
from gateway.console.door import Visitor, check_origin, door_of, parts_of
from gateway.console.sessions import COOKIE
from gateway.control.api.problems import Problem

router = APIRouter()
_PATH = "/console"


class SignIn(BaseModel):
    """A control token."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[StrictStr, Field(min_length=1, max_length=512)]


@router.post("/session")
async def sign_in(body: SignIn, request: Request) -> Response:
    """Sign in; the cookie holds the token sealed, and no script can read it."""
    check_origin(request)
    visitor, sealed = door_of(request).sign_in(body.token.strip(), request)
    response = answer(_described(visitor, request))
    seconds, is_secure = parts_of(request).sessions.seconds, _is_secure(request)
    response.set_cookie(COOKIE, sealed, max_age=seconds, path=_PATH, secure=is_secure, httponly=True, samesite="strict")
    return response


@router.get("/session")
async def who_am_i(request: Request) -> Response:
    """Who is signed in, and where; nobody is no error, for every page begins with this question."""
    try:
        return answer(_described(door_of(request).admit(request), request))
    except Problem as problem:
        return answer({"role": None, "message": problem.message if COOKIE in request.cookies else ""})


@router.delete("/session")
async def sign_out(request: Request) -> Response:
    """Forget the cookie; signed out already is no error."""
    check_origin(request)
    response = answer({})
    response.delete_cookie(COOKIE, path=_PATH, secure=_is_secure(request), httponly=True, samesite="strict")
    return response


def _is_secure(request: Request) -> bool:
    """Whether the browser came by TLS: here, or at a proxy in front of us that says so."""
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "")}


def _described(visitor: Visitor, request: Request) -> dict[str, Any]:
    identity, info = visitor.identity, parts_of(request).services.info
    return {
        "name": identity.name or identity.prefix,
        "role": visitor.role,
        "expires_at": identity.expires_at,
        "gateway_id": info.gateway_id,
        "version": info.version,
    }
