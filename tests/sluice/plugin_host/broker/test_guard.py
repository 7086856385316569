"""Tests of ``sluice.plugin_host.broker.guard``: who calls, how often at once, and what they are told."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from structlog.testing import capture_logs

from sluice.plugin_host.broker import guard as module
from sluice.plugin_host.broker.guard import Guard, status_of
from sluice.plugin_wire import extensions_pb2, plugin_events_pb2
from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk.errors import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable
from tests.sluice.plugin_host.broker.asking import PLUGIN_ID, Asking
from tests.sluice.plugin_host.waiting import until


def _context(plugin_id: int) -> pb.PluginContext:
    return pb.PluginContext(plugin_id=plugin_id)


@pytest.mark.parametrize("plugin_id", [1, 8, 4_294_967_295])
async def test_another_plugins_id_is_not_believed(host: Asking, plugin_id: int) -> None:
    """In the context, in a message's number or in ours; nothing is done in its name."""
    calls = [
        host.management.WritePluginKV(pb.WritePluginKVRequest(context=_context(plugin_id), key="a")),
        host.management.GetLicenseInfo(pb.GetLicenseInfoRequest(context=_context(plugin_id))),
        host.events.Publish(plugin_events_pb2.PublishRequest(topic="t", plugin_id=str(plugin_id))),
        host.events.Unsubscribe(plugin_events_pb2.UnsubscribeRequest(subscription_id="x")),
        host.extensions.ListKeys(extensions_pb2.ListKeysRequest(plugin_id=plugin_id)),
        host.events.Subscribe(plugin_events_pb2.SubscribeRequest(topic="t", plugin_id="somebody")).read(),
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    codes = [each.code() for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 5
    assert list(await host.services.kv.list()) == []


@pytest.mark.parametrize("plugin_id", [0, PLUGIN_ID])
async def test_its_own_id_and_none_are_believed(host: Asking, plugin_id: int) -> None:
    """A socket of its own says who it is already."""
    answer = await host.management.WritePluginKV(pb.WritePluginKVRequest(context=_context(plugin_id), key="a"))
    assert answer.created
    for text in ("", "0", str(PLUGIN_ID)):
        assert (await host.events.Publish(plugin_events_pb2.PublishRequest(topic="t", plugin_id=text))).success


@pytest.mark.parametrize(
    ("failure", "status", "text"),
    [
        (NotFound("no app 9"), grpc.StatusCode.NOT_FOUND, "no app 9"),
        (PayloadTooLarge("too large"), grpc.StatusCode.RESOURCE_EXHAUSTED, "too large"),
        (ServiceUnavailable("the ledger is away"), grpc.StatusCode.UNAVAILABLE, "the ledger is away"),
        (ServiceError("é is no app"), grpc.StatusCode.INVALID_ARGUMENT, "é is no app"),
        (ScopeDenied("limit", "kv.readwrite"), grpc.StatusCode.PERMISSION_DENIED, "kv.readwrite"),
        (ServiceError("x" * 100_000), grpc.StatusCode.INVALID_ARGUMENT, "x" * 1000),
        (NotFound("\U0001f600" * 1000), grpc.StatusCode.NOT_FOUND, "\U0001f600"),
        (ValueError("password hunter2"), grpc.StatusCode.INTERNAL, "its log has more"),
        (KeyError("secret"), grpc.StatusCode.INTERNAL, "its log has more"),
    ],
)
async def test_errors_are_said_in_grpcs_words(
    host: Asking, failure: Exception, status: grpc.StatusCode, text: str
) -> None:
    """A service's error with its text; a fault of the host's without anything of its inside."""
    host.gateway.failure = failure
    with capture_logs() as lines, pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.management.GetApp(pb.GetAppRequest(app_id=1))
    assert caught.value.code() is status
    assert text in caught.value.details()
    assert "hunter2" not in caught.value.details() + str(lines)
    assert len(lines) == (status is grpc.StatusCode.INTERNAL)


def test_statuses_follow_the_tree_of_errors() -> None:
    """A class of somebody's own is what it derives from."""

    class Gone(NotFound):
        pass

    assert status_of(Gone()) is grpc.StatusCode.NOT_FOUND


async def test_a_flood_of_calls_is_refused_beyond_a_bound(host: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at once and no more; when they are through, others are answered."""
    monkeypatch.setattr(module, "MAX_CONCURRENT", 10)
    let_go = asyncio.Event()

    async def slow(_app_id: int) -> None:
        await let_go.wait()
        raise NotFound

    monkeypatch.setattr(host.gateway, "get_app", slow)
    calls = [host.management.GetApp(pb.GetAppRequest(app_id=1)) for _ in range(50)]
    async with asyncio.TaskGroup() as tasks:
        outcomes = [tasks.create_task(_code(call)) for call in calls]
        await until(lambda: sum(task.done() for task in outcomes) == 40)
        let_go.set()
    codes = [task.result() for task in outcomes]
    assert codes.count(grpc.StatusCode.UNAVAILABLE) == 40
    assert codes.count(grpc.StatusCode.NOT_FOUND) == 10
    assert await _code(host.management.GetApp(pb.GetAppRequest(app_id=1))) is grpc.StatusCode.NOT_FOUND


async def test_calls_that_their_plugin_gives_up_are_counted_no_more(
    host: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin with short deadlines does not lock itself out."""
    monkeypatch.setattr(module, "MAX_CONCURRENT", 2)
    began = []

    async def hang(_secret: str) -> None:
        began.append(1)
        await asyncio.sleep(60)

    monkeypatch.setattr(host.gateway, "validate_credential", hang)
    for number in (1, 2):
        call = host.management.ValidateCredential(pb.ValidateCredentialRequest(secret="s"))
        await until(lambda: len(began) == number)  # noqa: B023 - called before the next
        call.cancel()

    async def is_answered() -> bool:
        return await _code(host.management.GetApp(pb.GetAppRequest(app_id=1))) is grpc.StatusCode.OK

    await until(is_answered)


async def _code(call: grpc.aio.Call) -> grpc.StatusCode:
    return await call.code()


def test_a_guard_names_no_plugin_that_it_does_not_know() -> None:
    """What a request claims is not believed in a message either: it is cut and escaped."""
    guard = Guard(1, "a", frozenset())
    with pytest.raises(module.Refused, match=r"this is not plugin '\\x00") as caught:
        guard._check(plugin_events_pb2.PublishRequest(plugin_id="\0" * 1000), None)
    assert len(str(caught.value)) < 150
