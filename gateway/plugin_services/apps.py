"""Apps as plugins see them: which there are says the snapshot, what else is known of one the control database.

A snapshot has no descriptions of a million apps. Those of the apps that plugins ask for are read once each, some
milliseconds, and remembered for as long as the snapshot has the very same app: a change makes it another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.plugin_services.asking import Asking, Remembered
from gateway.plugin_services.records import app_of
from sluice.sdk.errors import NotFound

if TYPE_CHECKING:
    from gateway.control.store import ControlStore
    from gateway.snapshot import App as ServedApp
    from gateway.snapshot import SnapshotHolder
    from sluice.sdk.records import App


class Apps:
    """One worker's."""

    def __init__(self, snapshots: SnapshotHolder, store: ControlStore, asking: Asking) -> None:
        self._snapshots = snapshots
        self._store = store
        self._ask = asking
        self._known: Remembered[int, App] = Remembered()

    def served(self, app_id: object) -> ServedApp:
        """The app as exchanges are served by it. Raises NotFound."""
        app = self._snapshots.get().apps.get(app_id) if isinstance(app_id, int) else None
        if app is None:
            message = f"there is no app {app_id!r:.40}"
            raise NotFound(message)
        return app

    async def get(self, app_id: int) -> App:
        """An app, active or not. Raises NotFound, ServiceUnavailable."""
        return await self._known.get(app_id, self.served(app_id), lambda: self._read(app_id))

    async def _read(self, app_id: int) -> App:
        return app_of(await self._ask("get_app", lambda: self._store.apps.get(app_id)))

    async def list(self, page: int, limit: int, is_active: bool | None) -> Sequence[App]:
        """One page, by id. Raises ServiceError, ServiceUnavailable."""
        equals = {} if is_active is None else {"is_active": is_active}
        found = await self._ask("list_apps", lambda: self._store.apps.find(page=page, limit=limit, **equals))
        return [app_of(entity) for entity in found.items]

    async def count(self, is_active: bool | None) -> int:
        """How many there are. Raises ServiceUnavailable."""
        equals = {} if is_active is None else {"is_active": is_active}
        found = await self._ask("count_apps", lambda: self._store.apps.find(page=1, limit=1, **equals))
        return found.total
