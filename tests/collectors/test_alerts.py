"""Alerts are published in order when there is time; a log that does not take them holds nothing up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import pytest
import structlog

from collectors.alerts import Alerts
from sluice.clock import iso_micros
from sluice.eventlog.interface import CommitFailedError, Record
from tests.collectors.events import NOW_MICROS
from tests.collectors.fakes import FakeLog, FakeSink, until
from tests.collectors.virtual_time import virtual_time

TOPIC = "sluice.alert.v1"


class Bench:
    """Alerts on a fake log."""

    def __init__(self) -> None:
        self.log = FakeLog(FakeSink())
        self.alerts = Alerts(self.log, TOPIC, "search", lambda: NOW_MICROS)

    def send(self, *messages: str) -> None:
        for message in messages:
            self.alerts.send("service_halted", message, {"where": "sink"})

    @property
    def messages(self) -> list[str]:
        return [orjson.loads(record.value or b"")["message"] for record in self.log.published]


@virtual_time
async def test_an_alert_says_what_when_and_of_whom() -> None:
    """One record on the alert topic, keyed by the service, with the kind, the sentence and the facts."""
    bench = Bench()
    bench.send("it is halted")
    assert await bench.alerts.flush()
    [record] = bench.log.published
    assert (record.topic, record.key) == (TOPIC, b"search")
    assert orjson.loads(record.value or b"") == {
        "kind": "service_halted",
        "at": iso_micros(NOW_MICROS),
        "service": "search",
        "message": "it is halted",
        "where": "sink",
    }


@virtual_time
async def test_no_fact_takes_the_place_of_what_an_alert_says_of_itself() -> None:
    """Nor does its name keep it from being logged: a fact may be called as the log file calls its phrase."""
    bench = Bench()
    names = ("event", "kind", "service", "message", "at", "level")
    bench.alerts.send("gap", "numbers are missing", dict.fromkeys(names, "mine"))
    assert await bench.alerts.flush()
    body = orjson.loads(bench.log.published[0].value or b"")
    assert (body["kind"], body["service"], body["message"]) == ("gap", "search", "numbers are missing")
    assert (body["at"], body["level"]) == (iso_micros(NOW_MICROS), "mine")


@virtual_time
async def test_its_end_is_bounded_and_hides_nothing() -> None:
    """What waits is published; a log that never answers, or refuses, holds the end up for ten seconds at most."""
    bench, loop = Bench(), asyncio.get_running_loop()
    bench.send("last")
    await bench.alerts.close()
    assert bench.messages == ["last"]

    async def never(_records: Sequence[Record] = ()) -> None:
        await asyncio.Event().wait()

    bench.log.publish = bench.log.close = never  # type: ignore[method-assign, assignment]
    bench.send("nobody takes it")
    began = loop.time()
    await bench.alerts.close()
    assert loop.time() - began <= 10.0


@virtual_time
async def test_an_alert_is_logged_when_it_is_sent() -> None:
    """Whatever becomes of the log: the line is there before anything is published."""
    bench = Bench()
    with structlog.testing.capture_logs() as lines:
        bench.send("it is halted")
    assert [(line["event"], line["message"], line["where"]) for line in lines] == [("alert", "it is halted", "sink")]
    assert bench.log.published == []


@virtual_time
async def test_alerts_are_published_in_order_as_they_come() -> None:
    """Those that waited for the start and those that come while it runs."""
    bench = Bench()
    bench.send("1", "2")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.alerts.run())
        await until(lambda: len(bench.log.published) == 2)
        bench.send("3")
        await until(lambda: len(bench.log.published) == 3)
        running.cancel()
    assert bench.messages == ["1", "2", "3"]


@virtual_time
async def test_what_the_log_does_not_take_is_tried_again() -> None:
    """Each five seconds, without a new alert to wake it, in order, each once."""
    bench, loop = Bench(), asyncio.get_running_loop()
    bench.log.publish_errors.extend(CommitFailedError("disk full") for _ in range(10))
    bench.send("1", "2")
    began = loop.time()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.alerts.run())
        await until(lambda: len(bench.log.published) == 2)
        running.cancel()
    assert 50.0 <= loop.time() - began < 51.0
    assert bench.messages == ["1", "2"]
    assert await bench.alerts.flush()
    assert len(bench.log.published) == 2


@virtual_time
async def test_a_flush_says_whether_everything_is_out() -> None:
    """What was taken before the failure is not sent again; nothing to send is all sent."""
    bench = Bench()
    assert await bench.alerts.flush()
    bench.send("1", "2", "3")
    real, calls = bench.log.publish, 0

    async def fail_the_second(records: Sequence[Record]) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise CommitFailedError("disk full")
        await real(records)

    bench.log.publish = fail_the_second  # type: ignore[method-assign]
    assert not await bench.alerts.flush()
    assert await bench.alerts.flush()
    assert bench.messages == ["1", "2", "3"]


@virtual_time
async def test_waiting_alerts_are_bounded() -> None:
    """Of ten thousand that nobody takes the newest hundred are kept."""
    bench = Bench()
    with structlog.testing.capture_logs():
        bench.send(*(str(number) for number in range(10_000)))
    assert await bench.alerts.flush()
    assert bench.messages == [str(number) for number in range(9_900, 10_000)]


@virtual_time
async def test_an_alert_pushed_out_while_it_is_published_takes_no_other_along() -> None:
    """The bound may drop the very one that is on its way: the next one is still published."""
    bench = Bench()
    bench.send("first")
    async with asyncio.TaskGroup() as tasks:
        flushing = tasks.create_task(bench.alerts.flush())
        await asyncio.sleep(0)
        with structlog.testing.capture_logs():
            bench.send(*(str(number) for number in range(100)))
    assert flushing.result()
    assert bench.messages == ["first", *(str(number) for number in range(100))]


@virtual_time
async def test_sending_never_waits() -> None:
    """``send`` returns at once while a publish hangs, and stopping does not wait for it."""
    bench = Bench()
    hangs = asyncio.Event()

    async def hang(_records: Sequence[Record]) -> None:
        hangs.set()
        await asyncio.Event().wait()

    bench.log.publish = hang  # type: ignore[method-assign,assignment]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.alerts.run())
        bench.send("1")
        await hangs.wait()
        bench.send("2")
        running.cancel()
    assert running.cancelled()


@pytest.mark.parametrize("text", ["", 'a "b"\n\x00', "日本語 🙂", "x" * 100_000])
@virtual_time
async def test_any_text_is_a_message(text: str) -> None:
    """Causes come from servers: whatever they said is JSON."""
    bench = Bench()
    with structlog.testing.capture_logs():
        bench.send(text)
    await bench.alerts.flush()
    assert bench.messages == [text]
