"""Batches into totals: each event once, whatever comes again, in whatever order, and whatever breaks in the middle."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.services.budget_truth import counting as counting_module
from collectors.services.budget_truth.boots import PAGE
from collectors.services.budget_truth.counting import SchemaUnknownError, total_key
from collectors.services.budget_truth.tally import TotalKey
from schemas.avro_schema import schema_fingerprint, schema_json
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import make_event, record_of
from tests.collectors.services.budget_truth.making import HERE, charge, database_of, event, expected, owned, report

APPS = [[charge("app", str(app)), charge("llm", "3"), charge("app_llm", f"{app}:3")] for app in range(3)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**6)), min_size=1, max_size=30),
    st.randoms(),
    st.integers(1, 4),
)
async def test_totals_are_those_of_the_set_of_events(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, int]], chance: random.Random, times: int
) -> None:
    """Sent once or many times, in any order and any batches, over a restart: the sums are those of each event once."""
    events = [
        event(at // 2 + 1, nanos, boot_id=f"boot-{at % 2}", charges=APPS[app]) for at, (app, nanos) in enumerate(made)
    ]
    sent = [each for each in events for _ in range(chance.randint(1, times))]
    chance.shuffle(sent)
    cut = chance.randint(0, len(sent))
    folder = tmp_path_factory.mktemp("truth")
    for part in (sent[:cut], sent[cut:]):
        async with owned(database_of(folder)) as bench:
            at = 0
            while at < len(part):
                step = chance.randint(1, len(part) - at)
                await bench.feed(*part[at : at + step])
                at += step
            await bench.store.release()
    async with owned(database_of(folder)) as bench:
        assert await bench.spent() == expected((APPS[app], nanos) for app, nanos in made)
        truth = await bench.truth()
        assert (truth.covers.applied, truth.covers.gaps, truth.problems) == (len(made), 0, [])


async def test_a_replay_of_everything_changes_nothing(tmp_path: Path) -> None:
    """Not a total, not a revision: nothing is published anew either."""
    events = [event(at + 1, at) for at in range(3 * PAGE)]
    async with owned(database_of(tmp_path)) as bench:
        assert (await bench.feed(*events)).applied == len(events)
        before = await bench.truth()
        again = await bench.feed(*events)
        after = await bench.truth()
    assert (again.applied, again.duplicates) == (0, len(events))
    assert (after.totals, after.covers.applied, after.gaps) == (before.totals, before.covers.applied, [])


async def test_a_correction_applies_once(tmp_path: Path) -> None:
    """By its own boot and number; twice the same job's event is once, and requests are not counted again."""
    fields: dict[str, Any] = {
        "kind": "correction",
        "corrects": "e-b",
        "gateway_id": "reprice",
        "worker": "job-1",
        "requests_count": 0,
    }
    correction = event(1, -40, tokens_used=0, **fields)
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(event(1, 100), correction, correction)
        await bench.feed(correction)
        [(key, total)] = (await bench.truth()).totals.items()
    assert (key.scope_id, total) == ("7", (60, -40, 46, 1))


async def test_a_number_with_another_event_is_a_conflict(tmp_path: Path) -> None:
    """A cloned boot: the first event counts, the other is named; within a batch, over batches, over a restart."""
    first, lie = event(1, 100), event(1, 999)
    async with owned(database_of(tmp_path)) as bench:
        counted = await bench.feed(first, lie)
        assert (counted.applied, counted.duplicates, [*counted.problems]) == (1, 0, ["conflict"])
        await bench.store.release()
    async with owned(database_of(tmp_path)) as bench:
        assert "sequence 1 of gw-1/0/" in (await bench.feed(lie, first)).problems["conflict"][1]
        assert await bench.spent() == {("app", "7"): 100}
        assert await bench.problems() == {"conflict": 2}


async def test_garbage_never_crashes_and_never_changes_a_total(tmp_path: Path) -> None:
    """It is counted by kind over batches, and what is named has nothing that a terminal obeys."""
    async with owned(database_of(tmp_path)) as bench:
        for at in range(3):
            await bench.feed(record_of(b"\xc3\x01no", None, "budget", offset=at), event(0), event(at + 1, 5))
        await bench.feed(event(9, 1, worker="\x1b[31m\x00" + "x" * 9))
        truth = await bench.truth()
        assert await bench.problems() == {"bad_name": 1, "bad_sequence": 3, "undecodable": 3}
        assert all(row.example.isprintable() for row in truth.problems)
        assert await bench.spent() == {("app", "7"): 15}


