"""The factories: what ``ServiceSources`` takes, and what one plugin costs another."""

from __future__ import annotations

import time

from sluice.plugin_host.services import ServiceSources
from tests.gateway.plugin_services.making import Worker


async def test_services_of_both_runtimes_are_made_of_them(worker: Worker) -> None:
    """In a gateway one, on the control side the other: one plugin works in both."""
    app_id = await worker.app()
    sources = ServiceSources(gateway=worker.sources.gateway, studio=worker.sources.studio)
    assert (await sources.services_of(7, "p", "gateway").gateway().get_app(app_id)).id == app_id
    assert (await sources.services_of(7, "p", "studio").studio().get_app(app_id)).id == app_id


async def test_plugins_share_what_was_read(worker: Worker) -> None:
    """The second plugin that asks for an app pays nothing: microseconds, and no question."""
    app_id = await worker.app()
    await worker.gateway(1, "a").get_app(app_id)
    await worker.gateway(1, "a").get_budget_status(app_id)
    worker.queries = 0
    other = worker.gateway(2, "b")
    took = []
    for _ in range(3):
        began = time.thread_time()
        for _ in range(1000):
            await other.get_app(app_id)
        took.append((time.thread_time() - began) / 1000)
    assert worker.queries == 0
    assert min(took) < 0.000_2  # it takes 3 µs of CPU; a question to a database takes more than this bound
