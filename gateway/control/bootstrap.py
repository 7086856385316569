"""The first admin token: made where nobody can manage yet, shown once, and kept in a file for whoever missed it."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, select

from gateway.access.credentials import hash_token, new_token, prefix_of
from gateway.control.entities import Actor
from gateway.control.errors import DuplicateError
from gateway.control.tables import TOKENS

if TYPE_CHECKING:
    from gateway.control.store import ControlStore

TOKEN_FILE = "admin.token"  # noqa: S105 - its name
APP_ID = 1000
"""Where it is free; apps made later count from there, so that those of ``sluice.yaml`` may be 1, 2, 3 … at any time."""
APP_NAME = "Admin"
APP_OWNER = "admin@localhost"
TOKEN_NAME = "bootstrap"  # noqa: S105 - as above

_ACTOR = Actor("bootstrap")
_MANAGES = frozenset(("admin", "*"))


async def bootstrap(store: ControlStore, data_dir: Path) -> str | None:
    """A token of scope ``*``, of the app "Admin", where no token may manage; else ``None``.

    The token is in ``data_dir/admin.token`` (mode 0600) before it is good for anything, so that a crash in between
    leaves a file that proves nothing, and no token that nobody has.
    """
    if await _is_managed(store):
        return None
    token = new_token()
    _write_privately(data_dir / TOKEN_FILE, token)
    values = {"app_id": await _app_id(store), "name": TOKEN_NAME, "prefix": prefix_of(token), "scopes": ("*",)}
    await store.tokens.create(values | {"sha256": hash_token(token)}, _ACTOR)
    return token


async def _is_managed(store: ControlStore) -> bool:
    """Whether there is a token that may manage, or might once it is made active again."""
    query = select(cast(TOKENS.c.scopes, Text)).distinct()
    async with store.database.read() as connection:
        scopes = (await connection.scalars(query)).all()
    return any(not _MANAGES.isdisjoint(json.loads(text)) for text in scopes)


async def _app_id(store: ControlStore) -> int:
    for values in ({"id": APP_ID}, {}):
        with suppress(DuplicateError):
            app = await store.apps.create({**values, "name": APP_NAME, "owner_email": APP_OWNER}, _ACTOR)
            return app.id
    (app,) = (
        await store.apps.find(name=APP_NAME)
    ).items  # of a start that was cut, of another that runs, or the file's
    return app.id


def _write_privately(path: Path, token: str) -> None:
    """Nobody else can read it at any time, also where a file of this name was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(f"{token}\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(path)
