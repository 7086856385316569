"""The laws of budgets, under any order of hosts, workers, crashes, returns, recalls and ends of periods.

1 what is given out is never more than the limit   2 what an exchange cost is charged once
3 what is left is never below zero, but by what exchanges cost beyond what was held
4 what is held is what exchanges under way hold
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.access.budget_rows import FORGOTTEN, IS_KNOWN, Budget, BudgetRows
from gateway.access.ledger import APP, APP_LLM, LLM, Slice
from gateway.access.settlement import Rows, Settlements, Worth
from gateway.access.shared_table import OPEN, RESERVED, SPENT, Key, SharedTable
from gateway.control.grants import answer_of
from tests.gateway.access.killing import Killed, dying_after
from tests.gateway.access.memory_ledger import MemoryLedger

HOSTS, WORKERS = ("a", "b"), ("w0", "w1")
KEYS: tuple[Key, ...] = ((APP, 1, 0, 0), (LLM, 0, 2, 0), (APP_LLM, 1, 2, 0))
NEVER = 10_000
"""More stores than any step has."""
WORKER = st.tuples(st.sampled_from(HOSTS), st.sampled_from(WORKERS))
STORES = st.sampled_from([NEVER] * 40 + list(range(60)))
MOSTLY = st.sampled_from([True, True, True, True, False])


@dataclass
class Slot:
    """What the in-flight file and the journal have of an exchange; both survive a kill."""

    rows: Rows
    keys: tuple[Key, ...]
    held: int
    recorded: int | None = None


@dataclass
class Worker:
    """A process; ``slots`` outlives it."""

    folder: Path
    name: str
    slots: dict[str, Slot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = SharedTable(self.folder, self.name, max_rows=64)
        self.rows = BudgetRows(self.table)
        self.settlements = Settlements(self.table)


class BudgetLaws(RuleBasedStateMachine):
    """Two hosts of two workers, one ledger, three budgets."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.workers = {(host, name): Worker(self.folder / host, name) for host in HOSTS for name in WORKERS}
        self.ledger = MemoryLedger()
        self.limits = dict.fromkeys(KEYS, 0)
        self.charged = dict.fromkeys(KEYS, 0)
        self.exceeded = dict.fromkeys(KEYS, 0)
        self.number = 0
        self.old: list[tuple[str, list[Slice]]] = []

    def teardown(self) -> None:
        """Leave no files."""
        for worker in self.workers.values():
            worker.table.close()
        shutil.rmtree(self.folder)

    @initialize(limits=st.lists(st.integers(50, 600), min_size=3, max_size=3))
    def begin(self, limits: list[int]) -> None:
        """With some limits."""
        self.limits = dict(zip(KEYS, limits, strict=True))

    @rule(
        at=WORKER, amount=st.integers(0, 40), chosen=st.sampled_from([1, 1, 3, 5, 7, 7]), stores=STORES, is_heard=MOSTLY
    )
    def admit(self, at: tuple[str, str], amount: int, chosen: int, stores: int, is_heard: bool) -> None:
        """Hold; ask the ledger once where that is not here; its answer may get lost with the worker that asked."""
        worker = self.workers[at]
        keys = tuple(key for bit, key in enumerate(KEYS) if chosen >> bit & 1)
        budgets = [Budget(key, NEVER, self.limits[key]) for key in keys]
        try:
            with dying_after(worker.table, stores):
                found = worker.rows.hold(budgets, amount)
                if not isinstance(found, tuple):
                    needs = {each.budget.key: each.lacking_nanos for each in found}
                    self.tell(at, needs, is_heard=is_heard)
                    found = worker.rows.hold(budgets, amount)
        except Killed:
            self.die(at)
            return
        if isinstance(found, tuple):
            self.number += 1
            worker.slots[str(UUID(int=self.number))] = Slot(found, keys, amount)

    @precondition(lambda self: self.under_way())
    @rule(pick=st.integers(0, 100), cost=st.integers(0, 60), stores=STORES, is_recorded=MOSTLY)
    def finish(self, pick: int, cost: int, stores: int, is_recorded: bool) -> None:
        """Record and settle; or die in between, or before the record."""
        under_way = self.under_way()
        at, exchange_id = under_way[pick % len(under_way)]
        worker = self.workers[at]
        if not is_recorded:
            self.die(at)
            return
        worker.slots[exchange_id].recorded = cost
        try:
            with dying_after(worker.table, stores):
                self.settle(worker, exchange_id)
        except Killed:
            self.die(at)

    @precondition(lambda self: self.number)
    @rule(at=WORKER)
    def report(self, at: tuple[str, str]) -> None:
        """Tell all there is to tell."""
        self.tell(at, dict.fromkeys(self.known(at), 0))

    @precondition(lambda self: self.old)
    @rule(pick=st.integers(0, 1000))
    def repeat(self, pick: int) -> None:
        """An old report arrives again, late: it asks for nothing, the ledger changes nothing."""
        host, slices = self.old[pick % len(self.old)]
        self.ledger.report_now(host, [told._replace(needed_nanos=0, least_nanos=0) for told in slices])

    @precondition(lambda self: self.number)
    @rule(at=WORKER, key=st.sampled_from(KEYS), stores=STORES)
    def give_back(self, at: tuple[str, str], key: Key, stores: int) -> None:
        """What is idle, whether it was recalled or not; the report of it may get lost."""
        worker = self.workers[at]
        try:
            with dying_after(worker.table, stores), worker.table.lock:
                row = worker.table.find(key)
                if row >= 0:
                    worker.rows.give_back(row)
        except Killed:
            self.die(at)
            return
        self.tell(at, dict.fromkeys(self.known(at), 0), is_yielded=True)

    @rule(key=st.sampled_from(KEYS), more=st.integers(0, 100))
    def raise_limit(self, key: Key, more: int) -> None:
        """An operator gives more."""
        self.limits[key] += more

    @precondition(lambda self: self.under_way())
    @rule(pick=st.integers(0, 100))
    def restart_host(self, pick: int) -> None:
        """Every worker of a host dies, and the ledger is asked before anything is admitted."""
        under_way = self.under_way()
        at, _ = under_way[pick % len(under_way)]
        host, _ = at
        for name in WORKERS:
            self.die((host, name))
        worker = self.workers[at]
        for key, hosts in self.ledger.parts.items():
            if host in hosts:
                worker.rows.take_note(key, NEVER, answer_of(hosts[host], 0))

    @precondition(lambda self: self.number)
    @rule(at=WORKER, key=st.sampled_from(KEYS), stores=STORES)
    def end_row(self, at: tuple[str, str], key: Key, stores: int) -> None:
        """A period is over: what was reported and is not open leaves its row to others, and may still be asked for."""
        worker = self.workers[at]
        self.tell(at, dict.fromkeys(self.known(at), 0))
        try:
            with dying_after(worker.table, stores), worker.table.lock:
                row = worker.table.find(key)
                if row >= 0 and not worker.rows.is_open(row) and worker.rows.is_reported(row):
                    worker.table.free(row)
        except Killed:
            self.die(at)

    @invariant()
    def never_more_than_the_limit_is_given(self) -> None:
        """Law 1."""
        for key in KEYS:
            assert self.ledger.given(key) <= self.limits[key]

    @invariant()
    def nothing_is_charged_twice_or_lost(self) -> None:
        """Law 2."""
        for key in KEYS:
            spent = 0
            for host in HOSTS:
                spent += self.spent(host, key)
            assert spent == self.charged[key]

    @invariant()
    def what_is_left_is_never_below_zero(self) -> None:
        """Law 3; and no host believes that it has more than the ledger gave it.

        A kill in the middle of taking note leaves a host with what was taken away and without what was granted: less
        than is true, until the ledger is heard again.
        """
        for host in HOSTS:
            worker = self.workers[host, WORKERS[0]]
            for key in KEYS:
                if told := self.told(worker, key):
                    room = worker.rows.room(Budget(key, NEVER, 1 << 60))
                    part = self.ledger.parts.get(key, {}).get(host)
                    unheard = max((part.granted if part else 0) - told.granted_nanos, 0)
                    assert room >= -self.exceeded[key] - unheard
                    assert told.granted_nanos <= (part.granted if part else 0)
                    assert told.granted_nanos - told.returned_nanos <= (part.given if part else 0)

    @invariant()
    def what_is_held_is_held_by_somebody(self) -> None:
        """Law 4."""
        for host in HOSTS:
            table = self.workers[host, WORKERS[0]].table
            slots = [slot for name in WORKERS for slot in self.workers[host, name].slots.values()]
            for key in KEYS:
                with table.lock:
                    row = table.find(key)
                    held = [slot.held for slot in slots if key in slot.keys]
                    expected = (sum(held), len(held))
                    assert expected == ((table.total(row, RESERVED), table.total(row, OPEN)) if row >= 0 else (0, 0))

    def under_way(self) -> list[tuple[tuple[str, str], str]]:
        """Every exchange that holds something, with its worker."""
        return [(at, each) for at, worker in self.workers.items() for each in sorted(worker.slots)]

    def known(self, at: tuple[str, str]) -> list[Key]:
        """The budgets that a host has rows of."""
        table = self.workers[at].table
        with table.lock:
            return [key for key in KEYS if table.find(key) >= 0]

    def told(self, worker: Worker, key: Key) -> Slice | None:
        """What a host would say now."""
        with worker.table.lock:
            row = worker.table.find(key)
            return worker.rows.slice_of(row) if row >= 0 else None

    def spent(self, host: str, key: Key) -> int:
        """What a host has spent, as it will have been told in the end."""
        table = self.workers[host, WORKERS[0]].table
        part = self.ledger.parts.get(key, {}).get(host)
        heard = part.spent if part else 0
        with table.lock:
            row = table.find(key)
            if row < 0:
                return heard
            at, own = table.at(row), table.total(row, SPENT)
            return own + (table.words[at + FORGOTTEN] if table.words[at + IS_KNOWN] else heard)

    def tell(
        self, at: tuple[str, str], needs: dict[Key, int], *, is_heard: bool = True, is_yielded: bool = False
    ) -> None:
        """One round with the ledger."""
        worker = self.workers[at]
        slices = []
        with worker.table.lock:
            for key, need in needs.items():
                row = worker.table.row(key, NEVER)
                slices.append(worker.rows.slice_of(row, need, need, is_yielded=is_yielded))
        answers = self.ledger.report_now(at[0], slices)
        self.old.append((at[0], slices))
        if not is_heard:
            raise Killed
        for told, answer in zip(slices, answers, strict=True):
            worker.rows.take_note(told.key, NEVER, answer, told)

    def settle(self, worker: Worker, exchange_id: str) -> None:
        """As the recorder and recovery do; the slot knows what the record says."""
        slot = worker.slots[exchange_id]
        cost = slot.recorded or 0

        def clear() -> None:
            del worker.slots[exchange_id]
            for key in slot.keys:
                self.charged[key] += cost
                self.exceeded[key] += max(cost - slot.held, 0)

        worker.settlements.settle(exchange_id, slot.rows, slot.held, Worth(cost), clear)

    def die(self, at: tuple[str, str]) -> None:
        """Kill a worker; the next one of its name recovers before it serves."""
        old = self.workers[at]
        old.table.close()
        new = self.workers[at] = Worker(old.folder, old.name, old.slots)
        settled = new.settlements.finish_redo()
        if settled in new.slots:
            slot = new.slots.pop(settled)
            for key in slot.keys:
                self.charged[key] += slot.recorded or 0
                self.exceeded[key] += max((slot.recorded or 0) - slot.held, 0)
        new.settlements.end_redo()
        for exchange_id, slot in list(new.slots.items()):
            slot.recorded = slot.held if slot.recorded is None else slot.recorded
            self.settle(new, exchange_id)
        new.table.let_go()


TestBudgetLaws = BudgetLaws.TestCase
TestBudgetLaws.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
