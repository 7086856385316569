"""Tokens: what proves an app. They are shown once, and are kept as a hash."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import AfterValidator, Field, StrictInt, StrictStr

from gateway.access.credentials import hash_token, is_scope, prefix_of
from gateway.access.credentials import new_token as new_secret
from gateway.control.api.call import Call, CallOf
from gateway.control.api.envelopes import Done, Many, One
from gateway.control.api.fields import MAX_ID, Body, Id, Line, Moment, example
from gateway.control.api.paging import PageQuery
from gateway.control.api.problems import Problem, invalid
from gateway.control.api.renderer import Answer, NewToken
from gateway.control.api.route import control_router
from gateway.control.api.views import NewTokenView, TokenView
from gateway.control.entities import TokenEntity
from gateway.control.errors import ControlError, FileManagedError, StaleVersionError
from gateway.control.specs import TOKEN
from sluice.clock import now_micros

router = control_router("tokens")
_MICROS = 1_000_000
_NANOS_PER_MICRO = 1000
_MAX_LIFE_NANOS = 100 * 366 * 86_400 * 1_000_000_000
_MAX_ID_DIGITS = 16
_MAX_OVERLAP_SECONDS = 30 * 86_400

TokenText = Annotated[StrictStr, Field(min_length=1, max_length=512)]
TokenRef = Annotated[str, Path(min_length=1, max_length=512, description="an id, or the token itself")]
TokenId = Annotated[int, Path(ge=1, le=MAX_ID)]


def _scope(value: str) -> str:
    if not is_scope(value):
        message = "is none of api, admin and *, nor one of a plugin's endpoints, which has a point or a colon in it"
        raise ValueError(message)
    return value


Scope = Annotated[StrictStr, Field(max_length=64), AfterValidator(_scope)]


def _scopes(values: list[Scope]) -> list[Scope]:
    return sorted(set(values))


def only_api() -> list[Scope]:
    """What a token may do that nobody said anything of."""
    return ["api"]


Scopes = Annotated[list[Scope], Field(min_length=1, max_length=32), AfterValidator(_scopes)]
Life = Annotated[StrictInt, Field(ge=1, le=_MAX_LIFE_NANOS)]


class Expiring(Body):
    """Until when: in so many nanoseconds, or at a moment; without either for ever."""

    expires_in: Life | None = None
    expires_at: Moment | None = None

    def expiry(self) -> int | None:
        """The moment, which must be to come."""
        now = now_micros()
        if self.expires_in is not None and self.expires_at is not None:
            raise invalid("expires_in", "stands beside expires_at, which says the same; give one of them")
        if self.expires_in is not None:
            return now + max(self.expires_in // _NANOS_PER_MICRO, 1)
        if self.expires_at is not None and self.expires_at <= now:
            raise invalid("expires_at", "is past; a token must live")
        return self.expires_at


class TokenCreate(Expiring):
    """A new token."""

    model_config = example({"app_id": 2, "name": "ci", "scopes": ["api"], "expires_in": 3_600_000_000_000})

    app_id: Id
    name: Line = ""
    scopes: Scopes = Field(default_factory=only_api)


class TokenRevoke(Body):
    """A token, where no log of URLs sees it."""

    model_config = example({"token": "slc_…"})

    token: TokenText


class TokenRotate(Expiring):
    """How long the old one stays good beside the new one."""

    model_config = example({"overlap_seconds": 3600})

    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=_MAX_OVERLAP_SECONDS)] = 0


class TokenQuery(PageQuery):
    """Whose tokens."""

    app_id: Annotated[int, Field(ge=1, le=MAX_ID)]


async def new_token(call: Call, values: dict[str, Any]) -> Answer:
    """Make a token of these values, and show it this once."""
    secret = new_secret()
    made = {**values, "sha256": hash_token(secret), "prefix": prefix_of(secret)}
    token = await call.store.tokens.create(made, call.actor)
    return Answer(data=NewToken(token, secret), version=token.version)


async def mint(call: Call, body: TokenCreate) -> Response:
    """A new token of an app that exists. Raises NotFoundError."""
    values = {"app_id": body.app_id, "name": body.name, "scopes": tuple(body.scopes), "expires_at": body.expiry()}

    async def make() -> Answer:
        await call.store.apps.get(body.app_id)
        return await new_token(call, values)

    return await call.create(make)


async def find_token(call: Call, reference: str) -> TokenEntity:
    """By id, or by the token itself. Raises NotFoundError or a ``Problem``."""
    if reference.isascii() and reference.isdigit() and len(reference) <= _MAX_ID_DIGITS:
        if not 1 <= int(reference) <= MAX_ID:
            raise invalid("token", f"is no id: write a number from 1 to {MAX_ID}, or a token")
        return await call.store.tokens.get(int(reference))
    found = await call.store.tokens.find(limit=1, sha256=hash_token(reference))
    if not found.items:
        raise Problem(404, "not_found", "there is no such token", error="Token not found")
    return found.items[0]


@router.get("/tokens", name="token.listed", response_model=Many[TokenView])
async def list_tokens(query: Annotated[TokenQuery, Query()], call: CallOf) -> Response:
    """The tokens of an app, without themselves."""
    await call.store.apps.get(query.app_id)
    found = await call.store.tokens.find(page=query.page, limit=query.limit, app_id=query.app_id)
    return await call.listed(found.items, found.total, query)


@router.post("/tokens", name="token.created", status_code=201, response_model=One[NewTokenView])
async def create_token(body: TokenCreate, call: CallOf) -> Response:
    """A new token, shown this once."""
    return await mint(call, body)


@router.post("/tokens/revoke", name="token.revoked", response_model=Done)
async def revoke_token(body: TokenRevoke, call: CallOf) -> Response:
    """Revoke a token by itself, without writing it into a URL."""
    token = await find_token(call, body.token)
    await call.store.tokens.delete(token.id, call.actor, call.if_version)
    return await call.changed(Answer())


@router.get("/tokens/{token}", name="token.read", response_model=One[TokenView])
async def read_token(token: TokenRef, call: CallOf) -> Response:
    """One token, without itself. Better by id: URLs are logged on their way."""
    return await call.entity(await find_token(call, token))


@router.delete("/tokens/{token}", name="token.revoked", response_model=Done)
async def delete_token(token: TokenRef, call: CallOf) -> Response:
    """Revoke a token; from the next request on it is unknown. Better by id, or by ``POST /tokens/revoke``."""
    found = await find_token(call, token)
    await call.store.tokens.delete(found.id, call.actor, call.if_version)
    return await call.changed(Answer())


@router.post("/tokens/{token_id}/rotate", name="token.rotated", status_code=201, response_model=One[NewTokenView])
async def rotate_token(token_id: TokenId, body: TokenRotate, call: CallOf) -> Response:
    """A new token for the same app, name and scopes; the old one ends when the overlap does.

    Without an expiry of its own the new one lives as long as the old one was given.
    """
    expires_at = body.expiry()

    async def make() -> Answer:
        old = await call.store.tokens.get(token_id)
        now = now_micros()
        _refuse_rotation(old, now, call.if_version)
        life = None if old.expires_at is None else now + old.expires_at - old.created_at
        kept = {"app_id": old.app_id, "name": old.name, "scopes": old.scopes}
        answer = await new_token(call, {**kept, "expires_at": expires_at or life})
        await _end(call, old, now + body.overlap_seconds * _MICROS, answer)
        return answer

    return await call.create(make)


def _refuse_rotation(token: TokenEntity, now: int, if_version: int | None) -> None:
    """Before anything is made."""
    if token.managed_by == "file":
        raise FileManagedError("token", token.id, TOKEN.name_in_file(token))
    if if_version is not None and if_version != token.version:
        raise StaleVersionError(token.version)
    if not token.is_active or (token.expires_at is not None and token.expires_at <= now):
        message = "the token has expired or is not active; make a new one instead"
        raise Problem(409, "token_inactive", message, error="Token inactive")


async def _end(call: Call, old: TokenEntity, ends_at: int, answer: Answer) -> None:
    """Let the old one end, behind the new one: who is cut off between has two tokens, not none."""
    if old.expires_at is not None and old.expires_at <= ends_at:
        return
    try:
        await call.store.tokens.update(old.id, {"expires_at": ends_at}, call.actor, old.version)
    except ControlError:
        if isinstance(answer.data, NewToken):
            await call.store.tokens.delete(answer.data.token.id, call.actor)
        raise
