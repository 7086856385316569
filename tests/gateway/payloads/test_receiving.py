"""Receiving: every payload is handled, passed or a dead letter with its reason, whatever its plugin does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.payloads import receiving
from gateway.payloads.dead_letters import DeadLetters
from gateway.payloads.receiving import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, Patience, Receiving
from gateway.telemetry import GatewayMetrics
from sluice.eventlog.interface import StoredRecord
from sluice.eventlog.memory import MemoryBroker, MemoryPublisher
from sluice.plugin_host.running import Condition
from sluice.plugin_host.services import bare_services
from sluice.sdk.context import Runtime
from sluice.sdk.errors import ServiceUnavailable
from tests.gateway.payloads.making import IMPATIENT, SOON, TOPICS, Deaf, Plugins, Receiver, headers_of, polled, until


class Bench:
    """Plugins, and what becomes of payloads."""

    def __init__(self, folder: Path, attempts: int = 3, patience: Patience = SOON) -> None:
        self.made: list[tuple[int, str, Runtime]] = []
        self.broker = MemoryBroker(TOPICS)
        self.metrics = GatewayMetrics()
        self.plugins = Plugins(folder)
        letters = DeadLetters(lambda: MemoryPublisher(self.broker), TOPICS, "g")
        self.receiving = Receiving(self.plugins, self._services, letters, self.metrics, attempts, patience)

    def _services(self, plugin_id: int, plugin: str, runtime: Runtime) -> Any:
        self.made.append((plugin_id, plugin, runtime))
        return bare_services(plugin_id, plugin, runtime)

    @property
    def letters(self) -> list[StoredRecord]:
        topic = TOPICS.edge_payload.dead_letters().name
        return [record for name in self.broker.partitions_of(topic) for record in self.broker.lanes[name].records]

    def count(self, outcome: str, plugin: str = "p7") -> int:
        return self.metrics.payloads.value(plugin, outcome)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """No plugins yet."""
    return Bench(tmp_path)


async def test_a_receiver_gets_payload_and_context(bench: Bench) -> None:
    """On the control side: with studio services, without the gateway's, made once for each life of a plugin."""
    plugin = await bench.plugins.add(7)
    await bench.receiving.handle(polled(7, b"one", correlation_id="c", metadata={"k": "v"}))
    await bench.receiving.handle(polled(7, b"two"))
    (ctx, payload), _ = plugin.got
    assert (payload.payload, payload.correlation_id, payload.metadata, payload.edge_id) == (
        b"one",
        "c",
        {"k": "v"},
        "gw",
    )
    assert payload.received_at >= payload.sent_at > 0
    assert ctx.runtime == "studio"
    with pytest.raises(ServiceUnavailable):
        ctx.services.gateway()
    assert bench.made == [(7, "p7", "studio")]
    assert (bench.count("handled"), bench.letters) == (2, [])


async def test_not_handled_is_an_answer(bench: Bench) -> None:
    """Final, and counted apart."""
    plugin = await bench.plugins.add(7)
    plugin.answers = [False]
    await bench.receiving.handle(polled(7, b"one"))
    assert (len(plugin.got), bench.count("passed"), bench.count("handled"), bench.letters) == (1, 1, 0, [])


@pytest.mark.parametrize("wrong", [ValueError, SystemExit, "hang", None, 1, "yes", asyncio.CancelledError])
async def test_what_failed_is_tried_again_with_the_same_id(tmp_path: Path, wrong: Any) -> None:
    """It raised, hung, answered nonsense or tried to end more than itself; then it succeeds."""
    bench = Bench(tmp_path, patience=IMPATIENT._replace(accept=1.0) if wrong == "hang" else SOON)
    plugin = await bench.plugins.add(7)
    plugin.answers = [wrong]
    await bench.receiving.handle(polled(7, b"one"))
    assert [payload.payload_id for _, payload in plugin.got] == [plugin.got[0][1].payload_id] * 2
    assert (bench.count("retried"), bench.count("handled"), bench.letters) == (1, 1, [])


@pytest.mark.parametrize(
    ("wrong", "reason"), [(ValueError, "raised ValueError: no"), ("hang", "no answer within"), (None, "NoneType")]
)
async def test_what_always_fails_is_a_dead_letter(tmp_path: Path, wrong: Any, reason: str) -> None:
    """After ``payload_attempts``, as it was, with the reason, how often it was tried and where it lay."""
    bench = Bench(tmp_path, patience=IMPATIENT if wrong == "hang" else SOON)
    plugin = await bench.plugins.add(7)
    plugin.answers = [wrong] * 10
    record = polled(7, b"one", 42, metadata={"k": "v"})
    await bench.receiving.handle(record)
    assert len(plugin.got) == 3
    [letter] = bench.letters
    headers = headers_of(letter)
    assert (letter.key, letter.value) == (record.key, record.value)
    assert headers_of(record).items() <= headers.items()
    assert headers["dlq.error.type"] == "receiver_failed"
    assert reason in headers["dlq.error.reason"]
    assert (headers["dlq.attempts"], headers["dlq.offset"]) == ("3", "42")
    assert (bench.count("dead_lettered"), bench.count("retried")) == (1, 2)


async def test_a_payload_is_not_in_the_log(bench: Bench) -> None:
    """A plugin's exception may quote it: the reason is with the dead letter, the log says where that came from."""
    plugin = await bench.plugins.add(7)
    plugin.answers = [ValueError] * 3
    with structlog.testing.capture_logs() as lines:
        await bench.receiving.handle(polled(7, b"one", 42))
    assert "ValueError: no" in headers_of(bench.letters[0])["dlq.error.reason"]
    [line] = [each for each in lines if each["event"] == "payload given up"]
    assert (line["plugin"], line["error_type"], line["offset"]) == ("p7", "receiver_failed", 42)
    assert "ValueError" not in str(line)


