"""Tests of ``sluice.sdk.wire.records``."""

from __future__ import annotations

import sys

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import App, User, wire
from tests.sluice.sdk.wire.strategies import APPS, USERS, for_all, sent


@for_all(APPS)
def test_an_app_comes_back_whole(app: App) -> None:
    """Budget in nanos, metadata of whatever kind."""
    assert wire.app_from_wire(sent(wire.app_to_wire(app))) == app


@for_all(USERS)
def test_a_user_comes_back_whole(user: User) -> None:
    """However large its number is."""
    assert wire.user_from_wire(sent(wire.user_to_wire(user))) == user


def test_peers_get_the_budget_in_currency_units_and_metadata_as_text() -> None:
    """What is unlimited is the largest number there is; a value that is no text is JSON."""
    message = wire.app_to_wire(App(id=1, metadata={"tier": "gold", "limits": {"a": 1}}))
    assert message.monthly_budget == sys.float_info.max
    assert dict(message.metadata) == {"tier": "gold", "limits": '{"a":1}'}
    assert wire.app_to_wire(App(id=1, monthly_budget_nanos=2_500_000_000)).monthly_budget == 2.5


def test_a_peer_s_app_is_read_by_the_protocol_s_fields() -> None:
    """An unlimited budget is the largest double there too."""
    app = wire.app_from_wire(pb.App(id=1, monthly_budget=12.5, rate_limit=3, metadata={"a": "b"}))
    assert (app.monthly_budget_nanos, app.rate_limit_rpm, app.metadata) == (12_500_000_000, 3, {"a": "b"})
    assert wire.app_from_wire(pb.App(id=1, monthly_budget=sys.float_info.max)).monthly_budget_nanos is None
