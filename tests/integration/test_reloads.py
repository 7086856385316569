"""Configurations change under load, on both logs: services are exchanged, and every event is in its store, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.events import SUFFIXES
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.eventlog.places import gateway_journal
from tests.integration.collecting import (
    SECONDS,
    Collecting,
    configuration_of,
    names_of,
    page,
    reload,
    reloaded,
)
from tests.integration.service import Service
from tests.integration.stack import write_yaml
from tests.integration.stores import read_database
from tests.integration.waiting import until, until_found
from tests.servers import Elasticsearch, Kafka
from tests.sluice.eventlog.journal.making import begun, exchange

RELOADS = 20


class Embedded:
    """A journal that is written to, and a collector over it with a configuration file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.configuration = folder / "collectors.yaml"
        self.config = write_yaml(folder / "sluice.yaml", {"data_dir": str(folder / "data")})
        directory = gateway_journal(folder / "data", "gateway-1", "w0")
        directory.mkdir(parents=True)
        self.journal = begun(directory)
        self.ids: list[str] = []

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        """Rows in a database of its own."""
        config = {"url": f"sqlite:///{self.folder / name}.db"}
        return {"name": name, "path": "sink://database", "config": config, **more}

    def document(self, *entries: dict[str, Any]) -> dict[str, Any]:
        return {"data_collection_plugins": list(entries), "server": {"port": self.port}}

    def configure(self, *entries: dict[str, Any]) -> None:
        """Written in place: whoever reads it in the middle has half of it."""
        write_yaml(self.configuration, self.document(*entries))

    def collector(self, *options: str) -> Service:
        arguments = ["collect", "--config", str(self.config), *options]
        return Service("collector", arguments, folder=self.folder, url=f"http://{LOOPBACK}:{self.port}")

    def stored(self, name: str) -> list[str]:
        """The ids in its database, in order of the alphabet."""
        return sorted(row["event_id"] for rows in read_database(self.folder / f"{name}.db").values() for row in rows)

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Exchanges are written as long as the block lasts."""

        async def write() -> None:
            while True:
                events = exchange()
                self.journal.write_now(events)
                self.ids += [event.event_id for event in events]
                await asyncio.sleep(0.003)

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write())
            try:
                yield
            finally:
                writing.cancel()

    async def until_stored(self, *names: str) -> None:
        for name in names:
            await until(lambda name=name: self.stored(name) == sorted(self.ids), SECONDS, f"all in {name}")  # type: ignore[misc]


@contextlib.asynccontextmanager
async def running(collector: Service) -> AsyncIterator[Service]:
    """It, ready; a failure has the end of its log."""
    try:
        await collector.start()
        yield collector
    except BaseException as error:
        error.add_note(collector.tail())
        raise
    finally:
        await collector.close()


def begun_lives(collector: Service, service: str) -> int:
    """How often a service has joined its group. One that is exchanged at once may never have."""
    return story_of(collector, service).count("service runs")


def story_of(collector: Service, service: str) -> list[str]:
    """The events that its log has of a service, in their order."""
    lines = (json.loads(line) for line in collector.log_path.read_text().splitlines() if f'"{service}"' in line)
    return [line["event"] for line in lines if line.get("service") == service]


async def until_exchanged(collector: Service, service: str, times: int) -> None:
    """So often, and the last of its lives has joined."""

    def has_ended() -> bool:
        story = story_of(collector, service)
        return story.count("service exchanged") == times and story[-1] == "service runs"

    await until(has_ended, SECONDS, "the last life began")


async def test_reloads_under_load_over_the_embedded_log(tmp_path: Path) -> None:
    """Twenty, with refused ones between: who changes is exchanged, who does not never notices; each row comes once."""
    bench = Embedded(tmp_path)
    steady = bench.entry("steady")
    bench.configure(steady, bench.entry("rows"))
    async with running(bench.collector("--collectors", str(bench.configuration))) as collector:
        async with bench.flowing():
            for number in range(RELOADS):
                bench.configure(steady, bench.entry("rows", batch={"max_records": 100 + number}))
                await reload(collector)
                if number % 10 == 0:
                    bench.configure(steady, bench.entry("rows", smaple=0.5))
                    await reload(collector, "refused")
                    state = await configuration_of(collector)
                    assert state["problems"] == ["data_collection_plugins[1].smaple: unknown key; did you mean sample?"]
                    assert (await page(collector, "/health"))["status"] == "ok"
        await bench.until_stored("steady", "rows")
        assert await collector.metric("sluice_collector_records_total", 'outcome="duplicate"') == 0
        await until_exchanged(collector, "rows", RELOADS)
        assert begun_lives(collector, "steady") == 1
    await bench.journal.close()


async def test_a_file_that_changes_is_taken_up_by_itself(tmp_path: Path) -> None:
    """Without a signal: one service goes, one comes, and what is half written is not taken for the whole."""
    bench = Embedded(tmp_path)
    bench.configure(bench.entry("old"))
    async with running(bench.collector("--collectors", str(bench.configuration))) as collector:
        bench.journal.write_now(exchange())
        whole = yaml.safe_dump(bench.document(bench.entry("new")))
        with bench.configuration.open("w") as file:
            for piece in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
                file.write(piece)
                file.flush()
                await asyncio.sleep(0.3)

        async def is_new() -> bool:
            return names_of(await page(collector, "/services")) == ["new"]

        await until_found(is_new, SECONDS, "the new service")
        assert await reloaded(collector, "refused") == 0
    await bench.journal.close()


async def test_a_service_that_serves_the_configuration(tmp_path: Path) -> None:
    """By the reference's variables: polled, its mistakes refused, and not needed for the next start."""
    bench = Embedded(tmp_path)
    served: dict[str, Any] = {"document": bench.document(bench.entry("rows")), "asked": []}

    async def serve(request: web.Request) -> web.Response:
        served["asked"].append(request.headers.get("authorization"))
        return web.json_response(served["document"])

    app = web.Application()
    app.router.add_get("/plugins/data-collection", serve)
    server = TestServer(app)
    await server.start_server()
    variables = {
        "PLUGINS_CONFIG_SERVICE_URL": str(server.make_url("")),
        "PLUGINS_CONFIG_SERVICE_TOKEN": "hush-hush",
        "PLUGINS_CONFIG_POLL_INTERVAL": "1s",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        async with running(bench.collector()) as collector:
            served["document"] = bench.document(bench.entry("rows"), bench.entry("more"))

            async def has_both() -> bool:
                return names_of(await page(collector, "/services")) == ["rows", "more"]

            await until_found(has_both, SECONDS, "both services")
            served["document"] = bench.document(bench.entry("rows", smaple=1))

            async def is_refused() -> bool:
                return str((await configuration_of(collector))["state"]) == "refused"

            await until_found(is_refused, SECONDS, "the refusal")
            await collector.stop()
            await server.close()
            await collector.start()
            assert await has_both()
            assert (await configuration_of(collector))["state"] == "unreachable"
            assert "hush-hush" not in collector.log_path.read_text()
    assert set(served["asked"]) == {"Bearer hush-hush"}
    await bench.journal.close()


@pytest.mark.parametrize(
    ("reloads", "member"), [(4, ""), pytest.param(RELOADS, "one", marks=pytest.mark.long)], ids=["ordinary", "static"]
)
async def test_reloads_under_load_on_real_servers(
    tmp_path: Path,
    unique_name: str,
    kafka_server: Kafka,
    elasticsearch_server: Elasticsearch,
    reloads: int,
    member: str,
) -> None:
    """While records flow: every event is in Elasticsearch once, and none was even sent twice."""
    bench = Collecting(tmp_path, unique_name, kafka_server, elasticsearch_server)
    steady = bench.search("steady", hook_types=["analytics"])
    bench.configure(steady, bench.search())
    async with bench.topics_made(), running(bench.collector(group_instance_id=member)) as collector:
        for number in range(reloads):
            bench.configure(steady, bench.search(batch={"max_records": 40 + number}))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(bench.publish(40))
                tasks.create_task(reload(collector))
        await bench.until_all_stored()
        assert await collector.metric("sluice_collector_records_total", 'outcome="duplicate"') == 0
        await until_exchanged(collector, "search", reloads)
        await bench.until_all_stored("steady", SUFFIXES["analytics"])
        assert begun_lives(collector, "steady") == 1
