"""The decision table of the README: what comes of an event, by what each collector of its service did with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest

from collectors import pipeline
from tests.collectors.deciding import DEADLINE_SECONDS, Deciding, Mode
from tests.collectors.fakes import until

README = Path(__file__).parents[2] / "collectors" / "README.md"
EVENTS = 3
"""One of each kind."""

REPLACES, SUPPLEMENTS = {"replace_database": True}, {"replace_database": False}
AT_ONCE = 12
GIVES_UP = {"answers": ("failed",), "max_attempts": 2}


@dataclass(frozen=True)
class Row:
    """One line of the table: the collectors of a service, and what comes of each event."""

    number: str
    """Where it stands in the README."""
    collectors: Mapping[str, Mapping[str, Any]]
    outcome: str
    stored: bool = False
    """In the fallback."""
    letters: tuple[str, ...] = ()
    """Who gave it up."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """How often a collector was given it, where that is not once."""
    settings: Mapping[str, Any] = field(default_factory=dict)


def handles(role: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A collector that takes everything."""
    return {**role, "answers": ("handled",), **more}


def passes(role: Mapping[str, Any] = REPLACES) -> dict[str, Any]:
    """A collector that wants nothing."""
    return {**role, "answers": ("passed",)}


def gives_up(role: Mapping[str, Any]) -> dict[str, Any]:
    """A collector that never succeeds, and may not try for ever."""
    return {**role, **GIVES_UP}


ROWS = [
    Row("1", {"a": handles(REPLACES)}, "delivered"),
    Row("1", {"a": {**REPLACES, "answers": ("none",)}}, "delivered"),
    Row("2", {"a": handles(SUPPLEMENTS)}, "delivered", stored=True),
    Row("2", {"a": handles({})}, "delivered", stored=True),  # a plugin's default
    Row("3", {"a": passes()}, "fallback", stored=True),
    Row("3", {"a": passes(), "b": passes(SUPPLEMENTS)}, "fallback", stored=True),
    Row("4", {"a": passes(SUPPLEMENTS), "b": handles(REPLACES)}, "delivered"),
    Row("5", {"a": passes(), "b": handles(SUPPLEMENTS)}, "delivered", stored=True),
    Row("6", {"a": handles(REPLACES), "b": handles(SUPPLEMENTS)}, "delivered", stored=True),
    Row("7", {"a": gives_up(REPLACES)}, "dead_lettered", letters=("a",), calls={"a": 2}),
    Row("7", {"a": gives_up(REPLACES), "b": passes()}, "dead_lettered", letters=("a",), calls={"a": 2}),
    Row("8", {"a": gives_up(SUPPLEMENTS)}, "dead_lettered", stored=True, letters=("a",), calls={"a": 2}),
    Row(
        "8", {"a": gives_up(SUPPLEMENTS), "b": passes()}, "dead_lettered",
        stored=True, letters=("a",), calls={"a": 2},
    ),
    Row(
        "9", {"a": gives_up(REPLACES), "b": handles(SUPPLEMENTS)}, "dead_lettered",
        stored=True, letters=("a",), calls={"a": 2},
    ),
    Row(
        "10", {"a": gives_up(SUPPLEMENTS), "b": handles(REPLACES)}, "dead_lettered",
        letters=("a",), calls={"a": 2},
    ),
    Row("11", {"a": handles(SUPPLEMENTS, include={"apps": [8]})}, "filtered", calls={"a": 0}),
    Row("11", {"a": handles(SUPPLEMENTS, exclude={"vendors": ["open*"]})}, "filtered", calls={"a": 0}),
    Row(
        "12", {"a": handles(SUPPLEMENTS, include={"outcomes": ["error"]}), "b": handles(REPLACES)}, "delivered",
        calls={"a": 0},
    ),
    Row(
        "13", {"a": {**REPLACES, "answers": ("failed", "failed", "handled")}, "b": handles(REPLACES)}, "delivered",
        calls={"a": 3},
    ),
    Row("13", {"a": {**REPLACES, "answers": ("raises", "handled")}, "b": passes()}, "delivered", calls={"a": 2}),
    Row("13", {"a": {**REPLACES, "answers": ("hangs", "handled")}, "b": passes()}, "delivered", calls={"a": 2}),
    Row(
        "13", {"a": {**REPLACES, "answers": ("wrong", "passed")}, "b": passes()}, "fallback",
        stored=True, calls={"a": 2},
    ),
    Row("16", {"a": passes(), "b": passes()}, "passed", settings={"fallback": "none"}),
    Row("16", {"a": handles(SUPPLEMENTS)}, "delivered", settings={"fallback": "none"}),
]  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What came of a row's events."""

    ids: list[str]
    outcomes: dict[str, int]
    stored: list[str]
    letters: list[tuple[str, str]]
    calls: dict[str, dict[str, int]]
    unacknowledged: int


