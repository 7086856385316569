"""Budgets on the way of an exchange: what is held, what is refused, what is charged."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.access.budgets import budgets_of
from gateway.access.input_tokens import count_input
from gateway.access.ledger import APP, APP_LLM, LLM, Slice
from gateway.access.shared_table import SharedTable, TableFullError
from gateway.access.worst_case import worst_case
from gateway.exchange import Exchange
from gateway.outcomes import BudgetExceeded
from sluice.clock import now_micros
from sluice.dev.vendor import MockVendor
from sluice.money.cost import cost_nanos
from sluice.money.nanos import format_nanos
from sluice.money.periods import period_at
from sluice.money.usage import Usage
from tests.gateway.access.memory_ledger import MemoryLedger
from tests.gateway.access.sharing import a_share, answering, held_in, spent_in
from tests.gateway.flow import running
from tests.gateway.test_exchange import a_snapshot, an_exchange

SNAPSHOT, DEMO = a_snapshot()
NOW = now_micros()
BODY = {"model": "gpt-4o-mini", "messages": [], "max_tokens": 50}
SLOW_LEDGER: dict[str, Any] = {"ask_timeout_seconds": 20}


def apps(**values: Any) -> list[dict[str, Any]]:
    """The app of the flow's token, with these fields."""
    return [
        {"id": 1, "name": "tests", "user_id": 7, "llms": ["demo", "nowhere"], **values},
        {"id": 2, "name": "stranger"},
    ]


def tokens_of(body: dict[str, Any]) -> int:
    """What admission counts as input."""
    return count_input(httpx.Request("POST", "http://x", json=body).content, DEMO, body["model"]).tokens


def cost_of(prompt: int, response: int) -> int:
    """In nanos."""
    price = SNAPSHOT.prices.find("openai", "gpt-4o-mini", 1 << 60)
    assert price
    return cost_nanos(price, Usage(prompt, response))


def actual(prompt: int, response: int, more: str = "") -> str:
    """A vendor's script that counts so many tokens."""
    return f"prompt_tokens={prompt};response_tokens={response};{more}"


async def test_a_burst_spends_a_budget_to_its_end_and_not_beyond(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """200 at once where 37 fit and cost what was held: exactly 37 succeed; the others are told why; nothing is held."""
    prompt = tokens_of(BODY)
    cost = cost_of(prompt, 50)
    sections = {"apps": apps(monthly_budget=format_nanos(37 * cost)), "budget": SLOW_LEDGER}
    async with running(tmp_path, mock_vendor.url, **sections) as flow:
        script = actual(prompt, 50, "delay_ms=20")
        answers = await asyncio.gather(*(flow.post(body=BODY, script=script) for _ in range(200)))
        await flow.recorded(200)
        refused = [answer for answer in answers if answer.status_code == 403]
        assert sum(answer.status_code == 200 for answer in answers) == 37
        assert len(refused) == 163
        assert {(answer.json()["message"], answer.json()["code"]) for answer in refused} == {
            ("Budget limit exceeded", "budget_exceeded")
        }
        said = {events["proxy_log"]["error_message"] for events in flow.log.exchanges} - {""}
        assert said == {
            f"Budget limit exceeded ({prompt} tokens of input, counted by tokenizer, and up to 50 of output)"
        }
        assert spent_in(flow.share.table, APP) == 37 * cost
        assert held_in(flow.share.table) == [(0, 0)]
        assert sum("budget" in events for events in flow.log.exchanges) == 37


@pytest.mark.parametrize(
    ("script", "body", "outcome"),
    [
        ("", BODY, "ok"),
        ("status=500", BODY, "upstream_error"),
        ("garbage=1", BODY, "upstream_error"),
        ("hang=head", BODY, "upstream_timeout"),
        ("cut_after=1", {**BODY, "stream": True}, "upstream_error"),
        ("", {**BODY, "stream": True}, "ok"),
    ],
)
async def test_what_is_charged_is_what_the_budget_event_says(
    mock_vendor: MockVendor, tmp_path: Path, script: str, body: dict[str, Any], outcome: str
) -> None:
    """However the exchange ended; then nothing is held."""
    patience = 0.3 if outcome == "upstream_timeout" else 20
    upstream = {"upstream": {"first_byte_timeout_seconds": patience, "retries": 0}}
    sections = {"apps": apps(monthly_budget="10", llm_budgets={"demo": "5"}), "budget": SLOW_LEDGER}
    async with running(tmp_path, mock_vendor.url, gateway=upstream, **sections) as flow:
        with contextlib.suppress(httpx.RemoteProtocolError):
            await flow.post(body=body, script=script)
        events = await flow.recorded()
        assert events["proxy_log"]["outcome"] == outcome
        charged = events["budget"]["cost_nanos"] if "budget" in events else 0
        assert (charged > 0) is (outcome != "upstream_error" or script != "status=500")
        assert spent_in(flow.share.table, APP) == spent_in(flow.share.table, APP_LLM) == charged
        assert held_in(flow.share.table) == [(0, 0), (0, 0)]


async def test_who_was_not_called_is_charged_nothing(tmp_path: Path) -> None:
    """A vendor that cannot be reached."""
    async with running(tmp_path, "http://127.0.0.1:1/v1", apps=apps(monthly_budget="10"), budget=SLOW_LEDGER) as flow:
        assert (await flow.post("nowhere", body=BODY)).status_code == 502
        await flow.recorded()
        assert (spent_in(flow.share.table, APP), held_in(flow.share.table)) == (0, [(0, 0)])


DEFAULT_TOKENS = 4096
"""Of output, where neither a request nor its LLM names a maximum."""


class Bench:
    """Budgets of an app, with a ledger that a test may stop."""

    def __init__(self, folder: Path, *, app: dict[str, Any] | None = None, **budget: Any) -> None:
        self.ledger = MemoryLedger()
        self.snapshot, self.llm = a_snapshot(apps=apps(**{"monthly_budget": "1", **(app or {})}))
        self.share = a_share(folder, self.ledger, **{"ask_timeout_seconds": 20, **budget})

    async def admit(
        self, model: str | None = "gpt-4o-mini", body: dict[str, Any] | None = None, **values: Any
    ) -> Exchange:
        """What admission does, from the price on."""
        raw = httpx.Request("POST", "http://x", json={"model": model, "messages": []} if body is None else body).content
        app = self.snapshot.apps[1]
        exchange = an_exchange(model=model, body=raw, app=app, llm=self.llm, choices=1, occurred_at=NOW, **values)
        exchange.price = self.snapshot.prices.find("openai", model, NOW) if model else None
        async with answering(self.share):
            await self.share.budgets.admit(exchange, self.llm, app, worst_case(exchange, self.llm, DEFAULT_TOKENS))
        return exchange

    async def code_of(self, *args: Any, **values: Any) -> str:
        """Why it is refused; nothing is held."""
        with pytest.raises(BudgetExceeded) as caught:
            await self.admit(*args, **values)
        assert all(held == (0, 0) for held in held_in(self.share.table))
        return caught.value.code


IMAGE = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": [
    {"type": "file", "file": {"file_id": "file-1"}}]}]}  # fmt: skip


