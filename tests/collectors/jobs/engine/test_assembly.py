"""A job's pipeline is the collectors' own."""

from __future__ import annotations

from pathlib import Path

from collectors.deliveries import Frame
from collectors.jobs.engine.assembly import assemble_job
from collectors.jobs.engine.source import RangeSource
from collectors.jobs.engine.tally import Tally
from collectors.jobs.engine.work import carry
from collectors.jobs.folder import JobFolder
from collectors.pipeline import Pipeline
from collectors.sinks.interface import Prepared
from tests.collectors.events import partition_of
from tests.collectors.fakes import FakeSink
from tests.collectors.jobs.bench import MemoryOrigin, origin_of, poisoned, records, work_of
from tests.collectors.virtual_time import virtual_time


@virtual_time
async def test_it_is_the_live_pipeline_with_another_source() -> None:
    """Its batches, its flow, its drain: as the entry says; it has no fallback, and its end is the source's."""
    work = await work_of(origin_of(10), FakeSink(), entry={"batch": {"max_records": 7}})

    async def store(_: object) -> None:
        """Nothing is kept."""

    parts = assemble_job(work, work.ranges, Tally(), store)
    assert type(parts.pipeline) is Pipeline
    assert isinstance(parts.source, RangeSource)
    assert parts.pipeline.fallback is None
    assert parts.source.ended == parts.pipeline.stop
    sink = FakeSink()
    await carry(await work_of(origin_of(70), sink, entry={"batch": {"max_records": 7}}))
    assert {len(each) for each in sink.writes} == {7}


@virtual_time
async def test_a_row_is_redacted_as_in_life() -> None:
    """What a sink is not shown live, a replay does not show it."""
    seen: list[str] = []

    class Showing(FakeSink):
        def prepare(self, frame: Frame) -> Prepared[str]:
            seen.extend(str(each) for each in frame.rows["request_body"].to_list())
            return super().prepare(frame)

    origin = origin_of(5, "proxy_log", request_body=b'{"prompt": "my secret"}')
    await carry(await work_of(origin, Showing(), entry={"redact": {"bodies": "none"}}))
    assert len(seen) == 5
    assert not any("secret" in each for each in seen)


async def test_too_many_failures_stop_it(tmp_path: Path) -> None:
    """The limits of dead letters hold: a range is not drained into the failures file because a target is wrong."""
    origin = MemoryOrigin({partition_of(): poisoned(records(300), *range(300))})
    entry = {"dead_letter": {"max_consecutive": 100}}
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        report = await carry(await work_of(origin, FakeSink(), folder=folder, entry=entry))
    assert (report.state, report.exit_code) == ("stopped", 1)
    assert "max_consecutive" in " ".join(report.problems)
    assert report.failed <= 100
