"""Write-offs: what a dead host holds is taken back by hand, once, and stands in the audit."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.control import write_off as write_off_module
from gateway.control.database import ControlDatabase
from gateway.control.entities import Actor
from gateway.control.errors import InvalidError
from gateway.control.ledger import ALIVE_MICROS, ControlLedger
from gateway.control.tables import AUDIT
from gateway.control.write_off import HostHoldings, holdings, write_off
from sluice.clock import now_micros
from tests.gateway.control.test_ledger import KEY, Alerts, a_slice

ACTOR = Actor("command")


@pytest.fixture(name="ledger")
async def with_a_dead_host(database: ControlDatabase, monkeypatch: pytest.MonkeyPatch) -> ControlLedger:
    """Host ``a`` has 1000, spent 200 of it and was not heard of for a minute."""
    ledger = ControlLedger(database, 1.0, Alerts())
    await ledger.report("a", [a_slice(need=100)])
    await ledger.report("a", [a_slice(spent_nanos=200)])
    later = now_micros() + ALIVE_MICROS + 1
    monkeypatch.setattr(write_off_module, "now_micros", lambda: later)
    return ledger


async def test_what_is_taken_back_can_be_granted_again(ledger: ControlLedger, database: ControlDatabase) -> None:
    """All that was not reported as spent, and no more; a second time there is nothing."""
    assert await holdings(database) == [HostHoldings("a", 800, is_alive=False)]
    assert [(each.key, each.nanos) for each in await write_off(database, "a", ACTOR)] == [(KEY, 800)]
    assert await write_off(database, "a", ACTOR) == []
    assert await holdings(database) == []
    (answer,) = await ledger.report("b", [a_slice(need=300)])
    assert answer.granted_nanos == 800


async def test_a_host_that_comes_back_learns_of_it(ledger: ControlLedger, database: ControlDatabase) -> None:
    """Before it admits anything, and with each report."""
    await write_off(database, "a", ACTOR)
    ((_, _, answer),) = await ledger.slices_of("a")
    assert (answer.granted_nanos, answer.written_off_nanos) == (1000, 800)
    (answer,) = await ledger.report("a", [a_slice(granted_nanos=1000, spent_nanos=200)])
    assert (answer.written_off_nanos, answer.available_nanos) == (800, 800)


async def test_the_audit_says_who_and_what(ledger: ControlLedger, database: ControlDatabase) -> None:
    """Once, and not where nothing was taken back."""
    assert await ledger.slices_of("a")
    for _ in range(2):
        await write_off(database, "a", ACTOR)
    async with database.read() as connection:
        (entry,) = (await connection.execute(select(AUDIT))).all()
    assert (entry.actor, entry.action, entry.kind) == ("command", "write_off", "budget")
    assert entry.after["host"] == "a"
    assert [slice_["nanos"] for slice_ in entry.after["slices"]] == [800]


async def test_a_living_host_keeps_what_it_has(
    ledger: ControlLedger, database: ControlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it is meant."""
    (answer,) = await ledger.report("b", [a_slice(limit=5000, need=100)])
    assert answer.granted_nanos == 4000
    monkeypatch.setattr(write_off_module, "now_micros", now_micros)
    with pytest.raises(InvalidError, match="heard of within the last minute"):
        await write_off(database, "b", ACTOR)
    assert [each.nanos for each in await write_off(database, "b", ACTOR, even_if_alive=True)] == [4000]
