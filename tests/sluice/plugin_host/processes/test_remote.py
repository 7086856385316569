"""One plugin, whichever process answers for it: down is said at once, up comes by itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host.deadline import DeadlineExpired, run_within
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.processes.calls import Calls
from sluice.plugin_host.processes.faults import CallFailed, NotRunning, Refused
from sluice.plugin_host.processes.life import Life
from sluice.plugin_host.processes.output import Output
from sluice.plugin_host.processes.remote import RemotePlugin
from sluice.plugin_host.running import Described
from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.collecting import DataCollectionResponse
from sluice.sdk.endpoints import EndpointChunk
from sluice.sdk.fakes import RecordingServices
from sluice.sdk.messages import PluginResponse
from sluice.sdk.testing import (
    make_analytics,
    make_budget_usage,
    make_context,
    make_edge_payload,
    make_endpoint_request,
    make_proxy_log,
    make_request,
)
from tests.sluice.plugin_host.processes.peers import (
    Peer,
    calling,
    logged,
    make_opening,
    make_registration,
    until,
    willing,
)

CONTEXT = make_context()


class Lives:
    """Starts lives of a peer in this process, and fails where told to."""

    def __init__(self, peer: Peer, services: RecordingServices, opening: Any) -> None:
        self.peer = peer
        self.services = services
        self.settings = opening.settings.process
        self.started: list[Life] = []
        self.failures = 0

    async def start(self) -> Life:
        if self.failures:
            self.failures -= 1
            raise PluginLoadError("peer", "it does not start", "repair it")
        async with AsyncExitStack() as stack:
            calls: Calls = await stack.enter_async_context(calling(self.peer))
            await calls.reach(5)
            output = Output(self.services.logger, 100)
            life = Life(plugin_id=7, calls=calls, settings=self.settings, output=output, stack=stack.pop_all())
        self.started.append(life)
        return life


class Kept:
    """A plugin, what it is made of and its keeper."""

    def __init__(self, plugin: RemotePlugin, lives: Lives, services: RecordingServices) -> None:
        self.plugin = plugin
        self.lives = lives
        self.services = services

    async def post_auth(self) -> Any:
        return await self.plugin.handlers()["post_auth"](CONTEXT, make_request())


@asynccontextmanager
async def kept(peer: Peer, folder: Path, hooks: Any = ("post_auth",), **process: Any) -> AsyncIterator[Kept]:
    """Initialised and kept."""
    services = RecordingServices()
    opening = make_opening(folder, services, **process)
    lives = Lives(peer, services, opening)
    registration = make_registration("grpc://127.0.0.1:1", hook_types=hooks)
    plugin = RemotePlugin(registration, Described(name="peer"), {}, opening, lives.start, await lives.start())
    assert plugin.condition().status == "loading"
    await plugin.initialize(CONTEXT)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(plugin.keep())
        try:
            yield Kept(plugin, lives, services)
        finally:
            await plugin.shutdown(CONTEXT)
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


MODIFYING = {"ProcessPostAuth": pb.PluginResponse(modified=True, body=b"new")}


def _has_restarted(plugin: RemotePlugin, times: int) -> bool:
    return plugin.condition().restarts == times


async def test_a_plugin_that_dies_is_started_and_configured_again(tmp_path: Path) -> None:
    """The handlers stay the same; how often it happened is counted."""
    peer = willing(**MODIFYING)
    async with kept(peer, tmp_path) as found:
        handler = found.plugin.handlers()["post_auth"]
        for restarts in (1, 2):
            found.lives.started[-1].end("its process exited with status 2")
            await until(partial(_has_restarted, found.plugin, restarts))
            assert await handler(CONTEXT, make_request()) == PluginResponse.modify(body=b"new")
        assert found.plugin.condition().status == "ready"
    assert peer.calls.count("Initialize") == 3
    assert logged(found.services).count("plugin ended") == 2
    assert logged(found.services).count("plugin restarted") == 2


async def test_while_it_is_down_calls_fail_at_once_and_say_why(tmp_path: Path) -> None:
    """From the very moment; nobody waits for a start."""
    async with kept(willing(**MODIFYING), tmp_path) as found:
        found.lives.failures = 1_000_000
        found.lives.started[-1].end("its process exited with status 2")
        with pytest.raises(NotRunning, match="'peer' does not run now and is started again: its process exited"):
            found.post_auth().send(None)  # in its first step, so that there is nothing that it could wait for
        assert found.plugin.condition().status == "failed"
        await until(lambda: "plugin not restarted" in logged(found.services))
        with pytest.raises(NotRunning, match="it does not start; repair it"):
            await found.post_auth()
        condition = found.plugin.condition()
        assert (condition.status, condition.error) == ("failed", "plugin 'peer': it does not start; repair it")
        found.lives.failures = 0
        await until(lambda: found.plugin.condition().status == "ready")
        assert await found.post_auth() == PluginResponse.modify(body=b"new")


async def test_attempts_are_further_and_further_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full jitter below a bound that doubles up to its own; all workers of a host would come at once otherwise."""
    bounds: list[float] = []

    def uniform(low: float, high: float) -> float:
        bounds.append(high)
        assert low == 0
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)
    async with kept(willing(), tmp_path, restart_base_seconds=0.5, restart_max_seconds=30) as found:
        found.lives.failures = 8
        found.lives.started[-1].end("over")
        await until(lambda: found.plugin.condition().status == "ready" and found.plugin.condition().restarts == 1)
    assert bounds == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_life_that_was_long_begins_the_count_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that dies once a day is started again at once each time."""
    bounds: list[float] = []

    def uniform(_low: float, high: float) -> float:
        bounds.append(high)
        return 0.0

    def is_long_ago(moment: float) -> bool:
        return time.monotonic() - moment > 0.03

    monkeypatch.setattr(random, "uniform", uniform)
    async with kept(willing(), tmp_path, restart_base_seconds=0.01, restart_max_seconds=0.02) as found:
        for restarts in (1, 2, 3):
            await until(partial(is_long_ago, time.monotonic()))
            found.lives.started[-1].end("over")
            await until(partial(_has_restarted, found.plugin, restarts))
    assert bounds == [0.01, 0.01, 0.01]


async def test_a_configuration_refused_at_a_restart_is_an_attempt_that_failed(tmp_path: Path) -> None:
    """Its connection is closed, the next attempt comes."""
    peer = willing(**MODIFYING)
    async with kept(peer, tmp_path) as found:
        peer.answers["/plugin.PluginService/Initialize"] = pb.InitResponse(error_message="no index")
        found.lives.started[-1].end("over")
        await until(lambda: len(found.lives.started) > 3)
        assert all(life.is_over for life in found.lives.started[:-1])
        assert found.plugin.condition().error == "no index"
        peer.answers["/plugin.PluginService/Initialize"] = pb.InitResponse(success=True)
        await until(lambda: found.plugin.condition().status == "ready")


async def test_a_refused_configuration_is_said_in_the_plugin_s_words(tmp_path: Path) -> None:
    """By initialize, the first time."""
    with pytest.raises(Refused, match=r"^no index$"):
        async with kept(willing(Initialize=pb.InitResponse(error_message="no index")), tmp_path):
            raise AssertionError


async def test_a_fault_of_ours_costs_this_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keeper runs beside the server: what it raises would end the worker."""
    async with kept(willing(**MODIFYING), tmp_path) as found:

        async def fail(_life: Life) -> None:
            message = "a fault of ours"
            raise ZeroDivisionError(message)

        monkeypatch.setattr(Life, "ping", fail)
        await until(lambda: "keeping it failed" in str(found.services.logger.entries))
        monkeypatch.undo()
        await until(lambda: found.plugin.condition().status == "ready")
        assert await found.post_auth() == PluginResponse.modify(body=b"new")


