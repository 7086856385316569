"""One life of a service: the sink its entry names, parts that share what they must, and settings that reach them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from collectors.alerts import Alerts
from collectors.assembly import Life, OpenEntry, assemble
from collectors.entries import DatabaseEntry
from collectors.metrics import CollectorMetrics
from collectors.outcomes import Role
from collectors.plans import plan_of
from collectors.service import Service
from collectors.settings import HostSettings
from collectors.writer import SINK
from schemas.avro_schema import schema_fingerprint, schema_json
from schemas.codec import HEADER_BYTES, MAGIC
from tests.collectors.events import NOW_MICROS, event_id_of, make_record, numbered, partition_of, record_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource, until
from tests.collectors.virtual_time import virtual_time

FIRST = partition_of()


class Bench:
    """A service on fakes and one life of it."""

    def __init__(self, host: dict[str, Any] | None = None, **settings: Any) -> None:
        self.sink = FakeSink()
        self.log = FakeLog(self.sink)
        self.catalogue = CollectorMetrics()
        entry = DatabaseEntry.model_validate({"name": "test", "path": "sink://database", **settings})
        self.service = Service(
            plan_of([entry]),
            HostSettings.model_validate(host or {}),
            self.catalogue,
            open_source=lambda _subscription: FakeSource(self.log),
            open_publisher=lambda _service: self.log,
            drain_seconds=5.0,
            clock=asyncio.get_running_loop().time,
            wall_clock=lambda: NOW_MICROS,
        )
        self.source, self.life = self.new_life()

    def new_life(self) -> tuple[FakeSource, Life]:
        source = FakeSource(self.log)
        alerts = Alerts(self.log, self.service.topics.alert.name, self.service.name)
        opened = [OpenEntry(self.service.plan.first, Role.REPLACES, self.sink, SINK)]
        return source, assemble(self.service, source, opened, self.log, alerts)

    async def carry(self) -> None:
        """Run the pipeline until everything is acknowledged, and then to its end."""
        await self.source.start(self.life.pipeline)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.life.pipeline.run())
            await until(lambda: self.log.is_done)
            self.life.pipeline.stop()
            await asyncio.wait({running})


@virtual_time
async def test_a_life_carries_records_from_the_log_to_the_sink() -> None:
    """Written, dead letters buried, and committed, without anything but what was put together."""
    bench = Bench(dead_letter={"max_ratio": 1.0})
    good = [make_record() for _ in range(5)]
    bench.log.append(FIRST, [*good, record_of(b"junk", None)])
    await bench.carry()
    assert set(bench.sink.durable) == {event_id_of(record) for record in good}
    [letter] = bench.log.dead_letters
    headers = dict(letter.headers)
    assert {b"test", b"sluice.test"} <= set(headers.values())
    assert bench.catalogue.records.value("test", "delivered") == 5
    assert bench.log.early == []


@virtual_time
async def test_gauges_tell_of_the_parts_that_work() -> None:
    """What is in flight is what the intake took, and what is paused is what it paused: the parts are the same ones."""
    bench = Bench(flow={"max_partition_records": 3, "max_writes": 8})
    metrics = bench.service.metrics
    bench.life.observe(metrics, 0.0)
    assert bench.catalogue.in_flight_records.value("test") == 0
    bench.log.append(FIRST, [make_record() for _ in range(3)])
    await bench.source.start(bench.life.pipeline)
    for _ in range(2):
        await bench.life.intake.take(1.0)
    bench.life.observe(metrics, 4.5)
    assert bench.catalogue.in_flight_records.value("test") == 3
    assert bench.catalogue.in_flight_bytes.value("test") == bench.life.backpressure.size_bytes > 0
    assert bench.catalogue.oldest_unfinished_seconds.value("test") == 4.5
    assert bench.catalogue.paused_partitions.value("test") == 1
    assert bench.catalogue.concurrency_limit.value("test") == 4
    assert bench.life.tracker.unfinished() == 3


@virtual_time
async def test_lives_share_health_and_nothing_that_is_in_flight() -> None:
    """A new life begins with nothing taken: what the old one had is read again from what was committed."""
    bench = Bench()
    bench.log.append(FIRST, [make_record() for _ in range(3)])
    await bench.source.start(bench.life.pipeline)
    await bench.life.intake.take(1.0)
    source, life = bench.new_life()
    assert (life.tracker.unfinished(), life.backpressure.records, life.intake.taken) == (0, 0, 0)
    await source.start(life.pipeline)
    assert len(await life.intake.take(1.0)) == 3


@virtual_time
async def test_a_record_of_an_unknown_schema_waits_as_the_host_says() -> None:
    """``schema.wait_seconds`` of ``sluice.yaml`` reaches the part that waits, and its reader is this life's source."""
    bench, loop = (
        Bench(host={"schema": {"wait_seconds": 7.0}}, dead_letter={"max_ratio": 1.0}),
        asyncio.get_running_loop(),
    )
    record = make_record()
    assert record.value is not None
    record.value = record.value[:2] + b"\0" * 8 + record.value[10:]
    bench.log.append(FIRST, [record])
    began = loop.time()
    await bench.carry()
    assert 7.0 <= loop.time() - began < 10.0
    assert [dict(letter.headers)["dlq.error.type"] for letter in bench.log.dead_letters] == [b"unknown_schema"]


@virtual_time
async def test_the_watch_waits_as_long_as_the_service_says() -> None:
    """A service that was begun anew for a stall gives the next life more time before it calls it one."""
    bench, loop = Bench(), asyncio.get_running_loop()
    bench.service.stall_seconds = 500.0
    bench.source, bench.life = bench.new_life()
    bench.source.silent = True
    bench.log.append(FIRST, [make_record()])
    await bench.source.start(bench.life.pipeline)
    began = loop.time()
    await bench.life.watch.run()
    assert 500.0 <= loop.time() - began < 530.0


@virtual_time
async def test_batches_are_cut_as_the_entry_says() -> None:
    """``batch.max_records`` is the entry's own."""
    bench = Bench(batch={"max_records": 2})
    bench.log.append(FIRST, numbered(make_record() for _ in range(5)))
    await bench.carry()
    assert sorted(len(write) for write in bench.sink.writes) == [1, 2, 2]


@virtual_time
async def test_what_the_wait_learns_the_decoder_can_read() -> None:
    """Both look into one book: else records whose schema was found would wait for ever."""
    bench = Bench()
    schema = json.loads(schema_json("analytics"))
    schema["fields"].append({"name": "of_tomorrow", "type": "long", "default": 0})
    record = make_record()
    record.value = MAGIC + schema_fingerprint(schema) + (record.value or b"")[HEADER_BYTES:] + b"\x02"
    bench.log.append(FIRST, [record])
    bench.log.schemas.append(json.dumps(schema).encode())
    await bench.carry()
    assert list(bench.sink.durable) == [event_id_of(record)]


@virtual_time
async def test_a_new_life_s_breaker_is_closed_and_said_to_be() -> None:
    """Whatever the life before left it at: only the new one's writes open it."""
    bench = Bench()
    bench.catalogue.breaker_open.set(1, "test", "test")
    bench.new_life()
    assert bench.catalogue.breaker_open.value("test", "test") == 0
