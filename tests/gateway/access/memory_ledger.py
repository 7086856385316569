"""A ledger in memory, by the rules of the real one, for tests of what asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.access.ledger import LedgerUnavailableError, Recalls, Slice, SliceAnswer
from gateway.access.shared_table import Key
from gateway.control.grants import Books, Part, answer_of


@dataclass
class MemoryLedger:
    """Grants to any number of hosts; a test may stop it."""

    fraction: float = 0.125
    parts: dict[Key, dict[str, Part]] = field(default_factory=dict)
    budgets: dict[Key, tuple[int, int]] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)
    told: list[list[Slice]] = field(default_factory=list)
    is_down: bool = False

    async def report(self, host: str, slices: Sequence[Slice]) -> list[SliceAnswer]:
        """As ``Ledger.report``."""
        self.told.append(list(slices))
        return self.report_now(host, slices)

    def report_now(self, host: str, slices: Sequence[Slice]) -> list[SliceAnswer]:
        """As ``report``."""
        self.check()
        self.hosts.add(host)
        books = Books(len(self.told), self.parts, self.budgets, self.hosts, self.fraction)
        answers = [books.settle(host, told) for told in slices]
        for key, hosts in books.recalled.items():
            for other in hosts:
                self.parts[key][other].recall_at = 1
        return answers

    async def slices_of(self, host: str) -> list[tuple[Key, int, SliceAnswer]]:
        """As ``Ledger.slices_of``."""
        self.check()
        return [
            (key, hosts[host].period_end, answer_of(hosts[host], 0))
            for key, hosts in self.parts.items()
            if host in hosts
        ]

    async def recalls(self, host: str) -> Recalls:
        """As ``Ledger.recalls``."""
        self.check()
        self.hosts.add(host)
        keys = tuple(key for key, hosts in self.parts.items() if host in hosts and hosts[host].recall_at)
        return Recalls(keys, len(self.hosts) > 1)

    def check(self) -> None:
        """Whether it answers at all."""
        if self.is_down:
            message = "the test has stopped the ledger"
            raise LedgerUnavailableError(message)

    def given(self, key: Key) -> int:
        """What is out, all hosts together."""
        return sum(part.given for part in self.parts.get(key, {}).values())
