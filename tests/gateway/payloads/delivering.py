"""A process of its own that delivers: ``python -m tests.gateway.payloads.delivering FOLDER``. Tests kill it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.payloads.delivery import PayloadDelivery
from gateway.telemetry import GatewayMetrics
from sluice.eventlog.settings import LogSettings
from sluice.plugin_host.services import bare_services
from sluice.sdk import BasePlugin, Context
from sluice.sdk.capabilities import EdgePayloadReceiver
from sluice.sdk.messages import EdgePayload
from tests.gateway.payloads.making import SOON, TOPICS, Plugins, queue_in


class Writer(BasePlugin, EdgePayloadReceiver):
    """Appends what it gets to a file, one after the other, a millisecond each."""

    path = Path()

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        """Handled when it is written."""
        await asyncio.sleep(0.001)
        with self.path.open("ab") as file:
            file.write(payload.payload + b"\n")
        return True


async def main(folder: Path) -> None:
    """Deliver until killed."""
    plugins = Plugins(folder)
    plugin = await plugins.add(7, Writer)
    plugin.path = folder / "out"
    queue = queue_in(folder, "killed")
    await PayloadDelivery(
        LogSettings(),
        folder,
        TOPICS,
        queue,
        plugins,
        bare_services,
        GatewayMetrics(),
        attempts=3,
        patience=SOON,
        look_seconds=0.02,
    ).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
