"""Commits: only what is finished, whatever the log answers; what it did not take stays due."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from collectors.committer import COMMITS, Committer
from collectors.health import Health
from collectors.metrics import CollectorMetrics
from collectors.tracker import Lane, Tracker
from sluice.eventlog.interface import EventLogError, Partition, StoredRecord
from tests.collectors.events import partition_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource
from tests.collectors.virtual_time import virtual_time

FIRST, SECOND, THIRD = (partition_of(number=number) for number in range(3))


class Choosy(FakeSource):
    """A log that refuses any commit which names a partition that is not this member's."""

    def __init__(self, foreign: set[Partition]) -> None:
        super().__init__(FakeLog(FakeSink()))
        self.foreign = foreign

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        await super().commit(next_offsets)
        return not self.foreign.intersection(next_offsets)


@dataclass
class Bench:
    """A committer over partitions with ten records each, of which so many are finished."""

    source: FakeSource = field(default_factory=lambda: FakeSource(FakeLog(FakeSink())))

    def __post_init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.tracker, self.metrics = Tracker(), CollectorMetrics()
        self.health = Health("test", clock)
        self.committer = Committer(self.source, self.tracker, self.health, self.metrics.of("test"), clock)

    def finished(self, partition: Partition, count: int) -> Lane:
        """A lane whose first ``count`` records are finished."""
        self.tracker.assign([partition])
        lane = self.tracker.lane(partition)
        assert lane is not None
        lane.deliver([StoredRecord(*partition, offset, 0, None, None) for offset in range(10)])
        lane.finish(range(count))
        return lane

    def commits(self, result: str) -> int:
        return self.metrics.commits.value("test", result)


@virtual_time
async def test_all_that_is_due_goes_in_one_commit() -> None:
    """The longest finished prefix of each partition; a second commit has nothing to say."""
    bench = Bench()
    bench.finished(FIRST, 3)
    lane = bench.finished(SECOND, 10)
    lane.finish([])
    assert await bench.committer.commit()
    assert bench.source.commits == [{FIRST: 3, SECOND: 10}]
    assert await bench.committer.commit()
    assert len(bench.source.commits) == 1
    assert bench.commits("stored") == 1
    assert bench.metrics.commit_seconds.count("test") == 1


@virtual_time
async def test_a_gap_is_not_committed_over() -> None:
    """What is finished behind an unfinished record waits for that one."""
    bench = Bench()
    lane = bench.finished(FIRST, 3)
    lane.finish([4, 5, 9])
    await bench.committer.commit()
    lane.finish([3])
    await bench.committer.commit()
    assert bench.source.commits == [{FIRST: 3}, {FIRST: 6}]


@virtual_time
async def test_only_the_named_partitions_are_committed() -> None:
    """A revoke commits what goes and nothing else; partitions that are not ours are no mistake."""
    bench = Bench()
    bench.finished(FIRST, 1)
    bench.finished(SECOND, 2)
    assert await bench.committer.commit([SECOND, THIRD])
    assert await bench.committer.commit([])
    assert bench.source.commits == [{SECOND: 2}]


@virtual_time
async def test_nothing_due_asks_nothing_of_the_log() -> None:
    """Without partitions and without records there is no commit to be refused."""
    bench = Bench()
    assert await bench.committer.commit()
    bench.tracker.assign([FIRST])
    assert await bench.committer.commit()
    assert bench.source.commits == []


@pytest.mark.parametrize("answer", [EventLogError("broker away"), TimeoutError(), 3_600.0])
@virtual_time
async def test_what_the_log_did_not_take_stays_due(answer: Exception | float) -> None:
    """An error and an answer that never comes end within the bound, are trouble, and are tried again."""
    bench, loop = Bench(), asyncio.get_running_loop()
    lane = bench.finished(FIRST, 4)
    bench.source.commit_results.append(answer)
    began = loop.time()
    assert not await bench.committer.commit()
    assert loop.time() - began <= 5.0
    assert bench.health.has(COMMITS)
    assert lane.due() == 4
    assert await bench.committer.commit()
    assert not bench.health.has(COMMITS)
    assert (bench.commits("failed"), bench.commits("stored")) == (1, 1)


