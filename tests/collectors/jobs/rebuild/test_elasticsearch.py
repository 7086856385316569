"""Rebuilds after rebuilds, undone, killed, and two at once: whatever happens, readers find the log, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.entries import ElasticsearchEntry
from collectors.errors import Halt
from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.elasticsearch import ElasticsearchRebuild
from collectors.retention.indices import IndexStore
from collectors.retention.settings import Limit
from collectors.sinks.elasticsearch.access import open_http
from sluice.clock import now_micros
from sluice.eventlog.journal.lock import FileLock
from sluice.eventstore.elasticsearch_http import Answer
from tests.collectors.jobs.rebuild.bench import Bench, Job, events, opened
from tests.servers import Elasticsearch, OpenSearch


@pytest.fixture
async def bench(elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """An entry of this test alone."""
    async with opened(elasticsearch_server.url, unique_name, tmp_path) as found:
        yield found


async def rebuilt(bench: Bench, **options: Any) -> Job:
    """A job that has swapped all that it rebuilt."""
    job = bench.job()
    await job.replay()
    results = await job.swap(**options)
    assert {each.state for each in results} == {"swapped"}, results
    return job


async def assert_readers_find_the_log(bench: Bench) -> None:
    """By the alias and by the raw pattern, each event once."""
    for reader in (f"{bench.name}-a", f"{bench.name}-a-*"):
        assert await bench.ids(reader) == bench.logged()


@pytest.mark.parametrize("delete_old", [False, True])
async def test_a_swapped_day_can_be_rebuilt_again(bench: Bench, delete_old: bool) -> None:
    """The old name is an alias by then; the index of the first rebuild is kept, or gone."""
    await bench.lived(events("analytics", 0.1))
    first = await rebuilt(bench, delete_old=True)
    await bench.lived(events("analytics", 0.2))
    await rebuilt(bench, delete_old=delete_old)
    await bench.lived(events("analytics", 0.3))
    await assert_readers_find_the_log(bench)
    assert await bench.exists(f"sluice-rebuild-{first.name}-analytics-{bench.place()[-10:]}") != delete_old


async def test_a_swap_can_be_undone_and_done_again(bench: Bench) -> None:
    """What was kept is in its place again, writable, and knows nothing of the rebuild; then the rebuild is back."""
    await bench.lived(events("analytics", 0.1))
    bench.log.append(events("analytics", 0.2))
    job = await rebuilt(bench)
    await assert_readers_find_the_log(bench)
    assert [each.state for each in await job.rebuild.undo()] == ["undone"]
    assert await bench.ids(f"{bench.name}-a-*") == sorted(bench.log[0].rows["event_id"])
    assert (await bench.lived(events("analytics", 0.3))).cause is None
    assert await job.rebuild.undo() == []
    assert [each.state for each in await job.swap()] == ["swapped"]
    await assert_readers_find_the_log(bench)


async def test_what_was_deleted_cannot_be_put_back(bench: Bench) -> None:
    """Said by the place's name."""
    await bench.lived(events("analytics", 0.1))
    job = await rebuilt(bench, delete_old=True)
    [refused] = await job.rebuild.undo()
    assert (refused.state, refused.reason) == ("refused", "nothing was kept of what it took the place of")
    await assert_readers_find_the_log(bench)


class KilledError(BaseException):
    """The process is no more."""


class Mortal:
    """Lets so many requests of the swap through, and then none, ever; the last may have been done, or not."""

    def __init__(self, job: Job, requests: int, *, is_last_done: bool) -> None:
        self._http = job.rebuild._cluster._http
        self._left = requests
        self._is_last_done = is_last_done
        job.rebuild._cluster._http = self  # type: ignore[assignment]

    async def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        self._left -= 1
        if self._left < 0:
            if self._left == -1 and self._is_last_done:
                await self._http.request(method, path, body, headers)
            raise KilledError
        return await self._http.request(method, path, body, headers)

    async def close(self) -> None:
        await self._http.close()


