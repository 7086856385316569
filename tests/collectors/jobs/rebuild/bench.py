"""An entry on a real server, a log in memory, a live collector that writes when it is told, and the jobs of a test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from collectors.deliveries import Frame
from collectors.entries import ElasticsearchEntry
from collectors.jobs.rebuild.elasticsearch import ElasticsearchRebuild
from collectors.jobs.rebuild.interface import Span, Swapped, Swapping
from collectors.jobs.sums import Sums
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Sink, Verdict
from schemas.codec import SchemaBook
from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventstore.names import dated_index
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records

DAY_MICROS = 86_400_000_000
START = (now_micros() // DAY_MICROS - 40) * DAY_MICROS
"""When day 0 of every test began."""


def events(kind: Kind, *days: float, **changes: Any) -> Frame:
    """An event of each of these days, counted from ``START``."""
    records = [
        make_record(kind, offset=number, occurred_at=START + int(day * DAY_MICROS), **changes)
        for number, day in enumerate(days)
    ]
    return frame_of_records(SchemaBook(), records)


async def written(sink: Sink[Any], frame: Frame) -> Verdict:
    """What became of all of it."""
    prepared = sink.prepare(frame)
    assert not prepared.poison
    return await sink.write(prepared.documents)


class Job:
    """One rebuild: it reads the log up to what there is when it begins, and later what came since."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.name = name
        self.folder = bench.folder / name
        self.folder.mkdir(exist_ok=True)
        self.read = 0
        self.sums = Sums()
        self.spans: Sequence[Span] = ()
        self.partial = ""
        self.rebuild = self.opened()

    def opened(self) -> ElasticsearchRebuild:
        """As the next process would open it."""
        return ElasticsearchRebuild(self.bench.entry, self.folder, self.name, self.bench.entry.hook_types)

    async def replay(self) -> None:
        """All of the log, as it is now."""
        await self.rebuild.prepare()
        await self.rebuild.sink.start()
        await self._carry(())

    async def _carry(self, spans: Sequence[Span]) -> None:
        frames, self.read = self.bench.log[self.read :], len(self.bench.log)
        for frame in frames:
            ats = frame.rows["occurred_at"].to_list()
            meant = [
                at
                for at, occurred in enumerate(ats)
                if not spans or any(span.kind == frame.kind and span.start <= occurred < span.end for span in spans)
            ]
            if meant:
                await self._write(frame.pick(meant))

    async def _write(self, frame: Frame) -> None:
        verdict = await written(self.rebuild.sink, frame)
        assert (verdict.cause, verdict.poison) == (None, {}), f"{verdict.cause} {verdict.poison}"
        self.sums.add(frame.kind, frame.rows)

    async def catch_up(self, spans: Sequence[Span]) -> Sums:
        """As the replay engine does it."""
        self.spans = spans
        await self._carry(spans)
        return self.sums

    async def distinct(self, span: Span) -> Sums:
        """As ``Proof`` does it."""
        found = Sums()
        frames = [frame.rows for frame in self.bench.log[: self.read] if frame.kind == span.kind]
        rows = pl.concat(frames).unique("event_id")
        found.add(span.kind, rows.filter(rows["occurred_at"].is_between(span.start, span.end, closed="left")))
        return found

    async def wholeness(self, _: Span) -> str:
        return self.partial

    async def swap(self, **options: Any) -> list[Swapped]:
        """All places."""
        return await self.rebuild.swap(Swapping(self.sums, self.catch_up, self.distinct, self.wholeness, **options))


class Bench:
    """Everything of one test on one server."""

    def __init__(self, url: str, name: str, folder: Path, flavour: str, **config: Any) -> None:
        self.name = name
        self.folder = folder
        self.log: list[Frame] = []
        indices = {"proxy_logs": f"{name}-p", "analytics": f"{name}-a", "budget": f"{name}-b"}
        self.entry = ElasticsearchEntry.model_validate(
            {"name": "search", "path": "sink://elasticsearch",
             "config": {"elasticsearch_url": url, "indices": indices, "flavour": flavour} | config}
        )  # fmt: skip
        self.live = ElasticsearchSink(self.entry.config, self.entry.hook_types)
        self.client = httpx.AsyncClient(base_url=url, timeout=60)
        self.jobs: list[Job] = []

    def job(self, name: str = "") -> Job:
        """A new one."""
        self.jobs.append(Job(self, name or f"{self.name}-{len(self.jobs)}"))
        return self.jobs[-1]

    def place(self, kind: Kind = "analytics", day: float = 0) -> str:
        """The name by which a day's index is written and read."""
        names, periods = self.entry.config.indices.names(), self.entry.config.indices.periods()
        return dated_index(names[kind], START + int(day * DAY_MICROS), periods[kind])

    async def lived(self, frame: Frame) -> Verdict:
        """An event goes into the log, and then the live collector writes it."""
        self.log.append(frame)
        return await written(self.live, frame)

    async def ids(self, indices: str) -> list[str]:
        """What readers find there, with doubles."""
        (await self.client.post(f"/{indices}/_refresh?ignore_unavailable=true")).raise_for_status()
        body = {"size": 10_000, "query": {"match_all": {}}}
        answer = await self.client.post(f"/{indices}/_search?ignore_unavailable=true", json=body)
        return sorted(hit["_source"]["event_id"] for hit in answer.raise_for_status().json()["hits"]["hits"])

    def logged(self, kind: Kind = "analytics") -> list[str]:
        """The ids of everything of a kind in the log."""
        return sorted(each for frame in self.log if frame.kind == kind for each in frame.rows["event_id"].to_list())

    async def exists(self, name: str) -> bool:
        """An index or alias."""
        return (await self.client.head(f"/{name}")).status_code == 200

    async def concrete(self) -> list[str]:
        """The indices whose own names begin with the test's."""
        answer = await self.client.get(f"/_cat/indices/{self.name}-*?format=json&h=index")
        return sorted(each["index"] for each in answer.json() if each["index"].startswith(self.name))

    async def put(self, path: str, body: dict[str, Any]) -> None:
        """Or post, where documents are meant."""
        method = "POST" if "/_update/" in path else "PUT"
        (await self.client.request(method, path, json=body)).raise_for_status()

    async def block(self, name: str, is_blocked: bool) -> None:
        """As an operator does."""
        await self.put(f"/{name}/_settings", {"index.blocks.write": True if is_blocked else None})

    async def is_blocked(self, name: str) -> bool:
        """For writes."""
        found = (await self.client.get(f"/{name}/_settings/index.blocks.write")).raise_for_status().json()
        return any("blocks" in each["settings"].get("index", {}) for each in found.values())

    async def close(self) -> None:
        """Nothing of it is left on the server."""
        for job in self.jobs:
            await job.rebuild.close()
        found = (await self.client.get(f"/_cat/indices/{self.name}-*,sluice-*-{self.name}*?format=json&h=index")).json()
        for name in {each["index"] for each in found}:
            await self.client.delete(f"/{name}")
        for stem in self.entry.config.indices.names().values():
            await self.client.delete(f"/_index_template/{stem}")
        await self.live.close()
        await self.client.aclose()


@contextlib.asynccontextmanager
async def opened(
    url: str, name: str, folder: Path, flavour: str = "elasticsearch8", **config: Any
) -> AsyncIterator[Bench]:
    """A bench, until the block ends."""
    bench = Bench(url, name, folder, flavour, **config)
    await bench.live.start()
    try:
        yield bench
    finally:
        await bench.close()
