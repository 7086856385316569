"""The ledger in a database: what the rules decide is kept, whoever asks, also when many ask at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.access.ledger import APP, APP_LLM, LLM, LedgerUnavailableError, Slice
from gateway.access.shared_table import Key
from gateway.control import ledger as ledger_module
from gateway.control.database import ControlDatabase
from gateway.control.ledger import ControlLedger
from sluice.clock import now_micros

NOW = now_micros()
KEY: Key = (APP, 7, 0, NOW - 1_000_000)
END = NOW + 3_600_000_000


def a_slice(key: Key = KEY, *, limit: int = 1000, need: int = 0, **values: Any) -> Slice:
    """What a host that has nothing yet says, or what it is told to say."""
    plain = {"granted_nanos": 0, "returned_nanos": 0, "spent_nanos": 0, "requests": 0, "prompt_tokens": 0,
             "response_tokens": 0}  # fmt: skip
    return Slice(key=key, period_end=END, limit_nanos=limit, needed_nanos=need, least_nanos=need, **{**plain, **values})


class Alerts(list[dict[str, Any]]):
    """What operators were told."""

    def __call__(self, name: str, **fields: Any) -> None:
        """Remember it."""
        self.append({"name": name, **fields})


@pytest.fixture(name="alerts")
def no_alerts_yet() -> Alerts:
    """Nobody was told anything."""
    return Alerts()


@pytest.fixture(name="ledger")
def ledger_over(database: ControlDatabase, alerts: Alerts) -> ControlLedger:
    """Grants an eighth of what is available."""
    return ControlLedger(database, 0.125, alerts)


async def test_what_was_granted_is_kept(ledger: ControlLedger, database: ControlDatabase, alerts: Alerts) -> None:
    """By whichever worker of the host it is asked next, and by the next life of the host."""
    (answer,) = await ledger.report("a", [a_slice(need=100)])
    assert (answer.granted_nanos, answer.available_nanos) == (125, 875)
    again = ControlLedger(database, 0.125, alerts)
    assert [(key, end, each.granted_nanos) for key, end, each in await again.slices_of("a")] == [(KEY, END, 125)]
    assert await again.slices_of("b") == []


async def test_several_budgets_are_told_at_once(ledger: ControlLedger) -> None:
    """Of all scopes, each by itself; nothing to tell is no transaction's worth either."""
    keys: list[Key] = [KEY, (LLM, 0, 3, KEY[3]), (APP_LLM, 7, 3, KEY[3])]
    answers = await ledger.report("a", [a_slice(key, limit=100 * at, need=50) for at, key in enumerate(keys, 1)])
    assert [answer.granted_nanos for answer in answers] == [50, 50, 50]
    assert [answer.available_nanos for answer in answers] == [50, 150, 250]
    assert {key for key, _, _ in await ledger.slices_of("a")} == set(keys)


async def test_many_who_ask_at_once_get_no_more_than_there_is(database: ControlDatabase, alerts: Alerts) -> None:
    """Twelve hosts for what is enough for seven: seven get it."""
    ledgers = [ControlLedger(database, 0.01, alerts) for _ in range(12)]
    asked = [ledger.report(f"host-{at}", [a_slice(limit=700, need=100)]) for at, ledger in enumerate(ledgers)]
    answers = [answer for (answer,) in await asyncio.gather(*asked)]
    assert sorted(answer.granted_nanos for answer in answers) == [0] * 5 + [100] * 7


async def test_a_report_that_comes_twice_or_late_changes_nothing(ledger: ControlLedger) -> None:
    """Everything is a maximum."""
    await ledger.report("a", [a_slice(need=100)])
    new = a_slice(granted_nanos=125, returned_nanos=20, spent_nanos=60, requests=3, prompt_tokens=9, response_tokens=4)
    for told in (new, a_slice(spent_nanos=10)):
        await ledger.report("a", [told])
    (answer,) = await ledger.report("a", [new])
    assert (answer.granted_nanos, answer.spent_nanos, answer.available_nanos) == (125, 60, 895)