@pytest.mark.parametrize(
    ("delete_old", "step"),
    [(False, 13), pytest.param(False, 1, marks=pytest.mark.long), pytest.param(True, 1, marks=pytest.mark.long)],
)
async def test_a_swap_that_is_killed_anywhere_is_repaired_by_the_next(
    bench: Bench, delete_old: bool, step: int
) -> None:
    """After each request that it makes, and in the midst of each: readers find the old day or the new one, never
    neither and never both, and the next run of the job leaves the new one, which can be written."""
    is_over, requests, lives = False, 0, 0
    while not is_over:
        for is_last_done in (False, True):
            await bench.lived(events("analytics", 0.1))
            job = bench.job()
            await job.replay()
            Mortal(job, requests, is_last_done=is_last_done)
            try:
                await job.swap(delete_old=delete_old)
                is_over = True
            except KilledError:
                lives += 1
            await assert_readers_find_the_log(bench)
            await job.rebuild.close()
            job.rebuild = job.opened()
            await job.rebuild.prepare()
            [result] = await job.swap(delete_old=delete_old)
            assert result.state in {"swapped", "swapped before"}
            assert (await bench.lived(events("analytics", 0.2))).cause is None
            await assert_readers_find_the_log(bench)
        requests += step
    assert lives > 3


async def test_of_two_rebuilds_at_once_one_is_there_and_the_other_says_so(bench: Bench, tmp_path: Path) -> None:
    """On two hosts, where no lock is common: each event once, and a job that did not get the place has changed
    nothing."""
    await bench.lived(events("analytics", 0.1, 0.2))
    bench.log.append(events("analytics", 0.3))
    jobs = [bench.job(), bench.job()]
    for number, job in enumerate(jobs):
        await job.replay()
        job.rebuild._swap_lock = tmp_path / str(number)
    both = await asyncio.gather(*(job.swap(delete_old=True) for job in jobs))
    assert "swapped" in [each.state for results in both for each in results]
    await bench.lived(events("analytics", 0.4))
    await assert_readers_find_the_log(bench)
    for job in jobs:
        assert {each.state for each in await job.swap(delete_old=True)} <= {"swapped", "swapped before", "refused"}
        await assert_readers_find_the_log(bench)


async def test_two_swaps_of_one_host_do_not_meet(bench: Bench) -> None:
    """The second is told who swaps."""
    job = bench.job()
    lock = FileLock(job.rebuild._swap_lock, "")
    with pytest.raises(UsageError, match="swaps indices of this entry: try again when it is done"):
        await job.swap()
    lock.release()


async def test_months_are_swapped_whole(elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path) -> None:
    """An entry by month has one index of several days, proved day by day."""
    indices = {
        "proxy_logs": f"{unique_name}-p",
        "analytics": f"{unique_name}-a-{{YYYY.MM}}",
        "budget": f"{unique_name}-b",
    }
    async with opened(elasticsearch_server.url, unique_name, tmp_path, indices=indices) as bench:
        days = [day for day in range(10) if bench.place(day=day) == bench.place()]
        await bench.lived(events("analytics", *(day + 0.5 for day in days)))
        job = await rebuilt(bench)
        await assert_readers_find_the_log(bench)
        assert await bench.exists(f"sluice-rebuild-{job.name}-analytics-{bench.place()[-7:]}")


async def test_a_foreign_index_of_the_jobs_name_is_refused(bench: Bench) -> None:
    """Before anything is written; and by whoever gets there second."""
    job = bench.job()
    foreign = f"sluice-rebuild-{job.name}-analytics-{bench.place()[-10:]}"
    await bench.put(f"/{foreign}", {})
    with pytest.raises(UsageError, match="was not made by this job"):
        await job.replay()
    bench.log.append(events("analytics", 0.1))
    with pytest.raises(AssertionError, match="was not made by this job"):
        await job._carry(())
    assert await bench.ids(foreign) == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"data_streams": True}, "search writes to data streams, whose backing indices are by age"),
        ({"indices": {"analytics": "sluice"}}, r"would be in reach of indices.analytics: 'sluice'"),
        ({"indices": {"budget": "sluice-rebuild-j"}}, r"would be in reach of indices.budget"),
    ],
)
def test_what_cannot_be_rebuilt_is_refused_by_name(config: Any, problem: str, tmp_path: Path) -> None:
    """And what readers would see half made."""
    entry = ElasticsearchEntry.model_validate({"name": "search", "path": "sink://elasticsearch", "config": config})
    with pytest.raises(UsageError, match=problem):
        ElasticsearchRebuild(entry, tmp_path, "j", entry.hook_types)