async def test_totals_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    """No database integer ends them."""
    events = [event(at + 1, 2**53) for at in range(2_000)]
    async with owned(database_of(tmp_path)) as bench:
        for at in range(0, 2_000, 500):
            await bench.feed(*events[at : at + 500])
        assert await bench.spent() == {("app", "7"): 2_000 * 2**53}


@pytest.mark.parametrize("step", ["_load", "_advance", "_note_state", "_save_boots", "_note_problems", "_move"])
async def test_what_breaks_in_the_middle_changes_nothing(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step fails: totals, numbers and offsets are as before, and the same batch counts when it comes back."""
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(event(1, 5))
        before = await bench.truth()
        batch = bench.batch(event(2, 7), event(3, 9), report(4))
        with monkeypatch.context() as patch:

            async def fail(*_: object, **__: object) -> None:
                raise RuntimeError(step)

            patch.setattr(counting_module.Counting, step, fail)
            with pytest.raises(RuntimeError, match=step):
                await bench.counting.apply(batch)
        after = await bench.truth()
        assert (after.totals, after.covers.applied, after.covers.positions, after.boots, after.problems) == (
            before.totals, before.covers.applied, before.covers.positions, 1, [],
        )  # fmt: skip
        await bench.counting.apply(batch)
        assert await bench.spent() == {("app", "7"): 21}
        assert (await bench.truth()).covers.positions[HERE].next_offset == 4


async def test_an_unknown_schema_is_waited_for_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it may still come nothing moves on; afterwards it is a problem with its place."""
    stranger = record_of(b"\xc3\x01" + b"\x07" * 8 + b"body", None, "budget", offset=3)
    async with owned(database_of(tmp_path)) as bench:
        batch = bench.batch(event(1, 5), stranger)
        with pytest.raises(SchemaUnknownError, match=r"sluice\.budget\.v1/0/3"):
            await bench.counting.apply(batch)
        assert await bench.spent() == {}
        monkeypatch.setattr(counting_module, "SCHEMA_WAIT_SECONDS", 0.0)
        await bench.counting.apply(batch)
        assert (await bench.spent(), await bench.problems()) == ({("app", "7"): 5}, {"unknown_schema": 1})
        monkeypatch.setattr(counting_module, "SCHEMA_WAIT_SECONDS", 60.0)
        for at in range(20):  # a flood of others is waited for no more
            await bench.feed(record_of(b"\xc3\x01" + bytes([at]) * 8 + b"body", None, "budget", offset=at))
        assert (await bench.problems())["unknown_schema"] == 21


async def test_a_schema_that_is_published_meanwhile_is_learned(tmp_path: Path) -> None:
    """A newer gateway's events count as soon as its schema is there; garbage among the schemas does no harm."""
    newer = schema_json("budget").replace(
        b'"name":"sequence"', b'"name":"later","type":"long","default":0},{"name":"sequence"'
    )
    made = make_event("budget", cost_nanos=8, charges=[charge()])
    value = made.value(1)
    at = 10 + 1 + len(made.event_id)
    body = b"\xc3\x01" + schema_fingerprint(json.loads(newer)) + value[10:at] + b"\0" + value[at:]
    record = record_of(body, made.event_id, "budget")
    async with owned(database_of(tmp_path)) as bench:
        with pytest.raises(SchemaUnknownError):
            await bench.feed(record)
        bench.schemas += [b"no json", newer]
        await bench.feed(record)
        assert await bench.spent() == {("app", "7"): 8}


async def test_closed_boots_leave_lines_and_no_pages(tmp_path: Path) -> None:
    """A thousand lives of workers, each whole: a row each, and nothing beside."""
    async with owned(database_of(tmp_path)) as bench:
        for at in range(0, 1_000, 250):
            records: list[StoredRecord] = []
            for boot in range(at, at + 250):
                records += [event(1, 1, boot_id=f"boot-{boot}"), report(1, closing=True, boot_id=f"boot-{boot}")]
            await bench.feed(*records)
        truth = await bench.truth()
        async with bench.store.read() as connection:
            pages = (await connection.exec_driver_sql("SELECT COUNT(*) FROM budget_truth_pages")).scalar()
    assert (truth.boots, truth.covers.gaps, truth.covers.applied, pages) == (1_000, 0, 1_000, 0)


def test_no_two_totals_share_a_key() -> None:
    """Whatever is in their names: the separator is in none of them."""
    one = TotalKey("a", "b:c", "p", 1, 2, "USD")
    assert total_key(one) != total_key(one._replace(scope="a:b", scope_id="c"))
    assert total_key(one) != total_key(one._replace(period_start=11, currency="USD"))