async def test_a_process_that_starts_while_the_plugin_is_shut_down_is_ended(tmp_path: Path) -> None:
    """Nobody would end it otherwise."""
    async with kept(willing(), tmp_path) as found:
        started, may_go_on = asyncio.Event(), asyncio.Event()
        start = found.lives.start

        async def slowly() -> Life:
            started.set()
            await may_go_on.wait()
            return await start()

        found.plugin._start = slowly
        found.lives.started[-1].end("over")
        await started.wait()
        await found.plugin.shutdown(CONTEXT)
        may_go_on.set()
        await until(lambda: len(found.lives.started) == 2 and found.lives.started[-1].is_over)


async def test_an_initialisation_that_is_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    """A host's deadline, or its own: the plugin can be shut down, its call is cancelled."""
    cancelled = asyncio.Event()

    async def hang(_data: bytes, _context: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    opening = make_opening(tmp_path)
    lives = Lives(willing(Initialize=hang), RecordingServices(), opening)
    registration = make_registration("grpc://127.0.0.1:1")
    plugin = RemotePlugin(registration, Described(name="peer"), {}, opening, lives.start, await lives.start())
    with pytest.raises(DeadlineExpired):
        await run_within(plugin.initialize(CONTEXT), 0.1)
    await asyncio.wait_for(cancelled.wait(), 5)
    assert plugin.condition().status == "loading"
    await plugin.shutdown(CONTEXT)


async def test_behind_its_end_it_says_so(tmp_path: Path) -> None:
    """And its keeper goes home."""
    async with kept(willing(), tmp_path) as found:
        await found.plugin.shutdown(CONTEXT)
        with pytest.raises(NotRunning, match="'peer' was shut down"):
            await found.post_auth()
        with pytest.raises(NotRunning):
            await found.plugin.ping()
        await asyncio.wait_for(found.plugin.keep(), 5)
        await found.plugin.shutdown(CONTEXT)


async def test_a_hanging_plugin_costs_its_caller_its_deadline_alone(tmp_path: Path) -> None:
    """A hundred that hang, and others are answered meanwhile by the same plugin."""

    async def answer(data: bytes, _context: Any) -> bytes:
        if b"/hang" in data:
            await asyncio.Event().wait()
        return pb.PluginResponse().SerializeToString()

    async with kept(willing(ProcessPostAuth=answer), tmp_path, ping_seconds=60) as found:
        handler = found.plugin.handlers()["post_auth"]
        hanging = make_request(path="/hang")

        async def hang() -> None:
            with pytest.raises(DeadlineExpired):
                await run_within(handler(CONTEXT, hanging), 4)

        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(hang()) for _ in range(100)]
            for _ in range(20):
                assert await found.post_auth() == PluginResponse.allow()
            assert not any(wait.done() for wait in waits)