async def test_what_has_no_bound_is_refused_or_held_as_told(tmp_path: Path) -> None:
    """``budget.unbounded``; by default nobody may spend what nobody can know."""
    assert await Bench(tmp_path / "a").code_of(body=IMAGE) == "unbounded_request"
    assert await Bench(tmp_path / "b").code_of(None) == "unbounded_request"
    bench = Bench(tmp_path / "c", unbounded="reserve", unbounded_reserve="0.25")
    assert (await bench.admit(body=IMAGE)).reserved_nanos == 250_000_000
    small = Bench(tmp_path / "d", unbounded="reserve", unbounded_reserve="0.000000001")
    assert (await small.admit(body=IMAGE)).reserved_nanos > 1


async def test_what_has_no_price_passes_or_is_refused_as_told(tmp_path: Path) -> None:
    """``budget.unpriced``; by default it passes, and holds nothing."""
    assert (await Bench(tmp_path / "a").admit("claude")).holds == ()
    assert await Bench(tmp_path / "b", unpriced="deny").code_of("claude") == "unpriced_model"


async def test_a_ledger_that_cannot_be_asked_closes_or_opens_as_the_app_says(tmp_path: Path) -> None:
    """``budget_fail``; what passes is held and will be charged all the same."""
    closed, opened = Bench(tmp_path / "a"), Bench(tmp_path / "b", app={"budget_fail": "open"})
    for bench in (closed, opened):
        bench.ledger.is_down = True
    assert await closed.code_of() == "budget_unavailable"
    exchange = await opened.admit()
    assert held_in(opened.share.table) == [(exchange.reserved_nanos, 1)]


async def test_a_table_without_room_is_a_ledger_that_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be held; the app's policy decides."""

    def full(*_: Any) -> int:
        message = "full"
        raise TableFullError(message)

    closed, opened = Bench(tmp_path / "a"), Bench(tmp_path / "b", app={"budget_fail": "open"})
    monkeypatch.setattr(SharedTable, "row", full)
    assert await closed.code_of() == "budget_unavailable"
    assert (await opened.admit()).holds == ()