async def test_what_a_host_knows_it_was_granted_counts(ledger: ControlLedger) -> None:
    """A ledger that lost its last grants (a backup, a power cut) hears of them from the host."""
    (answer,) = await ledger.report("a", [a_slice(need=100, granted_nanos=600)])
    assert (answer.granted_nanos, answer.available_nanos) == (700, 300)


async def test_what_others_do_not_use_is_recalled(database: ControlDatabase, alerts: Alerts) -> None:
    """From hosts that live; it is theirs until they returned it; then whoever asks gets it."""
    one, other = (ControlLedger(database, 1.0, alerts) for _ in range(2))
    await one.report("a", [a_slice(need=100)])
    assert await one.recalls("a") == ((), False)
    (answer,) = await other.report("b", [a_slice(need=50)])
    assert (answer.granted_nanos, answer.is_recalling) == (0, True)
    assert await one.recalls("a") == ((KEY,), True)
    back = a_slice(granted_nanos=1000, returned_nanos=900, spent_nanos=100, is_yielded=True)
    await one.report("a", [back])
    (answer,) = await other.report("b", [a_slice(need=50)])
    assert answer.granted_nanos == 900
    assert await ControlLedger(database, 1.0, alerts).recalls("a") == ((), True)


async def test_the_dead_are_asked_for_nothing(
    database: ControlDatabase, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or everybody would wait for them at each request."""
    await ControlLedger(database, 1.0, alerts).report("a", [a_slice(need=100)])
    later = now_micros() + ledger_module.ALIVE_MICROS + 1
    monkeypatch.setattr(ledger_module, "now_micros", lambda: later)
    (answer,) = await ControlLedger(database, 1.0, alerts).report("b", [a_slice(need=50)])
    assert (answer.granted_nanos, answer.is_recalling) == (0, False)


async def test_a_lowered_limit_calls_slices_back(database: ControlDatabase, alerts: Alerts) -> None:
    """As soon as somebody reports under it, whether or not more is asked for."""
    one, other = (ControlLedger(database, 0.5, alerts) for _ in range(2))
    await one.report("a", [a_slice(need=500)])
    await other.report("b", [a_slice(need=100)])
    (answer,) = await other.report("b", [a_slice(limit=300)])
    assert (answer.available_nanos, answer.is_recalling) == (0, True)
    assert await one.recalls("a") == ((KEY,), True)


async def test_operators_are_told_once_for_each_threshold(ledger: ControlLedger, alerts: Alerts) -> None:
    """The highest that was reached, whichever host; again when a raised limit is reached."""
    for host, spent in (("a", 499), ("a", 500), ("b", 310), ("a", 550), ("a", 700), ("a", 800)):
        await ledger.report(host, [a_slice(spent_nanos=spent)])
    assert [alert["percent"] for alert in alerts] == [50, 80, 100]
    assert alerts[0] == {
        "name": "budget threshold reached", "scope": "app", "app_id": 7, "llm_id": None, "percent": 50,
        "spent_nanos": 500, "limit_nanos": 1000, "period_start": KEY[3], "period_end": END,
    }  # fmt: skip
    await ledger.report("a", [a_slice(limit=2000, spent_nanos=801)])
    await ledger.report("a", [a_slice(limit=2000, spent_nanos=1300)])
    assert [alert["percent"] for alert in alerts] == [50, 80, 100, 80]


async def test_a_database_that_is_gone_is_no_refusal(tmp_path: Path, alerts: Alerts) -> None:
    """What cannot be asked says so; it does not say no."""
    database = ControlDatabase(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    ledger = ControlLedger(database, 0.5, alerts)
    with pytest.raises(LedgerUnavailableError):
        await ledger.report("a", [a_slice(need=1)])
    with pytest.raises(LedgerUnavailableError):
        await ledger.slices_of("a")
    with pytest.raises(LedgerUnavailableError):
        await ledger.recalls("a")
    await database.close()
