"""Tests of ``sluice.sdk.serving.lifecycle``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import Context, wire
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import Serving, serving, until


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Serving]:
    """One with every capability."""
    async with serving(Everything(), tmp_path) as served:
        yield served


def said(plugin: Serving) -> list[str]:
    """What it was told until now."""
    assert isinstance(plugin.served.plugin, Everything)
    return plugin.served.plugin.said


async def test_texts_become_what_the_model_wants(plugin: Serving) -> None:
    """A host of the protocol has nothing but texts; the ids that it adds are not the plugin's configuration."""
    answer = await plugin.initialize(
        greeting="7", rules='[{"a":1}]', fail="false", _plugin_id="7", _service_broker_id="3"
    )
    assert answer.success
    config = plugin.served.plugin.config
    assert (config.greeting, config.rules, config.fail) == ("7", [{"a": 1}], False)
    assert (plugin.served.connection.plugin_id, plugin.served.connection.broker_id) == (7, 3)


async def test_our_host_s_values_are_taken_as_they_are(plugin: Serving) -> None:
    """Text that looks like a number stays text."""
    request = wire.configuration_to_wire({"greeting": "007", "rules": [{"a": 1}]}, 7, 3)
    assert (await plugin.stub.Initialize(request)).success
    assert (plugin.served.plugin.config.greeting, plugin.served.plugin.config.rules) == ("007", [{"a": 1}])


async def test_it_says_what_it_can_do(plugin: Serving) -> None:
    """So that our host calls nothing else."""
    description = (await plugin.initialize()).description
    assert (description.name, description.version, description.handles_chunks) == ("everything", "1.0.0", True)
    assert len(description.hooks) == 6
    assert set(description.collects) == {"proxy_log", "analytics", "budget"}


async def test_a_wrong_configuration_is_refused_without_its_values(plugin: Serving) -> None:
    """By its key: a configuration may hold credentials."""
    answer = await plugin.initialize(rules="secret-value", fail="perhaps")
    assert not answer.success
    assert answer.error_message.startswith("config: ")
    assert "rules" in answer.error_message
    assert "fail" in answer.error_message
    assert "secret-value" not in answer.error_message
    assert said(plugin) == []


async def test_a_plugin_that_fails_to_begin_says_why(plugin: Serving) -> None:
    """In the answer, where hosts look for it; it is shut down all the same."""
    answer = await plugin.initialize(fail="true")
    assert (answer.success, answer.error_message) == (False, "RuntimeError: told to fail")
    await plugin.stub.Shutdown(pb.ShutdownRequest())
    assert said(plugin) == ["shutdown"]


async def test_another_configuration_is_another_beginning(plugin: Serving) -> None:
    """Hosts of the protocol initialise a living process again."""
    await plugin.initialize(greeting="a")
    await plugin.initialize(greeting="b")
    assert said(plugin) == ["initialize a gateway", "shutdown", "initialize b gateway"]


async def test_the_same_configuration_is_no_new_beginning(plugin: Serving) -> None:
    """A second worker attaches to the same process; what the first one has under way goes on."""
    for _ in range(2):
        assert (await plugin.stub.Initialize(wire.configuration_to_wire({"greeting": "a"}, 7, 1))).success
    assert said(plugin) == ["initialize a gateway"]


async def test_shutdown_is_once(plugin: Serving) -> None:
    """However often a host asks; before a beginning it is nothing."""
    await plugin.stub.Shutdown(pb.ShutdownRequest())
    await plugin.initialize()
    for _ in range(2):
        assert (await plugin.stub.Shutdown(pb.ShutdownRequest(timeout_seconds=5))).success
    assert said(plugin) == ["initialize hello gateway", "shutdown"]


async def test_a_session_is_held_until_its_time_is_over(plugin: Serving) -> None:
    """Then the host opens another; the plugin is told of the first alone."""
    await plugin.initialize()
    for _ in range(2):
        request = pb.OpenSessionRequest(plugin_id=7, service_broker_id=3, timeout_ms=20)
        answer = await plugin.stub.OpenSession(request)
        assert (answer.session_id, answer.close_reason) == ("session-7-3", pb.OpenSessionResponse.TIMEOUT)
    assert said(plugin) == ["initialize hello gateway", "ready"]
    assert plugin.served.connection.broker_id == 3


async def test_a_new_beginning_is_told_of_its_session(plugin: Serving) -> None:
    """The one that is open ends as if its time were over, so that the host opens another at once."""
    await plugin.initialize(greeting="a")
    session = plugin.stub.OpenSession(pb.OpenSessionRequest(timeout_ms=60_000))
    await until(lambda: "ready" in said(plugin))
    await plugin.initialize(greeting="b")
    assert (await session).close_reason == pb.OpenSessionResponse.TIMEOUT
    await plugin.stub.OpenSession(pb.OpenSessionRequest(timeout_ms=10))
    assert said(plugin)[1:] == ["ready", "closing", "shutdown", "initialize b gateway", "ready"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(reason, pb.OpenSessionResponse.EXPLICIT_CLOSE) for reason in ("", "explicit_close", "shutdown", "unload")]
    + [("reload", pb.OpenSessionResponse.PLUGIN_ERROR)],
)
async def test_closing_ends_every_session(plugin: Serving, reason: str, expected: int) -> None:
    """With the reason that the protocol has for it."""
    await plugin.initialize()
    sessions = [plugin.stub.OpenSession(pb.OpenSessionRequest(timeout_ms=60_000)) for _ in range(2)]
    await until(lambda: plugin.served.calls.count == 2)
    assert (await plugin.stub.CloseSession(pb.CloseSessionRequest(reason=reason))).success
    async with asyncio.timeout(30):
        assert [(await session).close_reason for session in sessions] == [expected, expected]
    assert said(plugin) == ["initialize hello gateway", "ready", "closing"]


async def test_a_ping_is_answered(plugin: Serving) -> None:
    """With its own time, and with one of ours where it has none."""
    assert (await plugin.stub.Ping(pb.PingRequest(timestamp=5))).timestamp == 5
    assert (await plugin.stub.Ping(pb.PingRequest())).timestamp > 1_700_000_000


async def test_a_beginning_is_not_refused_for_how_the_one_before_ended(
    plugin: Serving, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new configuration is right; what was wrong is in the log."""

    async def fail(ctx: Context) -> None:
        message = "told to"
        raise OSError(message)

    await plugin.initialize(greeting="a")
    monkeypatch.setattr(plugin.served.plugin, "shutdown", fail)
    assert (await plugin.initialize(greeting="b")).success
    assert plugin.served.plugin.config.greeting == "b"
    assert "OSError: told to" in capsys.readouterr().err
