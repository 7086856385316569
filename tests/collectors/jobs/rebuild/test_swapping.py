"""A day's index is exchanged for one that is proved equal to the log, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt
from collectors.jobs.rebuild.interface import Swapped
from tests.collectors.jobs.rebuild.bench import Bench, events, opened, written
from tests.servers import Elasticsearch


@pytest.fixture
async def bench(elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """An entry of this test alone."""
    async with opened(elasticsearch_server.url, unique_name, tmp_path) as found:
        yield found


def states(results: list[Swapped]) -> list[str]:
    """What became of the places."""
    return [each.state for each in results]


@pytest.mark.parametrize("delete_old", [False, True])
async def test_a_swapped_day_is_the_logs_for_every_reader_and_every_writer(bench: Bench, delete_old: bool) -> None:
    """By the alias, by the raw pattern and by the day's name: exactly the log, once; late live writes by name reach it
    and show by all three; the old index is kept under a name that no pattern reads, or gone."""
    await bench.lived(events("analytics", 0.1, 0.2, 1.5))
    lost = events("analytics", 0.3)
    bench.log.append(lost)  # which the index never had
    job = bench.job()
    await job.replay()
    assert await bench.ids(f"{bench.name}-a") != bench.logged(), "nothing is seen before it is swapped in"
    assert await job.rebuild.verify(job.sums, job.distinct) == []
    results = await job.swap(delete_old=delete_old)
    assert states(results) == ["swapped", "swapped"]
    for reader in (f"{bench.name}-a", f"{bench.name}-a-*"):
        assert await bench.ids(reader) == bench.logged()
    assert len(await bench.ids(bench.place())) == 3
    assert (await bench.lived(events("analytics", 0.9))).cause is None
    assert (await bench.lived(lost)).duplicates == 1
    bench.log.pop()
    for reader in (f"{bench.name}-a", f"{bench.name}-a-*"):
        assert await bench.ids(reader) == bench.logged()
    assert [bool(each.kept) for each in results] == [not delete_old] * 2
    if not delete_old:
        assert len(await bench.ids(results[0].kept)) == 2
    assert states(await job.swap(delete_old=delete_old)) == ["swapped before"] * 2


async def test_what_is_written_late_before_the_swap_is_carried_over(bench: Bench) -> None:
    """The live collector writes to the day after the job has read the log: the swapped day has it."""
    await bench.lived(events("analytics", 0.1, 0.2))
    job = bench.job()
    await job.replay()
    await bench.lived(events("analytics", 0.3, 1.5))
    await bench.lived(events("budget", 0.3))
    assert states(await job.swap(delete_old=True)) == ["swapped"]
    assert await bench.ids(f"{bench.name}-a-*") == bench.logged()
    assert bench.place(day=1) in await bench.concrete(), "a day that was not rebuilt is not begun"
    assert len(await bench.ids(f"{bench.name}-b")) == 1


async def test_what_is_written_late_during_the_swap_is_nowhere_lost(bench: Bench) -> None:
    """While the old index is blocked the live collector is refused and keeps the event; the log has it, so has the
    swapped day, and the collector's next attempt finds it there."""
    await bench.lived(events("analytics", 0.1))
    job = bench.job()
    await job.replay()
    late, verdicts, catch_up = events("analytics", 0.9), list[Any](), job.catch_up

    async def written_meanwhile(spans: Any) -> Any:
        if verdicts or await bench.is_blocked(bench.place()):
            verdicts.append(await bench.lived(late) if len(verdicts) < 1 else None)
        return await catch_up(spans)

    job.catch_up = written_meanwhile  # type: ignore[method-assign]
    assert states(await job.swap()) == ["swapped"]
    assert isinstance(verdicts[0].cause, Halt)
    assert (await written(bench.live, late)).duplicates == 1
    assert await bench.ids(f"{bench.name}-a-*") == bench.logged()


async def test_what_is_late_is_not_taken_for_what_the_log_does_not_have(bench: Bench) -> None:
    """Written between the last look into the log and the comparison, each time it is looked: it is carried over."""
    await bench.lived(events("analytics", 0.1))
    job = bench.job()
    await job.replay()
    catch_up = job.catch_up

    async def then_another_is_late(spans: Any) -> Any:
        found = await catch_up(spans)
        if not await bench.is_blocked(bench.place()):
            await bench.lived(events("analytics", 0.5))
        return found

    job.catch_up = then_another_is_late  # type: ignore[method-assign]
    assert states(await job.swap(delete_old=True)) == ["swapped"]
    assert await bench.ids(f"{bench.name}-a-*") == bench.logged()
    assert len(bench.logged()) == 3


@pytest.mark.parametrize("is_blocked", [False, True])
async def test_what_the_log_does_not_have_does_not_go_unless_it_may(bench: Bench, is_blocked: bool) -> None:
    """Refused with ids, and the old index is as it was: writable, unless somebody else had made it read-only."""
    await bench.lived(events("analytics", 0.1))
    foreign = events("analytics", 0.2)
    await written(bench.live, foreign)
    await bench.block(bench.place(), is_blocked)
    job = bench.job()
    await job.replay()
    [refused] = await job.swap(delete_old=True)
    assert refused.state == "refused"
    assert "1 events that the log does not have" in refused.reason
    assert foreign.rows["event_id"][0] in refused.reason
    assert "--yes" in refused.reason
    assert await bench.is_blocked(bench.place()) == is_blocked
    assert len(await bench.ids(f"{bench.name}-a")) == 2
    assert states(await job.swap(delete_old=True, drop_surplus=True)) == ["swapped"]
    assert await bench.ids(f"{bench.name}-a-*") == bench.logged()


