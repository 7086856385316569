"""Tests of ``collectors.jobs.reprice.frames``: frames at new prices, otherwise as they were."""

from __future__ import annotations

from typing import Any

from collectors.columns import Decoder
from collectors.deliveries import Delivery, Frame
from collectors.jobs.filtering import Filter
from collectors.jobs.reprice.frames import CHANGED, RepricedOrigin, reprice_frame
from collectors.jobs.reprice.plan import KINDS
from collectors.jobs.reprice.repricing import Repricer
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from sluice.money.prices import PriceTable
from tests.collectors.events import make_record, partition_of
from tests.collectors.jobs.bench import MemoryOrigin
from tests.collectors.jobs.reprice.events import ATTEMPT, PRICE

REPRICER = Repricer(PriceTable([PRICE]))
COST = 12 * 2_000 + 34 * 8_000


def a_delivery() -> Delivery:
    """Of three apps, and a budget event."""
    delivery = Delivery()
    partition = partition_of("analytics")
    lane = Lane(partition)
    for app_id in (7, 8, 9):
        changes: dict[str, Any] = {"app_id": app_id, "attempts": [ATTEMPT], "cache_read_prompt_tokens": None}
        delivery.add(make_record("analytics", offset=app_id, **changes), lane)
    delivery.add(make_record("budget", offset=1), lane)
    return delivery


def frames() -> dict[str, Frame]:
    """As the log has them."""
    return {frame.kind: frame for frame in Decoder(SchemaBook()).decode(a_delivery()).frames}


def test_only_what_a_price_changes_is_changed() -> None:
    """All other columns, their types and their order stay."""
    old = frames()["analytics"]
    new = reprice_frame(old, REPRICER)
    assert new.rows.schema == old.rows.schema
    assert new.rows.drop(CHANGED).equals(old.rows.drop(CHANGED))
    assert new.rows["cost_nanos"].to_list() == [COST] * 3
    assert set(new.rows["price_version"]) == {"2"}


def test_a_filter_is_asked_of_events_as_they_were() -> None:
    """And the others stay, as they were: a day of them is whole."""
    old = frames()["analytics"]
    wants = Filter("app_id = 8 and cost_nanos = 123456789", KINDS).positions
    new = reprice_frame(old, REPRICER, wants)
    assert new.rows["cost_nanos"].to_list() == [123_456_789, COST, 123_456_789]
    assert reprice_frame(old, REPRICER, lambda _: []).rows.equals(old.rows)


def test_an_origin_gives_analytics_at_new_prices() -> None:
    """And all else as it is."""
    decoded = RepricedOrigin(MemoryOrigin({}), REPRICER).decoder(SchemaBook()).decode(a_delivery())
    found = {frame.kind: frame.rows for frame in decoded.frames}
    assert found["analytics"]["cost_nanos"].to_list() == [COST] * 3
    assert (
        found["budget"].drop("event_id", "exchange_id").equals(frames()["budget"].rows.drop("event_id", "exchange_id"))
    )
