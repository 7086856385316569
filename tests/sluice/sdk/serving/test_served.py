"""Tests of ``sluice.sdk.serving.served``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from pydantic import BaseModel

from sluice.plugin_wire.plugin_pb2 import PluginContext
from sluice.sdk import BasePlugin
from sluice.sdk.serving import served as module
from sluice.sdk.serving.served import Calls, Served, configured
from sluice.sdk.wire import Configuration
from tests.sluice.sdk.serving.everything import Nothing
from tests.sluice.sdk.serving.harness import connected


class Limits(BaseModel):
    size: int = 1
    name: str = ""
    ratio: float | None = None
    enabled: bool = False
    tags: list[str] = []


class WithModel(BasePlugin[Limits]):
    name = "with_model"


class WithTexts(BasePlugin[dict[str, str]]):
    name = "with_texts"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A plugin without capabilities."""
    async with connected() as (connection, services):
        yield Served(Nothing(), "gateway", connection, services)


def of_texts(**texts: str) -> Configuration:
    """As a host of the protocol sends it."""
    return Configuration(texts, None)


def of_values(**values: Any) -> Configuration:
    """As our host sends it."""
    return Configuration({}, values)


def test_a_model_reads_texts_as_they_are_where_it_can() -> None:
    """Only what it refuses is taken for JSON: a name of digits stays a name."""
    texts = of_texts(size="7", name="007", ratio="null", enabled="true", tags='["a"]')
    assert configured(WithModel, texts) == Limits(size=7, name="007", ratio=None, enabled=True, tags=["a"])


@pytest.mark.parametrize("texts", [{"tags": "[1"}, {"size": "many"}, {"tags": '{"a":1}'}])
def test_what_no_reading_makes_right_is_refused(texts: dict[str, str]) -> None:
    """By the model."""
    with pytest.raises(ValueError, match=r"tags|size"):
        configured(WithModel, of_texts(**texts))


def test_the_older_way_gets_texts_from_either_host() -> None:
    """What is no text as JSON."""
    assert configured(WithTexts, of_texts(a="1", b='{"c":2}')) == {"a": "1", "b": '{"c":2}'}
    assert configured(WithTexts, of_values(a=1, b="text", c=[True])) == {"a": "1", "b": "text", "c": "[true]"}


def test_a_plain_plugin_gets_what_the_operator_wrote() -> None:
    """From our host; from another the texts that there are."""
    values = configured(Nothing, of_values(a=1))
    assert isinstance(values, Mapping)
    assert dict(values) == {"a": 1}
    assert dict(configured(Nothing, of_texts(a="1"))) == {"a": "1"}


def test_state_lives_as_long_as_its_exchange_s_calls(served: Served) -> None:
    """What one hook leaves the next one finds, and no other exchange does."""
    served.context(PluginContext(exchange_id="e-1")).state["n"] = 1
    assert served.context(PluginContext(exchange_id="e-1")).state == {"n": 1}
    assert served.context(PluginContext(exchange_id="e-2")).state == {}
    assert served.context(PluginContext()).state == {}
    assert served.context(PluginContext()).state is not served.context(PluginContext()).state


def test_states_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says when an exchange is over: the ones used longest ago go."""
    monkeypatch.setattr(module, "MAX_STATES", 3)
    for number in range(3):
        served.context(PluginContext(exchange_id=str(number))).state["n"] = number
    assert served.context(PluginContext(exchange_id="0")).state == {"n": 0}
    served.context(PluginContext(exchange_id="3"))
    found = [served.context(PluginContext(exchange_id=each)).state for each in ("0", "2", "3")]
    assert found == [{"n": 0}, {"n": 2}, {}]
    assert served.context(PluginContext(exchange_id="1")).state == {}


async def test_calls_are_counted_until_none_is_left() -> None:
    """Those that raise too."""
    calls = Calls()
    assert await calls.finished(0)
    with calls:
        with suppress(ValueError), calls:
            assert calls.count == 2
            raise ValueError
        assert calls.count == 1
        assert not await calls.finished(0.01)
    async with asyncio.timeout(30):
        assert await calls.finished(60)
