"""Answers of ``auth`` plugins, checked, and the caller that they prove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from sluice.plugin_host.answers import AnswerError, Limits, checked_text, checked_texts, said_text, utf8_bytes
from sluice.sdk.messages import AuthRequest, AuthResponse, Credential, PluginResponse
from sluice.sdk.records import App, User

if TYPE_CHECKING:
    from sluice.plugin_host.link import Link
    from sluice.sdk.context import Context

_MAX_NAME_CHARACTERS = 1024


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who called, as an ``auth`` plugin found."""

    plugin: str
    app_id: int | None = None
    """``None`` is unknown: nobody's, never a default app's."""
    user_id: str = ""
    """Which need not be a number."""
    username: str = ""
    claims: Mapping[str, str] = {}
    user: User | None = None
    """The plugin's own record of the person, where it has one."""


class Rejection(msgspec.Struct, frozen=True):
    """A credential that a plugin did not accept."""

    message: str = ""


Verdict = Credential | Rejection | PluginResponse
"""Accepted; rejected; a block, or no opinion."""


def verdict_of(answer: Any, limits: Limits) -> Verdict:
    """What an answer of ``handle_auth`` means; raises AnswerError for what it may not be."""
    if isinstance(answer, AuthResponse):
        return _judged(answer, limits)
    if isinstance(answer, Credential):
        return _checked(answer, limits)
    if isinstance(answer, PluginResponse):
        if answer.decision not in {"allow", "block"}:
            text = f"decided {str(answer.decision)[:40]!r}; in auth a PluginResponse is a block, or allow: no opinion"
            raise AnswerError(text)
        return answer
    text = f"answered {type(answer).__name__}, not AuthResponse, Credential or PluginResponse"
    raise AnswerError(text)


def _judged(answer: AuthResponse, limits: Limits) -> Verdict:
    authenticated: Any = answer.authenticated  # a struct does not check what it is made of
    if not isinstance(authenticated, bool):
        text = f"authenticated is of type {type(authenticated).__name__}, neither True nor False"
        raise AnswerError(text)
    if not authenticated:
        return Rejection(said_text(answer.message, "message")[: limits.max_message_characters])
    credential = Credential(
        user_id=answer.user_id, username=answer.username, claims=answer.claims, app_id=answer.app_id
    )
    return _checked(credential, limits)


def _checked(credential: Credential, limits: Limits) -> Credential:
    """One of ours: what the plugin's own is made of may change, or be told otherwise when it is read again."""
    claims: Any = credential.claims
    if not isinstance(claims, Mapping):
        text = f"claims are of type {type(claims).__name__}, not a mapping"
        raise AnswerError(text)
    checked = checked_texts(claims, "claims")
    if sum(utf8_bytes(key, key) + utf8_bytes(value, key) for key, value in checked.items()) > limits.max_metadata_bytes:
        text = f"claims are larger than {limits.max_metadata_bytes} bytes"
        raise AnswerError(text)
    return Credential(
        user_id=_checked_name(credential.user_id, "user_id"),
        username=_checked_name(credential.username, "username"),
        claims=checked,
        app_id=checked_app_id(credential.app_id),
    )


def _checked_name(name: Any, what: str) -> str:
    text = checked_text(name, what)
    if len(text) > _MAX_NAME_CHARACTERS:
        problem = f"{what} has more than {_MAX_NAME_CHARACTERS} characters"
        raise AnswerError(problem)
    return text


def checked_app_id(app_id: Any) -> int | None:
    """An app's id; 0 and below are none. Raises AnswerError for what is no id."""
    if app_id is None:
        return None
    if not isinstance(app_id, int) or isinstance(app_id, bool):
        text = f"app_id is of type {type(app_id).__name__}, not an int"
        raise AnswerError(text)
    return int(app_id) if app_id > 0 else None


async def identify(link: Link, ctx: Context, request: AuthRequest, credential: Credential) -> Identity:
    """The caller behind an accepted credential: the app that the plugin named, else the one that it knows by the
    credential, else the attachment's. Raises whatever the plugin raises, and AnswerError."""
    app_id = credential.app_id
    running, user = link.running, None
    if running is not None:
        if app_id is None:
            found: Any = await running.get_app_by_credential(ctx, request.credential)
            app_id = checked_app_id(found.id if isinstance(found, App) else found)
        user = _checked_user(await running.get_user_by_credential(ctx, request.credential))
    return Identity(
        plugin=link.plugin,
        app_id=link.app_id if app_id is None else app_id,
        user_id=credential.user_id or _id_of(user),
        username=credential.username or ("" if user is None else _checked_name(user.name, "name of a User")),
        claims=credential.claims,
        user=user,
    )


def _checked_user(user: Any) -> User | None:
    if user is None or isinstance(user, User):
        return user
    text = f"get_user_by_credential answered {type(user).__name__}, not User or None"
    raise AnswerError(text)


def _id_of(user: User | None) -> str:
    return "" if user is None or not user.id else str(user.id)
