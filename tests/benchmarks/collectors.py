"""The collector under measurement: Avro analytics events from a real Kafka into a server that takes every bulk."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import cloudevent_headers
from schemas.codec import encode_exchange, published_schemas
from schemas.events import AnalyticsFields, Common, Micros
from schemas.ids import new_exchange_id
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.dev.servers.ports import free_port
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.settings import KafkaSettings, LogSettings
from tests.benchmarks.processes import MEASURED_CORE, OTHER_CORE, Process

FOLDER = Path(__file__).parent
PARTITIONS = 12
BATCH_BYTES = 512 << 10
WAIT_SECONDS = 120.0


def common_fields(now: int) -> Common:
    """What a real exchange's events share."""
    exchange_id = new_exchange_id()
    return {
        "exchange_id": exchange_id,
        "request_id": exchange_id,
        "occurred_at": Micros(now),
        "completed_at": Micros(now + 812_345),
        "gateway_id": "gateway-1",
        "worker": "w0",
        "boot_id": "5f0c9a0f6d1b4e5e8f2f9d3b1c7a6e4d",
        "app_id": 7,
        "user_id": 3,
        "llm_id": 1,
        "llm_slug": "gpt",
        "vendor": "openai",
        "outcome": "ok",
        "trace_id": "",
        "labels": ["team:platform"],
    }


def analytics_fields() -> AnalyticsFields:
    """What analytics adds for a plain answer."""
    return {
        "model_name": "gpt-4o-mini",
        "prompt_tokens": 213,
        "response_tokens": 87,
        "cache_write_prompt_tokens": None,
        "cache_read_prompt_tokens": 0,
        "reasoning_tokens": 0,
        "total_tokens": 300,
        "raw_usage": '{"prompt_tokens":213,"completion_tokens":87,"total_tokens":300}',
        "cost_nanos": 84_150,
        "currency": "USD",
        "price_id": "gpt-4o-mini",
        "price_version": "1",
        "cost_status": "exact",
        "tool_calls": 0,
        "choices": 1,
        "response_code": 200,
        "is_stream": False,
        "partial": False,
        "total_micros": 812_345,
        "upstream_micros": 811_900,
        "first_byte_micros": 640_200,
        "attempts": [
            {
                "llm_id": 1,
                "llm_slug": "gpt",
                "status": 200,
                "error_kind": "",
                "may_be_billed": True,
                "micros": 811_900,
            }
        ],
    }


async def fill(bootstrap: str, namespace: str, events: int) -> None:
    """Publish so many analytics events, over all partitions."""
    topics = Topics(namespace, PARTITIONS)
    log = LogSettings(kafka=KafkaSettings(bootstrap_servers=bootstrap, single_broker=True, namespace=namespace))
    await ensure_topics(log, topics)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES
    )
    await producer.start()
    try:
        for fingerprint, text in published_schemas():
            await producer.send_and_wait(topics.schema.name, text, key=fingerprint)
        topic, sent, fields = topics.event("analytics").name, 0, analytics_fields()
        while sent < events:
            batch = producer.create_batch()
            while sent < events:
                event = encode_exchange(common_fields(now_micros()), None, fields)[0]
                headers = cloudevent_headers(topic, event.event_id, "gateway-1", event.occurred_at)
                key = event.exchange_id.encode()
                if batch.append(key=key, value=event.value(sent), timestamp=None, headers=headers) is None:
                    break
                sent += 1
            await (await producer.send_batch(batch, topic, partition=sent % PARTITIONS))
    finally:
        await producer.stop()


def start_null_bulk(folder: Path) -> tuple[Process, str]:
    """The server that keeps nothing, on the other core."""
    port = free_port()
    process = Process([sys.executable, FOLDER / "null_bulk.py", str(port)], OTHER_CORE, folder / "null.log")
    url = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: _get(f"{url}/__count") is not None)
    return process, url


def measure_collector(folder: Path, bootstrap: str, url: str, events: int, *, null: bool) -> dict[str, float]:
    """One run over a topic of its own: events a second and CPU an event, from the first bulk to the last."""
    namespace = f"bench-{secrets.token_hex(4)}"
    asyncio.run(fill(bootstrap, namespace, events))
    host, entries = folder / f"{namespace}.yaml", folder / f"{namespace}-collectors.yaml"
    kafka = {"bootstrap_servers": bootstrap, "single_broker": True, "namespace": namespace}
    host.write_text(yaml.safe_dump({"data_dir": str(folder / namespace), "kafka": kafka}))
    stem = f"{namespace}-analytics"
    config: dict[str, Any] = {"elasticsearch_url": url, "indices": {"analytics": stem}}
    entry = {"name": "bench", "path": "sink://elasticsearch", "hook_types": ["analytics"], "config": config}
    entries.write_text(yaml.safe_dump({"data_collection_plugins": [entry], "server": {"port": free_port()}}))
    command = [sys.executable, "-m", "sluice", "collect", "--config", host, "--collectors", entries]
    before = _documents(url, stem, null=null)
    started = time.monotonic()
    process = Process(command, MEASURED_CORE, folder / "collect.log")
    try:
        return _watch(process, lambda: _documents(url, stem, null=null) - before, events, started)
    finally:
        process.stop()


def _watch(process: Process, documents: Any, events: int, started: float) -> dict[str, float]:
    """From a tenth of the events to all of them: the start of the process is not what is measured."""
    first: tuple[float, int, float] | None = None
    while time.monotonic() - started < WAIT_SECONDS:
        count = documents()
        if first is None and count > events // 10:
            first = (time.monotonic(), count, process.cpu_seconds())
        if count >= events and first is not None:
            done = count - first[1]
            seconds, cpu = time.monotonic() - first[0], process.cpu_seconds() - first[2]
            return {"events_per_second": done / seconds, "cpu_us": cpu / done * 1e6}
        time.sleep(0.02)
    raise RuntimeError(f"only {documents()} of {events} events arrived in {WAIT_SECONDS:g} s")


def _documents(url: str, stem: str, *, null: bool) -> int:
    if null:
        found = _get(f"{url}/__count")
        return int(found["documents"]) if found else 0
    found = _get(f"{url}/{stem}-*/_stats/indexing?filter_path=_all.primaries.indexing.index_total")
    return int(found["_all"]["primaries"]["indexing"]["index_total"]) if found and "_all" in found else 0


def _get(url: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = httpx.get(url, timeout=5).json()
    except httpx.TransportError:
        return None
    return document
