"""What plugins get in a collector: a log, the key-value store of the host, HTTP, and what the control API tells."""

from __future__ import annotations

from pathlib import Path

from collectors.control_client import ControlClient
from collectors.control_services import ControlServices
from collectors.settings import ControlSettings
from sluice.plugin_host.http_pool import HttpPool
from sluice.plugin_host.kv import FILE_NAME, KvStore
from sluice.plugin_host.services import ServiceSources
from sluice.plugin_host.settings import KvSettings


class CollectorServices:
    """Of one sink. ``run`` beside its writes, ``close`` at its end; nothing is opened before it is used."""

    def __init__(self, data_dir: Path, kv: KvSettings, control: ControlSettings) -> None:
        self._kv = KvStore(data_dir / FILE_NAME, kv)
        self._http = HttpPool()
        self._control = ControlClient(control) if control.url else None
        told = None if self._control is None else ControlServices(self._control)
        self.sources = ServiceSources(
            kv=self._kv,
            http=self._http,
            gateway=None if told is None else lambda _plugin_id, _plugin: told,
        )

    async def run(self) -> None:
        """Delete expired keys now and then, until cancelled."""
        await self._kv.run()

    async def close(self) -> None:
        """Close what was opened."""
        await self._http.close()
        if self._control is not None:
            await self._control.close()
        await self._kv.close()
