"""Rate limits: requests and tokens a minute for app and LLM, concurrent exchanges for an app; over a host's workers.

An exchange is counted in all of its limits or in none, under one lock. Of tokens the worst case is counted (its input,
and the most it may be answered), and corrected to what it was when the exchange is settled. One that is larger than a
whole limit passes where nothing else is in the window. Who is refused here is counted nowhere.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.access.rates import REFUSED, Rates
from gateway.access.shared_table import OPEN, SharedTable, TableFullError
from gateway.outcomes import Overloaded, RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm

APP_REQUESTS, APP_TOKENS, LLM_REQUESTS, LLM_TOKENS, APP_OPEN = 8, 9, 10, 11, 12
"""Kinds of rows in the shared table. They are kept for good: an app's or an LLM's id is never given to another."""
_OF_APPS = frozenset({APP_REQUESTS, APP_TOKENS})
_MAX_PLANS = 65_536

Counted: TypeAlias = tuple[int, int, int]
"""A row, the bucket, and how much."""


class _Claim(NamedTuple):
    """One limit that an exchange must keep."""

    kind: int
    row: int
    limit: int


class _Plan(NamedTuple):
    """All limits that an app's exchanges with an LLM must keep, as long as both are what they are."""

    app: App
    llm: Llm
    requests: tuple[_Claim, ...]
    tokens: tuple[_Claim, ...]
    open_row: int
    max_open: int


class LimitHold(NamedTuple):
    """What an exchange has to give back: its place among the concurrent ones (-1 is none), and what it did not use."""

    open_row: int
    tokens: tuple[Counted, ...]


class Limits:
    """The limits of one worker's exchanges; ``gateways`` share each limit evenly (``limits.gateways``)."""

    def __init__(
        self, table: SharedTable, gateways: int = 1, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._table = table
        self._rates = Rates(table)
        self._gateways = gateways
        self._now = monotonic_ns
        self._plans: dict[tuple[int, int], _Plan] = {}

    def admit(self, exchange: Exchange, llm: Llm, app: App, tokens: int) -> None:
        """Count an exchange that may use so many tokens, 0 where nobody meters it; they matter only under a
        ``rate_limit_tpm``.

        Raises ``RateLimited``, or ``Overloaded`` where there is no room to count in.
        """
        if not (
            app.rate_limit_rpm or llm.rate_limit_rpm or app.rate_limit_tpm or llm.rate_limit_tpm or app.max_concurrent
        ):
            return
        try:
            with self._table.lock:
                exchange.limit_hold = self._take(llm, app, tokens)
        except (OSError, TableFullError) as error:
            message = f"limits cannot be counted: {error}"
            raise Overloaded(message) from error

    def settle(self, exchange: Exchange) -> None:
        """Count what an admitted exchange used in truth; it is not under way any more. Twice is once."""
        hold = exchange.limit_hold
        if hold is None:
            return
        exchange.limit_hold = None
        usage = exchange.usage
        used = 0 if usage is None else max(usage.prompt_tokens or 0, 0) + max(usage.response_tokens or 0, 0)
        with self._table.lock:
            if hold.open_row >= 0:
                self._table.own[self._table.cell_at(hold.open_row) + OPEN] -= 1
            for row, tick, reserved in hold.tokens:
                self._rates.correct(row, tick, used - reserved)

    def _take(self, llm: Llm, app: App, tokens: int) -> LimitHold | None:
        """Under the lock."""
        plan = self._plans.get((app.id, llm.id))
        if plan is None or plan.app is not app or plan.llm is not llm:
            plan = self._plan(llm, app)
        open_row, nanos = plan.open_row, self._now()
        if open_row >= 0 and self._table.total(open_row, OPEN) >= plan.max_open:
            raise _too_many_at_once(plan)
        requests = self._count(plan, plan.requests, 1, nanos, ())
        held = self._count(plan, plan.tokens, tokens, nanos, requests) if tokens and plan.tokens else ()
        if open_row >= 0:
            self._table.own[self._table.cell_at(open_row) + OPEN] += 1
        return LimitHold(open_row, held) if held or open_row >= 0 else None

    def _count(
        self, plan: _Plan, claims: tuple[_Claim, ...], amount: int, nanos: int, before: tuple[Counted, ...]
    ) -> tuple[Counted, ...]:
        """Take an amount of each; where one refuses, give back the others and what was taken ``before``."""
        counted = before
        for claim in claims:
            _, row, limit = claim
            fitting = min(amount, limit)
            tick = self._rates.take(row, nanos, fitting, limit)
            if tick == REFUSED:
                for other, bucket, taken in counted:
                    self._rates.correct(other, bucket, -taken)
                raise self._refusal(plan, claim, fitting, nanos)
            counted = (*counted, (row, tick, fitting))
        return counted[len(before) :]

    def _plan(self, llm: Llm, app: App) -> _Plan:
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        plan = self._plans[app.id, llm.id] = _Plan(
            app,
            llm,
            requests=self._claims(
                (APP_REQUESTS, app.id, app.rate_limit_rpm), (LLM_REQUESTS, llm.id, llm.rate_limit_rpm)
            ),
            tokens=self._claims((APP_TOKENS, app.id, app.rate_limit_tpm), (LLM_TOKENS, llm.id, llm.rate_limit_tpm)),
            open_row=self._table.row((APP_OPEN, app.id, 0, 0)) if app.max_concurrent else -1,
            max_open=self._share(app.max_concurrent),
        )
        return plan

    def _claims(self, *limits: tuple[int, int, int]) -> tuple[_Claim, ...]:
        """Of kinds, ids and limits."""
        row_of = self._table.row
        return tuple(
            _Claim(kind, row_of((kind, id_, 0, 0) if kind in _OF_APPS else (kind, 0, id_, 0)), self._share(limit))
            for kind, id_, limit in limits
            if limit
        )

    def _share(self, limit: int) -> int:
        return max(limit // self._gateways, 1)

    def _refusal(self, plan: _Plan, claim: _Claim, amount: int, nanos: int) -> RateLimited:
        kind, row, limit = claim
        used = self._rates.used(row, nanos)
        remaining = max(limit - used, 0)
        who = f"app {plan.app.name!r}" if kind in _OF_APPS else f"LLM {plan.llm.slug!r}"
        what, asked = ("requests", "") if claim in plan.requests else ("tokens", f"; this one may use {amount}")
        return RateLimited(
            f"{who} may have {limit} {what} a minute and has {remaining} left{asked}",
            limit=limit,
            remaining=remaining,
            reset_seconds=self._rates.seconds_until(row, nanos, used),
            retry_after_seconds=self._rates.seconds_until(row, nanos, used + amount - limit),
        )


def _too_many_at_once(plan: _Plan) -> RateLimited:
    """Nobody knows when an exchange will end: ask again in a second."""
    limit = plan.max_open
    message = f"app {plan.app.name!r} may have {limit} exchanges under way at once, and has them"
    return RateLimited(message, limit=limit, remaining=0, reset_seconds=1, retry_after_seconds=1)