async def test_an_unknown_plugin_s_is_a_dead_letter_after_a_grace(bench: Bench) -> None:
    """Nobody registered it."""
    began = asyncio.get_running_loop().time()
    await bench.receiving.handle(polled(7, b"one"))
    assert asyncio.get_running_loop().time() - began >= SOON.grace
    [letter] = bench.letters
    assert headers_of(letter)["dlq.error.type"] == "unknown_plugin"


async def test_many_for_an_unknown_plugin_share_one_grace(bench: Bench) -> None:
    """A thousand that wait for a plugin that was deleted are not a thousand minutes; one that comes ends it."""
    began = asyncio.get_running_loop().time()
    for _ in range(100):
        await bench.receiving.handle(polled(7, b"one"))
    assert len(bench.letters) == 100
    assert asyncio.get_running_loop().time() - began < 50 * SOON.grace
    plugin = await bench.plugins.add(7)
    await bench.receiving.handle(polled(7, b"two"))
    assert plugin.payloads == [b"two"]
    assert bench.receiving._missing == {}


async def test_ids_without_end_take_no_memory_without_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes to the topic chooses them."""
    monkeypatch.setattr(receiving, "_MAX_MISSING", 3)
    for plugin_id in range(1, 10):
        bench.receiving._missing_seconds(plugin_id)
    assert list(bench.receiving._missing) == [7, 8, 9]


async def test_a_plugin_that_receives_nothing_has_dead_letters_too(bench: Bench) -> None:
    """It is registered, and no ``EdgePayloadReceiver``."""
    await bench.plugins.add(7, Deaf)
    await bench.receiving.handle(polled(7, b"one"))
    assert headers_of(bench.letters[0])["dlq.error.type"] == "no_receiver"


async def test_one_that_comes_within_the_grace_gets_it(tmp_path: Path) -> None:
    """A plugin that is registered a moment after its payload is sent."""
    bench = Bench(tmp_path, patience=SOON._replace(grace=20.0))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.receiving.handle(polled(7, b"one")))
        await asyncio.sleep(0.03)
        plugin = await bench.plugins.add(7)
    assert plugin.payloads == [b"one"]


async def test_a_plugin_that_is_not_loaded_is_waited_for(bench: Bench) -> None:
    """Longer than any grace, for it is registered; when it is mended it gets what waited."""
    await bench.plugins.add(7, "python://tests.gateway.payloads.making:NotThere")
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        giving = tasks.create_task(bench.receiving.handle(polled(7, b"one")))
        until_then = loop.time() + 3 * SOON.grace
        await until(lambda: loop.time() > until_then)
        assert not giving.done()
        plugin = await bench.plugins.add(7)
    assert (plugin.payloads, bench.letters) == ([b"one"], [])


async def test_a_process_that_starts_again_costs_no_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is not ready nothing is given to it."""
    plugin = await bench.plugins.add(7)
    [loaded] = bench.plugins.host.plugins
    is_ready = False
    status = lambda: Condition(status="ready" if is_ready else "loading")  # noqa: E731
    monkeypatch.setattr(loaded.running, "condition", status)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.receiving.handle(polled(7, b"one")))
        until_then = loop.time() + 2 * SOON.grace
        await until(lambda: loop.time() > until_then)
        assert plugin.got == []
        is_ready = True
    assert (plugin.payloads, bench.count("retried")) == ([b"one"], 0)


async def test_a_plugin_that_is_replaced_has_services_of_its_own(bench: Bench) -> None:
    """The next life does not get what the last one had."""
    await bench.plugins.add(7)
    await bench.receiving.handle(polled(7, b"one"))
    plugin = await bench.plugins.add(7, Receiver)
    await bench.receiving.handle(polled(7, b"two"))
    assert plugin.payloads == [b"two"]
    assert bench.made == [(7, "p7", "studio")] * 2
    bench.receiving.close()


@pytest.mark.parametrize("key", [None, b"", b"abc", b"-1", b"999999999999999999999", b"9" * 5000])
@pytest.mark.parametrize("value", [None, b"", b"junk"])
async def test_garbage_is_a_dead_letter_at_once(bench: Bench, key: bytes | None, value: bytes | None) -> None:
    """Whatever somebody wrote to the topic: it stops nobody."""
    await bench.receiving.handle(StoredRecord("t", 0, 5, 0, key, value, (("payload.id", b"\xff"), ("x", b"\0"))))
    [letter] = bench.letters
    assert headers_of_bytes(letter)["dlq.error.type"] == b"malformed"
    assert (letter.value, letter.key) == (value, key or b"")
    assert bench.count("dead_lettered", "unknown") == 1


def headers_of_bytes(record: StoredRecord) -> dict[str, bytes]:
    """As they are."""
    return dict(record.headers)


def test_pauses_grow_to_a_bound(bench: Bench) -> None:
    """Half a second, then twice as long each time, at most half a minute, however many attempts there are."""
    patient = Receiving(bench.plugins, bare_services, bench.receiving._letters, bench.metrics, 1000)
    pauses = [patient._pause(attempt) for attempt in (1, 2, 3, 7, 8, 1000)]
    assert pauses == [FIRST_PAUSE_SECONDS, 1.0, 2.0, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS]
