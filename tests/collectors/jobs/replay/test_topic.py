"""Records go into a topic as they came."""

from __future__ import annotations

import pytest

from collectors.errors import Halt
from collectors.jobs.engine.work import carry
from collectors.jobs.replay.topic import TopicSink
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.memory import MemoryBroker, MemoryPublisher
from tests.collectors.events import TOPICS, partition_of
from tests.collectors.fakes import FakeLog, FakeSink
from tests.collectors.jobs.bench import MemoryOrigin, origin_of, work_of
from tests.collectors.virtual_time import virtual_time


@virtual_time
async def test_key_value_and_headers_are_the_same_bytes() -> None:
    """Each once, in the order of its partition."""
    origin, log = origin_of(300), FakeLog(FakeSink())
    report = await carry(await work_of(origin, TopicSink("copy", log, origin)))
    originals = [(each.key, each.value, tuple(each.headers)) for each in origin.records[partition_of()]]
    assert [(each.key, each.value, each.headers) for each in log.published] == originals
    assert {each.topic for each in log.published} == {"copy"}
    assert report.written == 300


@virtual_time
async def test_a_log_that_does_not_take_them_is_tried_again() -> None:
    """What may be there is given once more: at least once."""
    origin, log = origin_of(50), FakeLog(FakeSink())
    log.publish_errors.extend([EventLogError("away"), EventLogError("away")])
    report = await carry(await work_of(origin, TopicSink("copy", log, origin)))
    assert (report.written, report.problems) == (50, [])


async def test_an_origin_without_originals_is_refused() -> None:
    """What was kept as columns has no bytes of the log."""
    origin = origin_of(1)
    origin.has_originals = False
    sink = TopicSink("copy", MemoryPublisher(MemoryBroker(TOPICS)), origin)
    with pytest.raises(Halt, match="not the records"):
        await sink.start()
    await sink.check()
    await sink.close()


async def test_large_ones_are_given_a_few_at_a_time() -> None:
    """So that one request is not beyond what a broker takes at once."""
    origin, log = origin_of(20, "proxy_log", request_body=b"x" * 500_000), FakeLog(FakeSink())
    calls: list[int] = []
    publish = log.publish

    async def counted(records):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        calls.append(len(records))
        await publish(records)

    log.publish = counted  # type: ignore[method-assign]
    await carry(await work_of(origin, TopicSink("copy", log, MemoryOrigin({}))))
    assert max(calls) <= 9
    assert sum(calls) == 20
