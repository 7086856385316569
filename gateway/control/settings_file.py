"""``sluice.yaml`` while the gateway runs: its entities take effect as it is written, the rest at the next start.

A file that cannot be used changes nothing; its problems are logged once. Every worker looks, and whichever is first
writes what changed to the control database; the others find it done.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.control.errors import ControlDatabaseError, ControlError
from gateway.control.file_entities import ENTITY_SECTIONS, apply_settings
from gateway.settings import Settings
from sluice.beats import beat
from sluice.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from gateway.control.store import ControlStore

LOOK_SECONDS = 1.0

logger = structlog.get_logger(__name__)


class SettingsFile:
    """Looks after one file; the first look remembers what cannot change without a restart."""

    def __init__(self, path: Path, store: ControlStore) -> None:
        self._path = path
        self._store = store
        self._stamp: tuple[int, ...] = (-1,)
        self._last: tuple[int, ...] = (-1,)
        self._running: Settings | None = None
        self._restart_for: list[str] = []

    async def run(self) -> None:
        """Look each second, until it is cancelled."""
        self._last = self._stamp_now()
        while True:
            await self.look_when_settled()
            await beat(LOOK_SECONDS)

    async def look_when_settled(self) -> bool:
        """Look where the file is as it was the last time: half of one that is being written would delete the rest."""
        last, self._last = self._last, self._stamp_now()
        return self._last == last and await self.look()

    async def look(self) -> bool:
        """Take the file if it changed since the last look; whether that changed anything."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        applied, problems = False, list[str]()
        try:
            applied = await self._take()
        except SettingsError as error:
            problems = error.problems
        except ControlDatabaseError as error:
            self._stamp = (-1,)  # nothing is wrong with the file: again at the next look
            logger.warning("settings file not applied", path=str(self._path), error=str(error))
        except ControlError as error:
            problems = [str(error)]
        except Exception:  # a fault of ours; what runs goes on all the same, and a restart would meet it again
            logger.exception("settings file not applied", path=str(self._path))
        if problems:
            logger.error("settings file cannot be used", path=str(self._path), problems=problems)
        if applied:
            logger.info("settings file applied", path=str(self._path))
        return applied

    async def _take(self) -> bool:
        if self._stamp[1:2] == (0,):  # its size; it has none where it is gone
            problem = "is empty, which would delete all that it manages; write what is to stay, or version: '1' alone"
            raise SettingsError(self._path, [problem])
        settings = await asyncio.to_thread(load_settings, self._path, Settings)
        self._note_restarts(settings)
        return await apply_settings(self._store, settings)

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _note_restarts(self, settings: Settings) -> None:
        if self._running is None:
            self._running = settings
        fixed = [name for name in Settings.model_fields if name not in ENTITY_SECTIONS]
        changed = [name for name in fixed if getattr(settings, name) != getattr(self._running, name)]
        if changed != self._restart_for:
            self._restart_for = changed
            if changed:
                logger.warning("settings changed that need a restart", path=str(self._path), sections=changed)
