"""What the database says, all of one moment."""

from __future__ import annotations

from pathlib import Path

from collectors.services.budget_truth.boots import PAGE
from collectors.services.budget_truth.state import gaps_of, seen_of, totals_of
from tests.collectors.services.budget_truth.making import END, HERE, database_of, event, owned, report


async def test_gaps_name_their_numbers_over_pages(tmp_path: Path) -> None:
    """The first ten ranges of them, all counted."""
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(*(event(at) for at in range(1, 3 * PAGE, 2)), report(3 * PAGE + 2))
        async with bench.store.read() as connection:
            [gap] = await gaps_of(connection, 10)
        assert gap.missing.count == gap.boot.missing == (3 * PAGE) // 2 + 2
        assert gap.numbers == "2,4,6,8,10,12,14,16,18,20 …"


async def test_a_number_far_away_costs_no_more(tmp_path: Path) -> None:
    """A liar's: the gap is as large as it is, and said in two ranges."""
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(event(1), event(2**39), event(2**40))
        async with bench.store.read() as connection:
            [gap] = await gaps_of(connection, 10)
        assert gap.numbers == f"2-{2**39 - 1},{2**39 + 1}-{2**40 - 1}"
        assert (await bench.truth()).covers.gaps == 2**40 - 3


async def test_what_it_covers_is_said_with_its_totals(tmp_path: Path) -> None:
    """Offsets, how many events, and no total of a period that was not asked for."""
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(event(1), event(2))
        said = (await bench.truth()).covers.as_dict()
        assert (said["offsets"], said["applied"], said["gaps"], said["since"]) == (
            {"sluice.budget.v1/0": 2},
            2,
            0,
            None,
        )
        assert (await bench.truth()).covers.positions[HERE].next_offset == 2
        async with bench.store.read() as connection:
            assert len(await totals_of(connection, END - 1)) == 1
            assert await totals_of(connection, END) == {}
            [boot] = (await seen_of(connection)).values()
        assert (boot.through, boot.seen) == (2, 2)