async def test_a_hook_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    """The others go on; one that has none of its hooks cannot do what it is there for."""
    async with kept(willing(OnBeforeWrite=pb.ResponseWriteResponse()), tmp_path, ("post_auth", "response")) as found:
        for _ in range(3):
            assert await found.post_auth() == PluginResponse.allow()
        assert logged(found.services).count("plugin lacks a hook") == 1
    async with kept(willing(), tmp_path, ("pre_auth", "post_auth")) as found:
        assert await found.post_auth() == PluginResponse.allow()
        with pytest.raises(CallFailed, match=r"implements none of its hooks \(pre_auth, post_auth\)"):
            await found.plugin.handlers()["pre_auth"](CONTEXT, make_request())
        with pytest.raises(CallFailed):
            await found.post_auth()


async def test_what_another_executable_lacks_is_said_anew(tmp_path: Path) -> None:
    """What was not there before a restart may be there behind it, and the other way round."""
    async with kept(willing(), tmp_path, ("pre_auth", "post_auth")) as found:
        assert await found.post_auth() == PluginResponse.allow()
        found.lives.started[-1].end("over")
        await until(partial(_has_restarted, found.plugin, 1))
        assert await found.plugin.handlers()["pre_auth"](CONTEXT, make_request()) == PluginResponse.allow()
        assert logged(found.services).count("plugin lacks a hook") == 2


