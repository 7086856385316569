"""Tokens that are known elsewhere, put into the control database as hashes: their clients go on without a change.

The API takes no token that it did not make, so this is done on the database itself, beside gateways that run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.control.entities import Actor
from gateway.control.errors import ControlError, DuplicateError
from gateway.control.importing.plan import PlannedToken
from gateway.control.opening import open_control

if TYPE_CHECKING:
    from gateway.control.importing.report import Report
    from gateway.control.store import ControlStore
    from gateway.settings import Settings

_ACTOR = Actor("command")


async def put_tokens(settings: Settings, tokens: Sequence[PlannedToken], report: Report, *, is_dry: bool) -> None:
    """Put them there, by their apps' names. Raises ControlError and SecretError where the database cannot be used."""
    async with open_control(settings) as control:
        for token in tokens:
            await _put(control.store, token, report, is_dry=is_dry)


async def _put(store: ControlStore, token: PlannedToken, report: Report, *, is_dry: bool) -> None:
    what = f"token {token.name or token.prefix} of app {token.app}"
    if (await store.tokens.find(limit=1, sha256=token.sha256)).items:
        report.existed.append(what)
        return
    apps = (await store.apps.find(limit=1, name=token.app)).items
    if not apps and not is_dry:
        report.leave(what, "its app is not in this database; is --config of the gateway that was asked?")
        return
    if not is_dry:
        values = {"name": token.name, "prefix": token.prefix, "sha256": token.sha256, "expires_at": token.expires_at}
        try:
            await store.tokens.create({**values, "app_id": apps[0].id, "scopes": token.scopes}, _ACTOR)
        except DuplicateError:
            report.existed.append(what)
            return
        except ControlError as error:
            report.leave(what, str(error))
            return
    report.made.append(what)