async def test_what_this_host_alone_has_used_up_is_refused_without_asking(tmp_path: Path) -> None:
    """No ledger could give any more: who hammers an exhausted budget costs no transaction."""
    bench = Bench(tmp_path, app={"monthly_budget": format_nanos(cost_of(20, 100))})
    await bench.admit(max_response_tokens=60)
    asked = len(bench.ledger.told)
    with pytest.raises(BudgetExceeded):
        await bench.admit(max_response_tokens=60)
    assert len(bench.ledger.told) == asked


async def test_who_names_no_maximum_gets_the_most_it_can_pay(tmp_path: Path) -> None:
    """``budget.no_maximum: cap``: written into the request, within what is usual; then nothing is left."""
    bench = Bench(tmp_path, app={"monthly_budget": format_nanos(cost_of(2000, 5000))}, no_maximum="cap")
    first = await bench.admit()
    assert first.max_response_tokens == DEFAULT_TOKENS
    assert json.loads(first.body)["max_completion_tokens"] == DEFAULT_TOKENS
    second = await bench.admit()
    assert second.max_response_tokens
    assert 1000 < second.max_response_tokens < 1500
    assert json.loads(second.body)["max_completion_tokens"] == second.max_response_tokens
    left = bench.share.keeper.slices.rows.room(budgets_of(bench.snapshot.apps[1], bench.llm, NOW)[0])
    assert 0 <= left < cost_of(0, 1)
    assert held_in(bench.share.table) == [(first.reserved_nanos + second.reserved_nanos, 2)]
    with pytest.raises(BudgetExceeded):
        await bench.admit()


async def test_who_names_a_maximum_is_not_capped(tmp_path: Path) -> None:
    """It is refused where that does not fit."""
    bench = Bench(tmp_path, app={"monthly_budget": format_nanos(cost_of(2000, 5000))}, no_maximum="cap")
    exchange = await bench.admit(max_response_tokens=10)
    assert b"max_completion_tokens" not in exchange.body
    with pytest.raises(BudgetExceeded):
        await bench.admit(max_response_tokens=50_000)


async def test_what_another_host_does_not_use_is_asked_back(tmp_path: Path) -> None:
    """Within the time that asking may take; who got it was not refused."""
    bench = Bench(tmp_path)
    bench.ledger.fraction = 1.0
    budget = budgets_of(bench.snapshot.apps[1], bench.llm, NOW)[0]
    key, end, limit = budget
    told = Slice(key, end, limit, 0, 0, 0, 0, 0, 0, needed_nanos=1, least_nanos=1)
    bench.ledger.report_now("another", [told])
    assert bench.ledger.given(key) == limit

    async def give_back() -> None:
        while not (await bench.ledger.recalls("another")).keys:  # noqa: ASYNC110 - as a host looks
            await asyncio.sleep(0.001)
        back = told._replace(granted_nanos=limit, returned_nanos=limit, needed_nanos=0, least_nanos=0, is_yielded=True)
        bench.ledger.report_now("another", [back])

    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
        tasks.create_task(give_back())
        exchange = await bench.admit()
    assert exchange.holds


async def test_what_cost_more_than_was_held_is_counted(tmp_path: Path) -> None:
    """And charged."""
    bench = Bench(tmp_path)
    exchange = await bench.admit()
    exchange.cost_nanos = exchange.reserved_nanos + 17
    bench.share.budgets.settle(exchange, lambda: None)
    assert bench.share.budgets._metrics.reservation_exceeded.value() == 17
    assert spent_in(bench.share.table, APP) == exchange.cost_nanos


def test_budgets_have_their_scopes_and_periods() -> None:
    """The app's day and zone for the app and the app on the LLM, the LLM's day in UTC; 0 is none."""
    snapshot, llm = a_snapshot(
        apps=apps(monthly_budget="1", llm_budgets={"demo": "2", "nowhere": "0"}, budget_reset_day=9,
                  time_zone="Europe/Berlin"),
    )  # fmt: skip
    llm = replace(llm, monthly_budget_nanos=3, budget_reset_day=20)
    own, utc = period_at(NOW, 9, "Europe/Berlin"), period_at(NOW, 20, "UTC")
    assert budgets_of(snapshot.apps[1], llm, NOW) == [
        ((APP, 1, 0, own.start), own.end, 10**9),
        ((APP_LLM, 1, 1, own.start), own.end, 2 * 10**9),
        ((LLM, 0, 1, utc.start), utc.end, 3),
    ]
    nowhere = snapshot.llms_by_slug["nowhere"]
    assert [budget.key[0] for budget in budgets_of(snapshot.apps[1], nowhere, NOW)] == [APP]
    assert budgets_of(snapshot.apps[2], nowhere, NOW) == []