async def test_a_day_that_is_not_whole_stays(bench: Bench) -> None:
    """Whatever the reason is, it is told, and nothing is touched."""
    await bench.lived(events("analytics", 0.1))
    job = bench.job()
    job.partial = "the log has already deleted the first of it"
    await job.replay()
    [refused] = await job.swap()
    assert (refused.state, refused.reason) == ("refused", job.partial)
    assert bench.place() in await bench.concrete()


async def test_a_document_that_is_missing_or_too_much_is_named_by_day_and_figures(bench: Bench) -> None:
    """Deleted from the rebuild by hand, changed by one nano of 10^17, or exchanged for another: refused each time with
    what was expected and what was found; a sum beyond 2^53 that is right is right."""
    nanos = 10**17 + 1
    await bench.lived(events("analytics", 0.1, 0.2, 0.3, cost_nanos=nanos))
    await bench.lived(events("analytics", 0.4, cost_nanos=None, currency="EUR"))
    await bench.lived(events("analytics", 0.5, cost_nanos=7, currency="EUR"))
    job = bench.job()
    await job.replay()
    assert await job.rebuild.verify(job.sums, job.distinct) == []
    index = f"sluice-rebuild-{job.name}-analytics-{bench.place()[-10:]}"
    first = bench.log[0].rows["event_id"][0]
    await bench.put(f"/{index}/_update/{first}?refresh=true", {"doc": {"cost_nanos": nanos + 1}})
    [changed] = await job.swap()
    assert changed.state == "refused"
    assert f"{3 * nanos} nanos USD" in changed.reason
    assert f"{3 * nanos + 1} nanos USD" in changed.reason
    await bench.put(f"/{index}/_update/{first}?refresh=true", {"doc": {"cost_nanos": nanos}})
    await bench.put(f"/{index}/_update/{first}?refresh=true", {"doc": {"event_id": "another"}})
    [exchanged] = await job.swap()
    assert exchanged.state == "refused", "the same count, the same sums, and another id"
    await bench.client.delete(f"/{index}/_doc/{first}?refresh=true")
    [missing] = await job.swap()
    assert "the log has 5 events" in missing.reason
    assert f"{index} has 4 events" in missing.reason
    assert bench.place() in await bench.concrete()
    assert not await bench.is_blocked(bench.place())


async def test_an_event_that_the_log_has_twice_is_one_document(bench: Bench) -> None:
    """A relay may send again what it had sent: counted once before anything is said to be missing."""
    twice = events("analytics", 0.1, 0.2)
    await bench.lived(twice)
    await bench.lived(twice)
    job = bench.job()
    await job.replay()
    assert await job.rebuild.verify(job.sums, job.distinct) == []
    await bench.lived(twice)
    assert states(await job.swap()) == ["swapped"]


async def test_an_index_that_went_is_missed(bench: Bench) -> None:
    """A day that was rebuilt and whose index somebody deleted is refused by name, and holds no other day up."""
    await bench.lived(events("analytics", 0.1, 1.1))
    job = bench.job()
    await job.replay()
    await bench.client.delete(f"/sluice-rebuild-{job.name}-analytics-{bench.place(day=1)[-10:]}")
    [line] = await job.rebuild.verify(job.sums, job.distinct)
    assert line.endswith(f"{bench.place(day=1)[-10:]} is not there any more, or closed")
    results = {each.place: each.state for each in await job.swap()}
    assert results == {bench.place(day=1): "refused", bench.place(): "swapped"}


async def test_other_names_of_the_old_index_go_on(bench: Bench) -> None:
    """An alias that an operator made stands for the new one, with its filter."""
    await bench.lived(events("analytics", 0.1, 0.2, app_id=7))
    await bench.lived(events("analytics", 0.3, app_id=8))
    await bench.put(f"/{bench.place()}/_alias/{bench.name}-mine", {"filter": {"term": {"app_id": 8}}})
    job = bench.job()
    await job.replay()
    assert states(await job.swap(delete_old=True)) == ["swapped"]
    assert await bench.ids(f"{bench.name}-mine") == sorted(bench.log[1].rows["event_id"])
    await bench.client.delete(f"/*/_alias/{bench.name}-mine")


async def test_a_place_that_is_somebody_elses_alias_is_left_alone(bench: Bench) -> None:
    """An index of foreign make is never deleted and never unnamed, whatever is asked for."""
    job = bench.job()
    bench.log.append(events("analytics", 0.1))
    await job.replay()
    foreign = f"{bench.name}-foreign"
    await bench.put(f"/{foreign}", {"aliases": {bench.place(): {}}})
    [refused] = await job.swap(delete_old=True)
    assert refused.state == "refused"
    assert f"is an alias of {foreign}" in refused.reason
    await bench.put(f"/{foreign}-2", {"aliases": {bench.place(): {}}})
    [refused] = await job.swap(delete_old=True)
    assert "several" in refused.reason
    assert await bench.exists(foreign)


async def test_a_read_only_index_is_said_to_be_one(bench: Bench) -> None:
    """The server's no is told, and nothing has changed."""
    await bench.lived(events("analytics", 0.1))
    job = bench.job()
    await job.replay()
    await bench.put(f"/{bench.place()}/_settings", {"index.blocks.read_only": True})
    [refused] = await job.swap(delete_old=True)
    assert refused.state == "refused"
    assert "cluster_block_exception" in refused.reason
    await bench.put(f"/{bench.place()}/_settings", {"index.blocks.read_only": None})
    assert states(await job.swap(delete_old=True)) == ["swapped"]
