"""What a host asks of the ledger of budgets, whoever keeps it: the control database, or in tests a dict.

A host tells what it holds and spent, all of it cumulative, so that nothing is counted twice and nothing is lost when an
answer does not arrive: granted, returned and spent only ever grow, and both sides keep the larger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.shared_table import Key

APP: Final = 1
LLM: Final = 2
APP_LLM: Final = 3
SCOPES: Final = {APP: "app", LLM: "llm", APP_LLM: "app_llm"}
"""The kinds of budgets, and how events, the database and people call them."""


class LedgerUnavailableError(Exception):
    """The ledger cannot be asked now; nothing is known of what it did."""


class Slice(NamedTuple):
    """What a host says of its part of one budget in one period, and what it asks for."""

    key: Key
    period_end: int
    limit_nanos: int
    """As of the last exchange that was admitted under it; 0 where none was."""
    granted_nanos: int
    returned_nanos: int
    spent_nanos: int
    requests: int
    prompt_tokens: int
    response_tokens: int
    needed_nanos: int = 0
    """What all who wait lack together; 0 asks for nothing."""
    least_nanos: int = 0
    """What the smallest of them lacks: less helps nobody."""
    is_yielded: bool = False
    """Whether what was idle has been returned, as the ledger recalled."""


class SliceAnswer(NamedTuple):
    """What the ledger says of a host's part of one budget in one period."""

    granted_nanos: int
    """Cumulative, with what was granted just now."""
    returned_nanos: int
    """Cumulative; more than the host knows where it made the row anew."""
    written_off_nanos: int
    """What an operator took back when this host seemed dead."""
    spent_nanos: int
    """The most this host ever reported."""
    available_nanos: int
    """What could still be granted."""
    is_recalling: bool = False
    """Whether other hosts have been asked to return what they do not use."""


class Recalls(NamedTuple):
    """What the ledger wants back from a host, as far as it is idle."""

    keys: tuple[Key, ...] = ()
    has_company: bool = False
    """Whether other hosts live, who may want something."""


class Ledger(Protocol):
    """Grants parts of budgets to hosts, never more than the budget."""

    async def report(self, host: str, slices: Sequence[Slice]) -> list[SliceAnswer]:
        """Take note of what a host says, and grant what it asks for where it can. Raises LedgerUnavailableError."""
        ...

    async def slices_of(self, host: str) -> list[tuple[Key, int, SliceAnswer]]:
        """Every slice of a host whose period is not over, with the period's end. Raises LedgerUnavailableError."""
        ...

    async def recalls(self, host: str) -> Recalls:
        """What the host shall return; to ask is to say that it lives. Raises LedgerUnavailableError."""
        ...
