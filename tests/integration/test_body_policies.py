"""What an app does not want kept is nowhere: journal, Kafka, Elasticsearch, database, logs; each byte is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from schemas.events import Kind
from tests.integration.asks import LLM
from tests.integration.stack import Stack
from tests.integration.stores import read_database, read_elasticsearch, read_kafka
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch, Kafka

SECONDS = 80.0
POLICIES = ("full", "redacted", "metadata", "none")
MAIL = "ada.{policy}@secret.example"
MARKER = "qzx-{policy}-qzx"
KEY = "sk-ant-api03-aB3aB3aB3aB3aB3"
SETTINGS: dict[str, Any] = {
    "apps": [
        {"id": at, "name": policy, "llms": [LLM], "bodies": "default" if policy == "redacted" else policy}
        for at, policy in enumerate(POLICIES, 1)
    ],
    "tokens": [
        {"app": at, "sha256": hashlib.sha256(f"token-{policy}".encode()).hexdigest(), "prefix": "token"}
        for at, policy in enumerate(POLICIES, 1)
    ],
    "gateway": {"bodies": {"policy": "redacted"}},
}


async def asked(stack: Stack, policy: str) -> None:
    """An exchange whole and one streamed, that say what must not be kept in their bodies and beside them."""
    said = f"{MARKER.format(policy=policy)} mail {MAIL.format(policy=policy)} with {KEY}"
    headers = {"authorization": f"Bearer token-{policy}", "x-mail": MAIL.format(policy=policy)}
    async with httpx.AsyncClient(timeout=20) as client:
        for is_stream in (False, True):
            body = {"model": "mock-small", "stream": is_stream, "messages": [{"role": "user", "content": said}]}
            url = f"{stack.url}/llm/call/{LLM}/chat/completions?mail={MAIL.format(policy=policy)}"
            assert (await client.post(url, json=body, headers=headers)).status_code == 200


def files_with(folder: Path, value: str) -> Iterator[str]:
    """Files of any process that hold a value."""
    for path in folder.rglob("*"):
        if path.is_file() and value.encode() in path.read_bytes():
            yield str(path.relative_to(folder))


async def test_what_is_not_kept_is_nowhere(
    tmp_path: Path, unique_name: str, kafka_server: Kafka, elasticsearch_server: Elasticsearch
) -> None:
    """By app in the gateway, by entry before a sink; sizes are kept in every case, and the app's tokens are charged."""
    search = {"name": "search", "redact": {"bodies": "metadata"}}
    stack = Stack(
        tmp_path, unique_name, kafka=kafka_server, elasticsearch=elasticsearch_server, settings=SETTINGS,
        entries=[search],
    )  # fmt: skip
    kind: Kind = "proxy_log"

    async def have_arrived() -> bool:
        found = await read_elasticsearch(elasticsearch_server.address, stack.stems)
        return min(len(read_database(stack.database)[kind]), len(found[kind])) >= 2 * len(POLICIES)

    async with stack.running():
        for policy in POLICIES:
            await asked(stack, policy)
        await until_found(have_arrived, SECONDS, "every proxy log in both sinks")
        records = await read_kafka(kafka_server.address, stack.topics)
        documents = await read_elasticsearch(elasticsearch_server.address, stack.stems)
        await stack.gateway.stop()
        await stack.collector.stop()
    rows = read_database(stack.database)[kind]
    for policy in ("metadata", "none"):
        assert not list(files_with(tmp_path, MARKER.format(policy=policy)))
        assert MARKER.format(policy=policy) not in str(records)
    for policy in ("redacted", "none"):
        assert not list(files_with(tmp_path, MAIL.format(policy=policy)))
        assert MAIL.format(policy=policy) not in str(records) + str(documents)
    assert list(files_with(tmp_path, MARKER.format(policy="full"))), "or the search above finds nothing"
    assert "qzx" not in str(documents), "the entry shows its sink no body"
    redacted = [row for row in rows if row["app_id"] == 2]
    assert len(redacted) == 2
    assert all(b"qzx-redacted-qzx mail [email] with [key]" in row["request_body"] for row in redacted)
    assert all(row["request_body_bytes"] > 0 and row["response_body_bytes"] > 0 for row in rows)
