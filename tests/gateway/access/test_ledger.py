"""What a host and its ledger say to each other: names and defaults that others count on."""

from __future__ import annotations

from gateway.access.ledger import APP, APP_LLM, LLM, SCOPES, Ledger, Recalls, Slice, SliceAnswer
from gateway.control.ledger import ControlLedger
from schemas.events import Charge
from tests.gateway.access.memory_ledger import MemoryLedger


def test_scopes_are_called_as_in_events() -> None:
    """The numbers are in shared tables, the names in events and databases: neither may change."""
    assert {APP: "app", LLM: "llm", APP_LLM: "app_llm"} == SCOPES == {1: "app", 2: "llm", 3: "app_llm"}
    assert "app, llm or app_llm" in str(Charge.__annotations__["scope"])


def test_a_report_asks_for_nothing_unless_it_says_so() -> None:
    """Nor does it yield anything; nothing is wanted back."""
    told = Slice((APP, 1, 0, 0), 1, 2, 3, 4, 5, 6, 7, 8)
    assert (told.needed_nanos, told.least_nanos, told.is_yielded) == (0, 0, False)
    answer = SliceAnswer(1, 2, 3, 4, 5)
    assert not answer.is_recalling
    assert Recalls() == ((), False)


def test_both_ledgers_are_ledgers() -> None:
    """The type checker holds it; here so that somebody reads it."""
    kinds: tuple[type[Ledger], ...] = (MemoryLedger, ControlLedger)
    assert all(hasattr(kind, name) for kind in kinds for name in ("report", "slices_of", "recalls"))
