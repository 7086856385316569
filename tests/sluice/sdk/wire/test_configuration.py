"""Tests of ``sluice.sdk.wire.configuration``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import (
    BasePlugin,
    Context,
    DataCollectionResponse,
    DataCollector,
    PluginRequest,
    PluginResponse,
    PreAuthHandler,
    ProxyLogData,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    wire,
)
from tests.sluice.sdk.wire.strategies import JSON_MAPS, for_all, sent


class Both(BasePlugin, PreAuthHandler, ResponseHandler, DataCollector):
    name = "both"
    version = "1.2.3"
    description = "does two things"
    handles_chunks = True

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse:
        return DataCollectionResponse.done()


@for_all(JSON_MAPS)
def test_a_configuration_comes_back_whole(config: Mapping[str, Any]) -> None:
    """Each value as the operator wrote it; the two keys that the protocol adds are not among them."""
    back = wire.configuration_from_wire(sent(wire.configuration_to_wire(config, 7, 3)))
    assert (back.values, back.plugin_id, back.broker_id) == (config, 7, 3)
    assert back.texts.keys() == config.keys()


def test_peers_get_texts_as_they_are_and_other_values_as_json() -> None:
    """With who they are, and what their host announces its services by."""
    message = wire.configuration_to_wire({"a": "text", "b": 1, "c": [True, None], "d": "7"}, 7, 3)
    expected = {"a": "text", "b": "1", "c": "[true,null]", "d": "7", "_plugin_id": "7", "_service_broker_id": "3"}
    assert dict(message.config) == expected


def test_without_a_way_back_there_is_no_id_of_one() -> None:
    """So that a plugin does not wait for it."""
    assert "_service_broker_id" not in wire.configuration_to_wire({}, 7).config


def test_a_peer_s_configuration_has_texts_alone() -> None:
    """Ids that are no numbers are none."""
    message = pb.InitRequest(config={"a": "1", "_plugin_id": "x", "_service_broker_id": "-1"})
    back = wire.configuration_from_wire(message)
    assert (back.texts, back.values, back.plugin_id, back.broker_id) == ({"a": "1"}, None, 0, 0)


def test_two_workers_with_one_configuration_say_the_same() -> None:
    """Though each announces its services by itself."""
    one, other = wire.configuration_to_wire({"a": 1}, 7, 1), wire.configuration_to_wire({"a": 1}, 7, 2)
    changed = wire.configuration_to_wire({"a": "1"}, 7, 1)
    first = wire.configuration_from_wire(one)
    assert first.says_the_same(wire.configuration_from_wire(other))
    assert not first.says_the_same(wire.configuration_from_wire(changed))


def test_a_plugin_says_what_it_can_do() -> None:
    """By what its class overrides, so that a host calls nothing else."""
    description = wire.description_to_wire(Both())
    assert (description.name, description.version, description.description) == ("both", "1.2.3", "does two things")
    assert set(description.hooks) == {"pre_auth", "response_body"}
    assert (list(description.collects), description.handles_chunks) == (["proxy_log"], True)
    assert [description.has_endpoints, description.receives_payloads, description.is_session_aware] == [False] * 3
