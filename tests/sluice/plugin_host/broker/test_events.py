"""Tests of ``sluice.plugin_host.broker.events``: messages to and from a process of its own."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from sluice.plugin_host.broker.events import SUBSCRIPTION_KEY
from sluice.plugin_host.messages import MAX_SUBSCRIPTIONS
from sluice.plugin_wire import plugin_events_pb2 as pb
from sluice.sdk.services import Message
from tests.sluice.plugin_host.broker.asking import PLUGIN_ID, Asking
from tests.sluice.plugin_host.waiting import until


async def _subscribed(host: Asking, **request: Any) -> tuple[Any, str]:
    """A stream that the host has seen, and its id."""
    stream = host.events.Subscribe(pb.SubscribeRequest(**request))
    return stream, dict(await stream.initial_metadata())[SUBSCRIPTION_KEY]


def _count(host: Asking) -> int:
    return sum(len(some) for some in host.bus._topics.values())


async def test_what_is_published_arrives_with_everything(host: Asking) -> None:
    """By topic and for all topics; the direction by its number; the publisher hears itself."""
    one, _ = await _subscribed(host, topic="cache.clear")
    everything, _ = await _subscribed(host, subscribe_all=True)
    published = await host.events.Publish(pb.PublishRequest(topic="cache.clear", payload=b"{}", direction=2))
    assert published.success
    for stream in (one, everything):
        message = await stream.read()
        assert (message.id, message.topic, message.payload) == (published.event_id, "cache.clear", b"{}")
        assert (message.origin, message.direction) == (f"plugin:{PLUGIN_ID}@g", 2)
    await host.events.Publish(pb.PublishRequest(topic="other", direction=0))
    assert (await everything.read()).topic == "other"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"topic": "t", "direction": 3}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"topic": "t", "direction": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"topic": ""}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"topic": "t" * 201}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"topic": "t", "payload": b"v" * 101}, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_what_is_no_message_is_refused(host: Asking, request_: dict[str, Any], code: grpc.StatusCode) -> None:
    """By its status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.events.Publish(pb.PublishRequest(**request_))
    assert caught.value.code() is code


async def test_a_topic_that_is_none_cannot_be_subscribed_to(host: Asking) -> None:
    """The stream ends with why."""
    stream = host.events.Subscribe(pb.SubscribeRequest(topic="a b"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_that_its_plugin_ends_is_a_subscription_no_more(host: Asking) -> None:
    """That is how peers unsubscribe: nothing stays behind."""
    streams = [(await _subscribed(host, topic="t"))[0] for _ in range(10)]
    assert _count(host) == 10
    with capture_logs() as lines:
        for stream in streams:
            stream.cancel()
        await until(lambda: not _count(host))
    assert lines == []


async def test_a_connection_that_ends_ends_its_subscriptions(host: Asking) -> None:
    """A plugin that is killed is a connection that ends."""
    await _subscribed(host, topic="t")
    await host.channel.close()
    await until(lambda: not _count(host))


async def test_unsubscribing_by_id_ends_the_stream(host: Asking) -> None:
    """Well; an id that is nobody's, or another plugin's, is answered with why."""
    kept, _ = await _subscribed(host, topic="t")
    ended, number = await _subscribed(host, topic="t")
    other = await host.bus.of_plugin(8).subscribe("t", _ignore)
    assert (await host.events.Unsubscribe(pb.UnsubscribeRequest(subscription_id=number))).success
    assert await ended.read() is grpc.aio.EOF
    assert await ended.code() is grpc.StatusCode.OK
    for unknown in (number, other, "", "x" * 10_000):
        answer = await host.events.Unsubscribe(pb.UnsubscribeRequest(subscription_id=unknown))
        assert not answer.success
        assert len(answer.error_message) < 200
    await host.events.Publish(pb.PublishRequest(topic="t", payload=b"1"))
    assert (await kept.read()).payload == b"1"


async def test_a_full_stream_can_be_unsubscribed(host: Asking) -> None:
    """Though its plugin reads nothing of it."""
    stream, number = await _subscribed(host, topic="t")
    for _ in range(5):
        await host.services.messages.publish("t", b"v" * 100)
    assert (await host.events.Unsubscribe(pb.UnsubscribeRequest(subscription_id=number))).success
    while await stream.read() is not grpc.aio.EOF:
        pass
    assert _count(host) == 0


async def test_a_plugin_that_does_not_read_loses_messages_and_keeps_nobody(host: Asking) -> None:
    """gRPC's windows fill, then its queue does, then the oldest go; others get everything."""
    _stream, _ = await _subscribed(host, topic="t")
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.payload)

    await host.bus.of_plugin(8).subscribe("t", hear)
    sent = 0
    while not host.bus.counts.dropped:
        for _ in range(5):
            await host.services.messages.publish("t", b"v" * 100)
        sent += 5
        await until(lambda: len(heard) == sent)  # noqa: B023 - called before the next


async def test_streams_are_bounded(host: Asking) -> None:
    """A plugin that subscribes in every hook finds out by a status."""
    streams = [(await _subscribed(host, topic="t"))[0] for _ in range(MAX_SUBSCRIPTIONS)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.events.Subscribe(pb.SubscribeRequest(topic="t")).read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await host.events.Publish(pb.PublishRequest(topic="t"))).success
    assert len(streams) == MAX_SUBSCRIPTIONS


async def test_a_released_plugin_hears_nothing_more(host: Asking) -> None:
    """Its streams are silent until their server ends."""
    stream, _ = await _subscribed(host, topic="t")
    host.services.release()
    assert _count(host) == 0
    await host.events.Publish(pb.PublishRequest(topic="t"))
    stream.cancel()


async def _ignore(_: Message) -> None:
    return
