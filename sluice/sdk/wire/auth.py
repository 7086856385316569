"""Credentials, and whom plugins say they prove."""

from __future__ import annotations

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.context import Context
from sluice.sdk.messages import AuthRequest, AuthResponse, Credential, PluginResponse
from sluice.sdk.records import App, User
from sluice.sdk.wire.context import put_context
from sluice.sdk.wire.records import app_from_wire, app_to_wire, user_from_wire, user_to_wire
from sluice.sdk.wire.requests import (
    app_id_of,
    blocked,
    blocking,
    put_request,
    request_values,
)
from sluice.sdk.wire.values import text, texts, u32


def auth_request_to_wire(ctx: Context, request: AuthRequest) -> pb.AuthRequest:
    """For ``Authenticate``."""
    message = pb.AuthRequest()
    message.credential = text(request.credential)
    message.auth_type = request.auth_type
    put_request(message.request, ctx, request)
    put_context(message.context, ctx)
    return message


def auth_request_from_wire(message: pb.AuthRequest) -> AuthRequest:
    """Its inverse."""
    return AuthRequest(*request_values(message.request), credential=message.credential, auth_type=message.auth_type)


def auth_response_to_wire(answer: AuthResponse | Credential | PluginResponse) -> pb.AuthResponse:
    """A plugin's answer. Peers that know the protocol alone take a block, or no opinion, for a rejection."""
    if isinstance(answer, PluginResponse):
        return pb.AuthResponse(error_message=text(answer.message), decision=_decision(answer))
    accepted = isinstance(answer, Credential) or answer.authenticated
    return pb.AuthResponse(
        authenticated=accepted,
        user_id=text(answer.user_id),
        app_id="" if answer.app_id is None else str(answer.app_id),
        claims=texts(answer.claims),
        username=text(answer.username),
        error_message="" if isinstance(answer, Credential) else text(answer.message),
    )


def auth_response_from_wire(message: pb.AuthResponse) -> AuthResponse | PluginResponse:
    """Its inverse. An ``app_id`` that is no number names no app."""
    if message.HasField("decision"):
        return blocked(message.decision) if message.decision.block else PluginResponse.allow()
    return AuthResponse(
        authenticated=message.authenticated,
        user_id=message.user_id,
        app_id=app_id_of(message.app_id),
        claims=dict(message.claims),
        message=message.error_message,
        username=message.username,
    )


def _decision(answer: PluginResponse) -> pb.PluginResponse:
    """Raises ValueError for a changed request: whoever asks for a credential's owner has none to change."""
    if answer.decision == "modify":
        text_of_error = "handle_auth cannot modify a request; allow, block, or say whose credential it is"
        raise ValueError(text_of_error)
    return blocking(answer) if answer.decision == "block" else pb.PluginResponse()


def app_response_to_wire(found: App | int | None) -> pb.GetAppResponse:
    """What ``get_app_by_credential`` found."""
    if found is None:
        return pb.GetAppResponse(success=False, error_message="no app has this credential")
    if isinstance(found, App):
        return pb.GetAppResponse(success=True, app=app_to_wire(found))
    return pb.GetAppResponse(success=True, app=pb.App(id=u32(found), is_active=True), is_id_alone=True)


def app_response_from_wire(message: pb.GetAppResponse) -> App | int | None:
    """Its inverse; an app without an id is none."""
    if not message.success or not message.app.id:
        return None
    return int(message.app.id) if message.is_id_alone else app_from_wire(message.app)


def user_response_to_wire(found: User | None) -> pb.GetUserResponse:
    """What ``get_user_by_credential`` found."""
    if found is None:
        return pb.GetUserResponse(success=False, error_message="nobody has this credential")
    return pb.GetUserResponse(success=True, user=user_to_wire(found))


def user_response_from_wire(message: pb.GetUserResponse) -> User | None:
    """Its inverse."""
    return user_from_wire(message.user) if message.success and message.HasField("user") else None
