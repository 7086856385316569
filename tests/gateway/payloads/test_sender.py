"""Sending: refused by name or durable, with an honest count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.payloads import queue as queue_module
from gateway.payloads.envelope import payload_of
from gateway.payloads.sender import PayloadSender
from gateway.telemetry import GatewayMetrics
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.places import all_journals
from sluice.sdk.errors import PayloadTooLarge, ServiceError, ServiceUnavailable
from tests.gateway.payloads.making import TOPICS, queue_in


class Bench:
    """A sender of one worker."""

    def __init__(self, folder: Path, max_payload_bytes: int = 1 << 20) -> None:
        self.queue = queue_in(folder)
        self.metrics = GatewayMetrics()
        self.sender = PayloadSender(
            self.queue, TOPICS, self.metrics, edge_id="gw", namespace="ns", max_payload_bytes=max_payload_bytes
        )

    def written(self) -> list[Any]:
        """What lies in the journals."""
        found: list[Any] = []
        for directory in all_journals(self.queue.root):
            reader = JournalReader(directory)
            found += reader.read(1000)
            reader.close()
        return found


async def test_a_payload_is_durable_when_its_count_returns(tmp_path: Path) -> None:
    """With the plugin's id, the gateway and all that was given."""
    bench = Bench(tmp_path)
    assert await bench.sender.send(7, "p7", b"one", "c", {"k": "v"}) == 1
    assert await bench.sender.send(8, "p8", b"two") == 2
    found = {record.key: payload_of(record) for record in bench.written()}
    assert (found[b"7"].payload, found[b"7"].correlation_id, found[b"7"].metadata) == (b"one", "c", {"k": "v"})
    assert (found[b"8"].edge_id, found[b"8"].edge_namespace) == ("gw", "ns")
    assert {record.topic for record in bench.written()} == {TOPICS.edge_payload.name}
    assert bench.metrics.payloads.value("p7", "sent") == 1
    await bench.queue.close()


@pytest.mark.parametrize(
    ("payload", "facts", "kind"),
    [
        (b"12345", {}, PayloadTooLarge),
        (b"", {}, ServiceError),
        ("text", {}, ServiceError),
        (b"1", {"correlation_id": "c" * 257}, PayloadTooLarge),
        (b"1", {"metadata": {"k": 1}}, ServiceError),
    ],
)
async def test_what_is_refused_is_not_written(
    tmp_path: Path, payload: Any, facts: dict[str, Any], kind: type[Exception]
) -> None:
    """Not one byte of it, and nothing waits."""
    bench = Bench(tmp_path, max_payload_bytes=4)
    with pytest.raises(kind):
        await bench.sender.send(7, "p", payload, **facts)
    assert bench.written() == []
    assert bench.queue.waiting() == 0
    assert await bench.sender.send(7, "p", b"1234") == 1
    await bench.queue.close()


async def test_a_full_queue_is_a_service_that_is_not_available_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin learns that it is to try again, and the gateway goes on."""
    monkeypatch.setattr(queue_module, "QUEUE_BYTES", 1 << 20)
    bench = Bench(tmp_path)

    async def flood() -> None:
        for _ in range(100):
            await bench.sender.send(7, "p", b"x" * 50_000)

    with pytest.raises(ServiceUnavailable, match=r"full.*try again"):
        await flood()
    await bench.queue.close()