async def find(folder: Path, row: Row, mode: Mode) -> Found:
    """One life of the row's service, from three events to their outcome."""
    deciding = Deciding(folder, mode, row.collectors, **row.settings)
    ids = await deciding.write()
    outcomes = await deciding.run_until_finished(EVENTS)
    calls = {name: dict(deciding.calls(name)) for name in row.collectors}
    stored = await asyncio.to_thread(lambda: deciding.stored)  # whoever has the database locked may need the loop
    return Found(ids, outcomes, stored, deciding.letters, calls, await deciding.unacknowledged())


@pytest.fixture(scope="module", autouse=True)
def quick_stops() -> Iterator[None]:
    """A life ends when its poll does: here that is soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_POLL_SECONDS", 0.05)
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, Mode], Found | BaseException]:
    """Of every row in both modes: each in a folder of its own, and many at once, as most of it is waiting."""
    cases: list[tuple[int, Mode]] = [(at, mode) for at in range(len(ROWS)) for mode in get_args(Mode)]

    async def find_all() -> list[Found | BaseException]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(at: int, mode: Mode) -> Found:
            async with turns:
                return await find(tmp_path_factory.mktemp(f"row-{at}"), ROWS[at], mode)

        return await asyncio.gather(*(in_turn(at, mode) for at, mode in cases), return_exceptions=True)

    return dict(zip(cases, asyncio.run(find_all()), strict=True))


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("at", range(len(ROWS)), ids=lambda at: f"{ROWS[at].number}-{'-'.join(ROWS[at].collectors)}")
def test_a_row_of_the_table(found: dict[tuple[int, Mode], Found | BaseException], at: int, mode: Mode) -> None:
    """What each collector did decides outcome, fallback and dead letters; and then it is acknowledged.

    For each of the three methods, and for ``handle_batch``.
    """
    row, seen = ROWS[at], found[at, mode]
    if isinstance(seen, BaseException):
        raise seen
    assert seen.outcomes == {row.outcome: EVENTS}
    assert sorted(seen.stored) == (sorted(seen.ids) if row.stored else [])
    assert seen.letters == sorted((name, each) for name in row.letters for each in seen.ids)
    times = {name: row.calls.get(name, 1) for name in row.collectors}
    assert seen.calls == {name: dict.fromkeys(seen.ids, count) if count else {} for name, count in times.items()}
    assert seen.unacknowledged == 0


def test_every_row_of_the_readme_is_tested() -> None:
    """By the number in its first column; the rows that are no answer of a collector have tests of their own here."""
    lines = README.read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("## What comes of an event"))
    numbers = {line.split("|")[1].strip() for line in lines[start:] if line.startswith("| ")}
    own = {"14", "15", "17", "18", "19", "20"}
    assert {number for number in numbers if number.isdigit()} == {row.number for row in ROWS} | own


@pytest.mark.parametrize("mode", get_args(Mode))
async def test_14_a_failing_fallback_is_a_retry(tmp_path: Path, mode: Mode) -> None:
    """Of the fallback alone: no collector is called again, and until it has stored them nothing is acknowledged."""
    deciding = Deciding(tmp_path, mode, {"a": passes(), "b": passes()})
    deciding.database.mkdir(parents=True)  # a folder stands where its file should be
    ids = await deciding.write()
    async with deciding.running():
        await until(lambda: deciding.service.health.is_halted_at("sink fallback"), DEADLINE_SECONDS)
        await until(
            lambda: deciding.ended("a", "passed") + deciding.ended("b", "passed") == 2 * EVENTS, DEADLINE_SECONDS
        )
        assert deciding.records("fallback") == 0
        deciding.database.rmdir()
        await until(lambda: deciding.records("fallback") == EVENTS, DEADLINE_SECONDS)
    assert sorted(deciding.stored) == sorted(ids)
    for name in ("a", "b"):
        assert dict(deciding.calls(name)) == dict.fromkeys(ids, 1)


async def test_15_what_the_fallback_can_never_store_is_a_dead_letter_of_its_own(tmp_path: Path) -> None:
    """Named so; the collector that passed it is not called again."""
    fallback = {"path": "sink://elasticsearch", "config": {"elasticsearch_url": "http://127.0.0.1:9"}}
    deciding = Deciding(tmp_path, "singly", {"a": passes()}, fallback=fallback)
    ids = await deciding.write(occurred_at=1_000_000_000_000_000)  # of 2001: no index is made for that
    assert await deciding.run_until_finished(EVENTS) == {"dead_lettered": EVENTS}
    assert deciding.letters == sorted(("fallback", each) for each in ids)
    assert dict(deciding.calls("a")) == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("mode", get_args(Mode))
async def test_17_outcomes_are_each_event_s_own(tmp_path: Path, mode: Mode) -> None:
    """Of several events each goes its own way, however they were given: handled, passed, again, never."""
    deciding = Deciding(tmp_path, mode, {"a": {**REPLACES, "max_attempts": 3}})
    ids = await deciding.write(exchanges=4)
    kinds = {each[-1]: [name for name in ids if name[-1] == each[-1]] for each in ids}
    own = [("handled",), ("passed",), ("failed", "handled"), ("failed",)]
    ways = {name: own[at] for each in kinds.values() for at, name in enumerate(each)}
    script = deciding.scripts["a"]

    def answer(event_id: str) -> Any:
        script.calls[event_id] += 1
        return ways[event_id][min(script.calls[event_id], len(ways[event_id])) - 1]

    script._next = answer  # type: ignore[method-assign]
    assert await deciding.run_until_finished(len(ids)) == {"delivered": 6, "fallback": 3, "dead_lettered": 3}
    assert sorted(deciding.stored) == sorted(name for name, way in ways.items() if way == ("passed",))
    assert deciding.letters == sorted(("a", name) for name, way in ways.items() if way == ("failed",))
    assert dict(script.calls) == {
        name: {2: 2, 1: 1}[len(way)] if way != ("failed",) else 3 for name, way in ways.items()
    }


@pytest.mark.parametrize("mode", get_args(Mode))
async def test_18_after_a_crash_all_are_called_again(tmp_path: Path, mode: Mode) -> None:
    """Who handled it too, with the same ids; what the fallback already had it has once."""
    deciding = Deciding(tmp_path, mode, {"a": handles(SUPPLEMENTS), "b": {**SUPPLEMENTS, "answers": ("hangs",)}})
    ids = await deciding.write()
    async with deciding.running(crashes=True):
        await until(lambda: deciding.ended("a", "handled") == EVENTS, DEADLINE_SECONDS)
        await until(lambda: sum(deciding.calls("b").values()) > 0, DEADLINE_SECONDS)
    assert deciding.stored == []
    deciding.scripts["b"].answers = ("handled",)
    async with deciding.running(crashes=True):
        await until(lambda: len(deciding.stored) == EVENTS, DEADLINE_SECONDS)  # and not committed
    await deciding.run_until_finished(EVENTS)
    assert sorted(deciding.stored) == sorted(ids)
    assert set(deciding.calls("a").values()) == {3}


async def test_19_what_is_revoked_meanwhile_is_nobody_s_here(tmp_path: Path) -> None:
    """A graceful stop that cannot wait for all: nothing of it is acknowledged, nothing is given to the fallback."""
    deciding = Deciding(
        tmp_path, "singly", {"a": passes(), "b": {**REPLACES, "answers": ("hangs",)}}, timeout_ms=60_000
    )
    deciding.drain_seconds = 0.3
    deciding.new_life()
    ids = await deciding.write()
    async with deciding.running():
        await until(lambda: deciding.ended("a", "passed") == EVENTS, DEADLINE_SECONDS)
    assert deciding.stored == []
    deciding.drain_seconds = 30.0
    deciding.new_life()
    deciding.scripts["b"].answers = ("passed",)
    assert await deciding.run_until_finished(EVENTS) == {"fallback": EVENTS}
    assert dict(deciding.calls("a")) == dict.fromkeys(ids, 2)


async def test_20_one_that_is_away_holds_up_its_own_lane_alone(tmp_path: Path) -> None:
    """The others have every event that the flow's bound lets in; acknowledged is only what all are done with."""
    away = {"path": "sink://elasticsearch", "config": {"elasticsearch_url": "http://127.0.0.1:9"}}
    deciding = Deciding(tmp_path, "in_frames", {"a": handles(REPLACES), "es": away})
    ids = await deciding.write(exchanges=20)
    async with deciding.running(crashes=True):
        await until(lambda: deciding.ended("a", "handled") == len(ids), DEADLINE_SECONDS)
        await until(lambda: deciding.service.health.has("sink es"), DEADLINE_SECONDS)
        more = await deciding.write(exchanges=5)
        await until(lambda: deciding.ended("a", "handled") == len(ids) + len(more), DEADLINE_SECONDS)
        assert deciding.records("delivered") == 0
        assert not deciding.service.health.is_ready
    async with deciding.running(crashes=True):
        await until(lambda: deciding.ended("a", "handled") == len(ids) + len(more), DEADLINE_SECONDS)
    assert set(deciding.calls("a").values()) == {2}