@virtual_time
async def test_a_timeout_says_so() -> None:
    """Health never shows an empty cause."""
    bench = Bench()
    bench.finished(FIRST, 4)
    bench.source.commit_results.append(60.0)
    await bench.committer.commit()
    assert bench.health.causes[COMMITS].endswith(": no answer")


@virtual_time
async def test_a_single_refused_partition_is_left_to_the_rebalance() -> None:
    """Where all that was asked for was refused the membership may be gone: nothing is forgotten, nothing troubles."""
    bench = Bench()
    lane = bench.finished(FIRST, 4)
    bench.source.commit_results.append(False)
    assert not await bench.committer.commit()
    assert lane.live
    assert lane.due() == 4
    assert not bench.health.has(COMMITS)
    assert bench.commits("refused") == 1


@virtual_time
async def test_a_lost_partition_is_found_and_forgotten() -> None:
    """One partition that is another's holds the rest up once: they are stored one by one, and it is no lane of ours."""
    bench = Bench(Choosy({SECOND}))
    lanes = [bench.finished(partition, 5) for partition in (FIRST, SECOND, THIRD)]
    assert not await bench.committer.commit()
    assert bench.source.commits[1:] == [{FIRST: 5}, {SECOND: 5}, {THIRD: 5}]
    assert [lane.live for lane in lanes] == [True, False, True]
    assert bench.tracker.lane(SECOND) is None
    lanes[0].finish([5])
    assert await bench.committer.commit()
    assert bench.source.commits[-1] == {FIRST: 6}


@virtual_time
async def test_a_lost_membership_forgets_no_partition() -> None:
    """Where every single one is refused too, all stay due until the rebalance that follows."""
    bench = Bench(Choosy({FIRST, SECOND}))
    lanes = [bench.finished(partition, 5) for partition in (FIRST, SECOND)]
    assert not await bench.committer.commit()
    assert [(lane.live, lane.due()) for lane in lanes] == [(True, 5)] * 2


@virtual_time
async def test_a_failure_among_the_single_ones_forgets_nothing() -> None:
    """No answer about a partition is not a refusal: it is asked about again."""
    bench = Bench()
    lanes = [bench.finished(partition, 5) for partition in (FIRST, SECOND)]
    bench.source.commit_results.extend([False, True, EventLogError("away")])
    assert not await bench.committer.commit()
    assert [(lane.live, lane.due()) for lane in lanes] == [(True, None), (True, 5)]
    assert await bench.committer.commit()


@virtual_time
async def test_commits_do_not_overlap_and_never_go_back() -> None:
    """Two that are asked for at once go one after the other, each with what is due when its turn comes."""
    bench = Bench()
    lane = bench.finished(FIRST, 2)
    bench.source.commit_results.extend([1.0, True])
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(bench.committer.commit()) for _ in range(3)]
        await asyncio.sleep(0.5)
        lane.finish(range(7))
    assert [task.result() for task in asked] == [True] * 3
    assert bench.source.commits == [{FIRST: 2}, {FIRST: 7}]


@virtual_time
async def test_a_revoke_while_the_log_answers_touches_no_new_lane() -> None:
    """The offset that was stored belongs to the lane it was asked for, not to the one that came back."""
    bench = Bench()
    old = bench.finished(FIRST, 2)
    bench.source.commit_results.append(1.0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.committer.commit())
        await asyncio.sleep(0.5)
        new = bench.finished(FIRST, 0)
    assert (old.live, old.due()) == (False, None)
    assert new.due() == 0


@virtual_time
async def test_a_cancelled_commit_lets_the_next_one_go() -> None:
    """The lock is given back, and what may or may not be stored stays due."""
    bench = Bench()
    lane = bench.finished(FIRST, 2)
    bench.source.commit_results.append(60.0)
    async with asyncio.TaskGroup() as tasks:
        committing = tasks.create_task(bench.committer.commit())
        await asyncio.sleep(0.5)
        committing.cancel()
    assert lane.due() == 2
    assert await bench.committer.commit()
