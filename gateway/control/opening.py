"""Opens what a gateway manages by: in each worker to serve by it, and once before them to bring it up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.control.bootstrap import bootstrap
from gateway.control.database import ControlDatabase, control_url
from gateway.control.file_entities import apply_settings
from gateway.control.generation import FILE_NAME, GenerationFile
from gateway.control.keys import open_secret_box
from gateway.control.store import ControlStore
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class OpenControl:
    """The control database, and where its changes are told to the workers of this host."""

    store: ControlStore
    told: GenerationFile


@asynccontextmanager
async def open_control(settings: Settings) -> AsyncIterator[OpenControl]:
    """Both, until the end. Raises SecretError; a database that cannot be used raises when it is asked."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    box = open_secret_box(settings.control, settings.data_dir)
    told = GenerationFile(settings.data_dir / FILE_NAME)
    try:
        database = ControlDatabase(control_url(settings.control.database_url, settings.data_dir))
        try:
            yield OpenControl(ControlStore(database, box, told.bump), told)
        finally:
            await database.close()
    finally:
        told.close()


async def prepare(settings: Settings) -> str | None:
    """Tables, the file's entities, the first admin token: before any worker starts. Returns that token if it was made.

    Raises ControlError and SecretError: nothing can be served.
    """
    async with open_control(settings) as control:
        await control.store.database.migrate()
        await apply_settings(control.store, settings)
        await control.store.prune()
        token = await bootstrap(control.store, settings.data_dir) if settings.control.enabled else None
        control.told.reset(await control.store.generation())
    return token