async def test_retention_knows_what_was_swapped_in(bench: Bench) -> None:
    """A rebuilt day goes when the day would have gone; one that is in no place, and another entry's, do not."""
    await bench.lived(events("analytics", 0.1, 0.2))
    swapped = await rebuilt(bench, delete_old=True)
    waiting = bench.job()
    await waiting.replay()
    store = IndexStore(bench.entry.config, open_http(bench.entry.config))
    try:
        found = await store.find("analytics", Limit(max_age=86_400.0), 0, now_micros())
        name = f"sluice-rebuild-{swapped.name}-analytics-{bench.place()[-10:]}"
        assert [(due.name, due.events) for due in found.due] == [(name, 2)]
        assert await store.oldest("analytics") is not None
        assert await store.delete("analytics", found.due[0], lambda _: None) == 2
        assert await bench.ids(f"{bench.name}-a-*") == []
        assert await store.oldest("analytics") is None
        assert await bench.exists(name.replace(swapped.name, waiting.name))
    finally:
        await store.close()


async def test_what_is_in_its_place_is_not_compared_again(bench: Bench) -> None:
    """Live writes go to it by then; what is not in its place is."""
    await bench.lived(events("analytics", 0.1, 1.1))
    job = await rebuilt(bench)
    await bench.lived(events("analytics", 0.2))
    assert await job.rebuild.verify(job.sums, job.distinct) == []
    await job.rebuild.undo()
    job.sums.days.popitem()
    assert len(await job.rebuild.verify(job.sums, job.distinct)) == 2


@pytest.mark.parametrize("delete_old", [False, True])
async def test_opensearch_is_swapped_alike(
    opensearch_server: OpenSearch, unique_name: str, tmp_path: Path, delete_old: bool
) -> None:
    """Late writes, a second rebuild and the way back too."""
    async with opened(opensearch_server.url, unique_name, tmp_path, "opensearch") as bench:
        await bench.lived(events("analytics", 0.1, cost_nanos=10**17 + 1))
        bench.log.append(events("analytics", 0.2, cost_nanos=10**17 + 1))
        await rebuilt(bench, delete_old=delete_old)
        await bench.lived(events("analytics", 0.3))
        await assert_readers_find_the_log(bench)
        again = await rebuilt(bench)
        assert [each.state for each in await again.rebuild.undo()] == ["undone"]
        await assert_readers_find_the_log(bench)


class Refusing(Mortal):
    """Says no to whatever has a word in its path, as a server does of an index that was closed meanwhile."""

    def __init__(self, job: Job, word: str) -> None:
        super().__init__(job, 1_000, is_last_done=False)
        self._word = word

    async def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        if self._word in path:
            return Answer(400, b'{"error": {"type": "index_closed_exception", "reason": "closed"}, "status": 400}')
        return await super().request(method, path, body, headers)


async def test_what_a_server_says_no_to_stops_the_job_with_a_remedy(bench: Bench) -> None:
    """Whether it is proved or put back: no crash, and readers find what they found."""
    await bench.lived(events("analytics", 0.1))
    job = bench.job()
    await job.replay()
    Refusing(job, "_refresh")
    with pytest.raises(Halt, match=r"index_closed_exception: closed.*whether its indices are there and open"):
        await job.rebuild.verify(job.sums, job.distinct)
    await job.rebuild.close()
    job.rebuild = job.opened()
    await job.rebuild.prepare()
    assert [each.state for each in await job.swap()] == ["swapped"]
    Refusing(job, "_aliases")
    with pytest.raises(Halt, match="index_closed_exception"):
        await job.rebuild.undo()
    await assert_readers_find_the_log(bench)
