"""The collector under measurement: Avro events from a real Kafka into a server that takes every bulk.

Analytics events as they are; proxy logs of 2 KB with selection and redaction of headers on.
"""

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
from schemas.codec import EncodedEvent, encode_exchange, published_schemas
from schemas.events import AnalyticsFields, Common, Kind, Micros, ProxyLogFields
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


def proxy_log_fields() -> ProxyLogFields:
    """What the proxy log adds for a plain answer; with the common fields 2 KB of Avro."""
    return {
        "method": "POST",
        "path": "/v1/chat/completions",
        "model_name": "gpt-4o-mini",
        "is_stream": False,
        "response_code": 200,
        "upstream_status": 200,
        "request_headers": [
            "host: gateway.example.com",
            "content-type: application/json",
            "authorization: Bearer sk-proj-Zm9yIHRoZSBiZW5jaG1hcmsgYWxvbmU",
            "user-agent: openai-python/1.55.0",
            "accept: application/json",
        ],
        "response_headers": ["content-type: application/json", "x-request-id: req_1f2e3d", "server: cloudflare"],
        "request_body": _body("request", 740),
        "request_body_bytes": 740,
        "request_body_truncated": False,
        "request_content_type": "application/json",
        "response_body": _body("response", 690),
        "response_body_bytes": 690,
        "response_body_truncated": False,
        "response_content_type": "application/json",
        "chunk_count": 0,
        "error_kind": "",
        "error_message": "",
        "remote_addr": "10.1.2.3",
        "total_micros": 812_345,
        "upstream_micros": 811_900,
        "first_byte_micros": 640_200,
        "plugins": [{"plugin": "headers", "hook": "pre_auth", "micros": 12, "decision": "allow"}],
        "partial": False,
    }


def _body(name: str, size: int) -> bytes:
    head = b'{"model":"gpt-4o-mini","%s":"' % name.encode()
    return (head + b"words of a sentence " * (size // 20))[: size - 2] + b'"}'


def encoded(kind: Kind) -> EncodedEvent:
    """One event of now."""
    common = common_fields(now_micros())
    if kind == "proxy_log":
        return encode_exchange(common, proxy_log_fields())[0]
    return encode_exchange(common, None, analytics_fields())[0]


ENTRIES: dict[Kind, dict[str, Any]] = {
    "analytics": {},
    "proxy_log": {
        "include": {"vendors": ["open*", "anthropic"], "apps": [7]},
        "exclude": {"outcomes": ["blocked*"]},
        "redact": {"rules": ["credential"], "bodies": "full"},
    },
}
"""What the measured entry has beside its sink."""


async def fill(bootstrap: str, namespace: str, events: int, kind: Kind = "analytics") -> None:
    """Publish so many events of a kind, over all partitions."""
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
        topic, sent = topics.event(kind).name, 0
        while sent < events:
            batch = producer.create_batch()
            while sent < events:
                event = encoded(kind)
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


def measure_collector(
    folder: Path, bootstrap: str, url: str, events: int, *, null: bool, kind: Kind = "analytics", replay: bool = False
) -> dict[str, float]:
    """One run over a topic of its own: events a second and CPU an event, from the first bulk to the last.

    With ``replay`` it is `sluice replay` that carries them, through the same entry.
    """
    namespace = f"bench-{secrets.token_hex(4)}"
    asyncio.run(fill(bootstrap, namespace, events, kind))
    host, entries = folder / f"{namespace}.yaml", folder / f"{namespace}-collectors.yaml"
    kafka = {"bootstrap_servers": bootstrap, "single_broker": True, "namespace": namespace}
    host.write_text(yaml.safe_dump({"data_dir": str(folder / namespace), "kafka": kafka}))
    stem = f"{namespace}-events"
    key = "proxy_logs" if kind == "proxy_log" else kind
    config: dict[str, Any] = {"elasticsearch_url": url, "indices": {key: stem}}
    entry = {"name": "bench", "path": "sink://elasticsearch", "hook_types": [kind], "config": config, **ENTRIES[kind]}
    entries.write_text(yaml.safe_dump({"data_collection_plugins": [entry], "server": {"port": free_port()}}))
    work = ["replay", "--sink", "bench", "--topic", kind] if replay else ["collect"]
    command = [sys.executable, "-m", "sluice", *work, "--config", host, "--collectors", entries]
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
        time.sleep(0.02)  # between two looks at what another process has written
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
