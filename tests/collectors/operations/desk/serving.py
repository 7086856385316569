"""A ``sluice collect`` without services, but with its desk, on a port, for tests of whoever asks it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collectors.metrics import CollectorMetrics
from collectors.operations.desk.desk import Desk
from collectors.operations.desk.pages import DeskPages
from collectors.operations.desk.sinks import Sinks
from collectors.server import HealthServer
from collectors.settings import HostSettings, ServerSettings, Settings

STUB = Path(__file__).with_name("stub.py")


@contextmanager
def served_desk(data_dir: Path, token: str, database: str) -> Iterator[str]:
    """Its address; commands are the stub's, the one sink is a real database. It runs in a thread of its own."""
    ready, address, ended = threading.Event(), list[str](), threading.Event()
    entry = {"name": "rows", "path": "sink://database", "config": {"url": database}}
    settings = Settings.model_validate({"data_collection_plugins": [entry]})

    async def serve() -> None:
        desk = Desk(Path("s.yaml"), Path("c.yaml"), data_dir, (sys.executable, "-S", str(STUB), str(data_dir)))
        pages, sinks = DeskPages(token), Sinks(lambda: settings, HostSettings(data_dir=data_dir))
        more = (lambda app: pages.add_desk(app, desk, data_dir), lambda app: pages.add_sinks(app, sinks))
        server = HealthServer(ServerSettings(port=0), [], CollectorMetrics(), more=more)
        address.append(await server.start())
        ready.set()
        while not ended.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(0.02)
        await server.close()
        await desk.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the desk did not start"
        yield address[0]
    finally:
        ended.set()
        thread.join(30)
