"""Exchanges: found by what is known of them, and one in full."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from gateway.console.collectors import Collectors
from sluice.clock import now_micros
from tests.gateway.console.running import HOUR, Console, Ledger


def where(*conditions: object) -> dict[str, str]:
    """A question of the last day with these conditions."""
    return {"where": orjson.dumps(conditions).decode(), "start": str(now_micros() - 24 * HOUR)}


async def test_pages_hold_every_exchange_once_newest_first(admin: httpx.AsyncClient, ledger: Ledger) -> None:
    """Page by page all of them are there, each with its tokens, its cost and its app's name."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await admin.get("exchanges", params={**where(), "limit": 30, "cursor": cursor})).json()
        found += page["exchanges"]
        cursor = page["cursor"]
    assert [each["exchange_id"] for each in found] == ledger.ids[::-1]
    assert sum(each["cost_nanos"] for each in found) == ledger.nanos
    assert {each["app"] for each in found} <= {"checkout", "support-bot", "search", "nightly-reports"}


async def test_conditions_find_what_they_say(admin: httpx.AsyncClient, ledger: Ledger) -> None:
    """What failed; what took long."""
    failed = (await admin.get("exchanges", params=where(["outcome", "not", ["ok"]]))).json()["exchanges"]
    assert len(failed) == ledger.requests - ledger.by_outcome["ok"]
    slow = (await admin.get("exchanges", params=where(["total_micros", "range", [1_000_000, None]]))).json()[
        "exchanges"
    ]
    assert slow
    assert all(each["total_micros"] >= 1_000_000 for each in slow)


async def test_one_in_full(admin: httpx.AsyncClient, ledger: Ledger) -> None:
    """By its id and by that of an event: timeline, price, events, bodies."""
    for asked in (ledger.ids[3], f"{ledger.ids[3]}-a"):
        story = (await admin.get(f"exchanges/{asked}")).json()
        assert story["exchange_id"] == ledger.ids[3]
        assert [each["is_there"] for each in story["events"]] == [True, True, True]
        assert story["timeline"][0]["name"] == "firewall"
        assert story["price"]["adds_up"]
        assert story["bodies"]["request"]["text"].startswith('{"model"')


async def test_bodies_and_headers_are_for_admins(reader: httpx.AsyncClient, ledger: Ledger) -> None:
    """Who looks only sees everything else; not a word of a prompt is in the answer."""
    answer = await reader.get(f"exchanges/{ledger.ids[3]}")
    assert answer.json()["bodies"] is None
    assert answer.json()["timeline"]
    assert "hello" not in answer.text
    assert "content-type: application/json" not in answer.text


PATHS = [
    "exchanges/01900000-none",
    "exchanges/%00",
    "exchanges/" + "x" * 200,
    "exchanges?cursor=garbage",
    "exchanges?limit=0",
    "exchanges?limit=9999",
]


async def test_what_is_not_there_or_no_id_is_said(admin: httpx.AsyncClient) -> None:
    """404 or 400, with a sentence."""
    for path in PATHS:
        answer = await admin.get(path)
        assert answer.status_code in {400, 404}
        assert answer.json()["message"]


async def test_each_sink_says_whether_it_has_the_events(
    console: Console, reader: httpx.AsyncClient, ledger: Ledger
) -> None:
    """By the collectors that carry them there: one that is away says so, and without any the page knows."""
    path = f"exchanges/{ledger.ids[0]}/sinks"
    assert (await reader.get(path)).json() == {"is_configured": False, "collectors": []}
    sinks = [{"sink": "rows", "kinds": ["budget"], "has": {"budget": True}, "problem": ""}]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "b":
            raise httpx.ConnectError("refused")
        assert request.url.path == f"/desk/sinks/{ledger.ids[0]}"
        return httpx.Response(200, json={"sinks": sinks})

    collectors = Collectors(["http://a:1", "http://b:1"], "", httpx.MockTransport(handler))
    object.__setattr__(console.parts, "collectors", collectors)
    first, second = (await reader.get(path)).json()["collectors"]
    assert (first["sinks"], first["problem"]) == (sinks, "")
    assert "http://b:1" in second["problem"]
    assert (await reader.get("exchanges/a'b/sinks")).status_code in {400, 422}
