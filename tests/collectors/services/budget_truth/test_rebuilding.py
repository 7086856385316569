"""Counting the log anew: what the log comes to is compared with what is kept, total by total."""

from __future__ import annotations

from sqlalchemy import update

from collectors.services.budget_truth.rebuilding import compare, rebuild
from collectors.services.budget_truth.store import TruthStore
from collectors.services.budget_truth.tables import TOTALS
from collectors.services.budget_truth.tally import Sum, TotalKey
from sluice.eventlog.connect import topics_of
from tests.collectors.services.budget_truth.serving import Served, running, served, spending, until
from tests.contracts.eventlog_laws import JournalBench, on_durable_logs

KEY = TotalKey("app", "7", "p", 1_000, 2_000, "USD")


def test_every_total_of_either_is_compared() -> None:
    """Those of periods that the log has only in part are set aside, unless they agree."""
    old, other = KEY._replace(period_start=1), KEY._replace(scope_id="8")
    running_totals = {KEY: Sum(5), old: Sum(9), other: Sum(1)}
    found = compare(running_totals, {KEY: Sum(5), old: Sum(3)}, 500, 2)
    assert (found.totals, found.not_comparable) == (3, 1)
    assert [(each.key, each.running, each.rebuilt) for each in found.differences] == [(other, Sum(1), Sum())]


@on_durable_logs()
async def test_what_was_changed_by_hand_is_found(bench: JournalBench) -> None:
    """A total that somebody wrote to differs; what was spent after the running truth's place is not counted."""
    serve = served(bench, batch_records=3)
    await bench.commit([spending(5), spending(7), *(spending(1, app=8) for _ in range(6))])
    async with running(serve):
        await until(lambda: has_all(serve))
    await bench.commit([spending(1_000)])
    progress: list[tuple[int, int, str]] = []

    async def differences() -> list[tuple[str, int, int]]:
        database = serve.settings.database_in(serve.host.data_dir)
        async with TruthStore(database, topics_of(serve.host).namespace) as store:
            found = await rebuild(store, serve.settings, serve.host, lambda *told: progress.append(told))
            if not found.differences:
                async with store.unfenced() as connection:
                    wrong = update(TOTALS).where(TOTALS.c.scope_id == "7").values(spent_nanos="13")
                    await connection.execute(wrong)
        assert found.applied == 8
        return [(each.key.scope_id, each.running.spent_nanos, each.rebuilt.spent_nanos) for each in found.differences]

    assert await differences() == []
    assert await differences() == [("7", 13, 12)]
    assert progress[-1][0] == progress[-1][1]


async def has_all(serve: Served) -> bool:
    """Whether everything is counted."""
    return await serve.spent() == {"7": 12, "8": 6}
