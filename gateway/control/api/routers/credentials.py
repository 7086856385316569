"""Credentials of an app: its tokens, seen from the app."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from gateway.control.api.call import Call, CallOf
from gateway.control.api.envelopes import Done, Many, One
from gateway.control.api.fields import MAX_ID, Line, example
from gateway.control.api.paging import PageQuery
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.routers.tokens import Expiring, Scopes, new_token, only_api
from gateway.control.api.views import NewTokenView, TokenView
from gateway.control.entities import TokenEntity
from gateway.control.errors import NotFoundError

router = control_router("credentials")
AppId = Annotated[int, Path(ge=1, le=MAX_ID)]
CredentialId = Annotated[int, Path(ge=1, le=MAX_ID)]


class CredentialCreate(Expiring):
    """A new credential."""

    model_config = example({"name": "production", "expires_at": "2030-01-31T12:00:00Z"})

    name: Line = ""
    scopes: Scopes = Field(default_factory=only_api)


@router.get("/apps/{app_id}/credentials", name="credential.listed", response_model=Many[TokenView])
async def list_credentials(app_id: AppId, query: Annotated[PageQuery, Query()], call: CallOf) -> Response:
    """The credentials of an app, without themselves."""
    await call.store.apps.get(app_id)
    found = await call.store.tokens.find(page=query.page, limit=query.limit, app_id=app_id)
    return await call.listed(found.items, found.total, query)


@router.post("/apps/{app_id}/credentials", name="credential.created", status_code=201, response_model=One[NewTokenView])
async def create_credential(app_id: AppId, body: CredentialCreate, call: CallOf) -> Response:
    """A new credential, shown this once."""
    values = {"app_id": app_id, "name": body.name, "scopes": tuple(body.scopes), "expires_at": body.expiry()}

    async def make() -> Answer:
        await call.store.apps.get(app_id)
        return await new_token(call, values)

    return await call.create(make)


@router.get("/apps/{app_id}/credentials/{credential_id}", name="credential.read", response_model=One[TokenView])
async def read_credential(app_id: AppId, credential_id: CredentialId, call: CallOf) -> Response:
    """One credential, without itself."""
    return await call.entity(await _of_app(call, app_id, credential_id))


@router.delete("/apps/{app_id}/credentials/{credential_id}", name="credential.deleted", response_model=Done)
async def delete_credential(app_id: AppId, credential_id: CredentialId, call: CallOf) -> Response:
    """Revoke a credential; from the next request on it is unknown."""
    await _of_app(call, app_id, credential_id)
    await call.store.tokens.delete(credential_id, call.actor, call.if_version)
    return await call.changed(Answer())


async def _of_app(call: Call, app_id: int, credential_id: int) -> TokenEntity:
    token = await call.store.tokens.get(credential_id)
    if token.app_id != app_id:
        raise NotFoundError("token", credential_id)
    return token