async def test_generations_are_told_apart_by_what_they_answer(tmp_path: Path) -> None:
    """The newer one answers everything."""
    async with kept(willing(), tmp_path) as found:
        assert found.plugin.described.generation == "legacy"
        assert not found.plugin.described.receives_payloads
        assert await found.plugin.get_endpoint_registrations() == ()
    endpoint = pb.EndpointRegistration(path="/a", methods=["GET"])
    registered = pb.GetEndpointRegistrationsResponse(registrations=[endpoint])
    async with kept(willing(GetEndpointRegistrations=registered), tmp_path) as found:
        assert (found.plugin.described.generation, found.plugin.described.has_endpoints) == ("unified", True)
        assert [each.path for each in await found.plugin.get_endpoint_registrations()] == ["/a"]


async def test_endpoints_without_number_refuse_the_plugin(tmp_path: Path) -> None:
    """A thousand are enough for anybody."""
    endpoint = pb.EndpointRegistration(path="/a", methods=["GET"])
    registered = pb.GetEndpointRegistrationsResponse(registrations=[endpoint] * 1001)
    with pytest.raises(CallFailed, match="registers 1001 endpoints, more than 1000"):
        async with kept(willing(GetEndpointRegistrations=registered), tmp_path):
            raise AssertionError


async def test_everything_else_of_a_plugin_is_a_method_too(tmp_path: Path) -> None:
    """Apps and users, endpoints, events, payloads."""
    peer = willing(
        GetAppByCredential=pb.GetAppResponse(success=True, app=pb.App(id=3)),
        GetUserByCredential=pb.GetUserResponse(success=True, user=pb.User(id=4, email="a@example.org")),
        HandleEndpointRequest=pb.EndpointResponse(status_code=201, body=b"made"),
        HandleProxyLog=pb.DataCollectionResponse(success=True, handled=True),
        HandleAnalytics=pb.DataCollectionResponse(error_message="full"),
        AcceptEdgePayload=pb.EdgePayloadResponse(success=True, handled=True),
    )
    async with kept(peer, tmp_path) as found:
        plugin = found.plugin
        app, user = await plugin.get_app_by_credential(CONTEXT, "c"), await plugin.get_user_by_credential(CONTEXT, "c")
        assert getattr(app, "id", app) == 3
        assert user is not None
        assert user.email == "a@example.org"
        answer = await plugin.handle_endpoint_request(CONTEXT, make_endpoint_request())
        assert (answer.status_code, answer.body) == (201, b"made")
        assert await plugin.handle_proxy_log(CONTEXT, make_proxy_log()) == DataCollectionResponse.done()
        assert await plugin.handle_analytics(CONTEXT, make_analytics()) == DataCollectionResponse.failed("full")
        assert await plugin.handle_budget_usage(CONTEXT, make_budget_usage()) == DataCollectionResponse.passed()
        assert await plugin.accept_edge_payload(CONTEXT, make_edge_payload(b"p")) is True
        await plugin.ping()
    assert pb.EdgePayloadRequest.FromString(peer.requests["AcceptEdgePayload"]).service_broker_id == 1


async def test_what_a_plugin_does_not_have_is_absent_and_no_error(tmp_path: Path) -> None:
    """An endpoint answers 501, a credential is nobody's, a payload is not handled."""
    async with kept(willing(), tmp_path) as found:
        plugin = found.plugin
        assert await plugin.get_app_by_credential(CONTEXT, "c") is None
        assert await plugin.get_user_by_credential(CONTEXT, "c") is None
        assert (await plugin.handle_endpoint_request(CONTEXT, make_endpoint_request())).status_code == 501
        assert await plugin.accept_edge_payload(CONTEXT, make_edge_payload(b"p")) is False
        with pytest.raises(CallFailed, match="UNIMPLEMENTED"):
            _: list[EndpointChunk] = [
                chunk async for chunk in plugin.handle_endpoint_request_stream(CONTEXT, make_endpoint_request())
            ]
