"""What a real Elasticsearch says when it says no, and what the sink makes of it: every class that can be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from sluice.dev.servers.secured_elasticsearch import MAX_CONTENT_BYTES, MAX_INDEXING_BYTES
from sluice.eventstore.names import daily_index
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.elasticsearch.refusing import frame, sink_of, write, write_until_settled
from tests.strict_elasticsearch import USERS, StrictElasticsearch

pytestmark = pytest.mark.elasticsearch
Opened = Callable[..., ElasticsearchSink]


@pytest.fixture
async def opened(strict_elasticsearch: StrictElasticsearch, unique_name: str) -> AsyncIterator[Opened]:
    """Makes sinks, by default for who may do everything; closed when the test ends."""
    made: list[ElasticsearchSink] = []
    strict = strict_elasticsearch

    def open_one(user: str = "admin", **config: Any) -> ElasticsearchSink:
        login = {"username": user, "password": USERS.get(user, "")} if user else {}
        trust = {} if {"ca_file", "ca_fingerprint"} & config.keys() else {"ca_fingerprint": strict.ca_fingerprint}
        url = config.pop("url", strict.server.url)
        made.append(sink_of(url, unique_name, **{**login, **trust, **config}))
        return made[-1]

    yield open_one
    for sink in made:
        await sink.close()


@pytest.fixture
async def ask(strict_elasticsearch: StrictElasticsearch) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Asks the node past the sink."""
    async with strict_elasticsearch.client() as client:

        async def one(method: str, path: str, body: Any = None) -> Any:
            answer = await client.request(method, path, json=body)
            assert answer.is_success, answer.text
            return answer.json()

        yield one


async def test_a_bulk_beyond_its_indexing_pressure_is_throttled(opened: Opened) -> None:
    """429 for the whole request: nothing is poison, all come again, and with fewer at a time."""
    sink = opened()
    await sink.start()
    large = frame(3, "proxy_log", request_body=b"x" * (MAX_INDEXING_BYTES // 2))
    verdict = await write(sink, large)
    assert (verdict.retry, verdict.poison) == ([0, 1, 2], {})
    assert isinstance(verdict.cause, Retryable)
    assert verdict.cause.throttled


async def test_single_documents_are_throttled_and_come_again(
    opened: Opened, ask: Callable[..., Awaitable[Any]], unique_name: str
) -> None:
    """429 of items and of requests, mixed: only what was refused is sent again, and each is there once in the end."""
    sink = opened()
    await sink.start()
    day = 86_400_000_000
    frames = [frame(3, occurred_at=NOW_MICROS - (at % 8) * day) for at in range(60)]
    first = await asyncio.gather(*(write(sink, each) for each in frames))
    throttled = [verdict for verdict in first if verdict.cause is not None]
    assert throttled
    assert all(isinstance(verdict.cause, Retryable) and verdict.cause.throttled for verdict in throttled)
    for each in frames:
        await write_until_settled(sink, each)
    await ask("POST", f"/{unique_name}-analytics/_refresh")
    assert (await ask("GET", f"/{unique_name}-analytics/_count"))["count"] == 180


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, above 1 MiB
async def test_a_request_that_is_too_large(
    opened: Opened, ask: Callable[..., Awaitable[Any]], unique_name: str
) -> None:
    """413: one document loses most of its bodies, flagged; one that has none is poison."""
    sink = opened()
    await sink.start()
    made = frame(1, "proxy_log", request_body=b"x" * (MAX_CONTENT_BYTES + 1))
    verdict = await write(sink, made)
    assert verdict == Verdict(), verdict.cause
    index = daily_index(f"{unique_name}-proxy-logs", NOW_MICROS)
    found = (await ask("GET", f"/{index}/_doc/{made.rows['event_id'][0]}"))["_source"]
    assert (len(found["request_body"]), found["request_body_truncated"]) == (4_096, True)
    verdict = await write(sink, frame(1, "proxy_log", error_message="e" * (MAX_CONTENT_BYTES + 1)))
    assert (verdict.poison[0].reason, verdict.poison[0].status) == ("too_large", 413)


@pytest.mark.parametrize(
    ("block", "expected"), [("write", Halt), ("read_only", Halt), ("read_only_allow_delete", Retryable)]
)
async def test_blocks_are_told_apart(
    opened: Opened, ask: Callable[..., Awaitable[Any]], unique_name: str, block: str, expected: type[Exception]
) -> None:
    """403 or 429 by the same type of error: an operator's block halts, a full disk's passes; both end by themselves."""
    sink = opened()
    await sink.start()
    assert await write(sink, frame(1)) == Verdict()
    index, made = daily_index(f"{unique_name}-analytics", NOW_MICROS), frame(2)
    await ask("PUT", f"/{index}/_settings", {f"index.blocks.{block}": True})
    verdict = await write(sink, made)
    assert (verdict.retry, verdict.poison) == ([0, 1], {})
    assert isinstance(verdict.cause, expected)
    assert not getattr(verdict.cause, "throttled", False)
    await ask("PUT", f"/{index}/_settings", {f"index.blocks.{block}": None})
    assert await write(sink, made) == Verdict()


async def test_a_closed_index_halts(opened: Opened, ask: Callable[..., Awaitable[Any]], unique_name: str) -> None:
    """Somebody closed it on purpose."""
    sink = opened()
    await sink.start()
    assert await write(sink, frame(1)) == Verdict()
    await ask("POST", f"/{daily_index(f'{unique_name}-analytics', NOW_MICROS)}/_close")
    cause = (await write(sink, frame(1))).cause
    assert isinstance(cause, Halt)
    assert "open the index" in cause.remedy


@pytest.mark.parametrize("login", [{"user": ""}, {"password": "wrong"}, {"user": "nobody", "password": "x"}])
async def test_who_is_not_known_is_halted(opened: Opened, login: dict[str, str]) -> None:
    """401 at the start, at every write and every check; nothing is poison."""
    sink = opened(**login)
    for ask_it in (sink.start, sink.check):
        with pytest.raises(Halt, match="401"):
            await ask_it()
    verdict = await write(sink, frame(2))
    assert (verdict.retry, verdict.poison) == ([0, 1], {})
    assert isinstance(verdict.cause, Halt)


async def test_who_may_not_write_is_halted_and_who_may_no_more_than_that_is_not(opened: Opened) -> None:
    """403 of items, which others may write; a role with the README's privileges is enough."""
    writer, reader = opened("writer"), opened("reader", use_index_templates=False)
    await writer.start()
    made = frame(2)
    assert await write(writer, made) == Verdict()
    await reader.start()
    verdict = await write(reader, made)
    assert (verdict.retry, verdict.poison) == ([0, 1], {})
    assert isinstance(verdict.cause, Halt)
    assert await write(writer, made) == Verdict(duplicates=2)


async def test_whom_it_trusts(opened: Opened, strict_elasticsearch: StrictElasticsearch, tmp_path: Path) -> None:
    """The CA by its file or its fingerprint, or the certificate's own; in whatever form that is written."""
    strict_elasticsearch.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    pairs = ":".join(strict_elasticsearch.ca_fingerprint.upper()[at : at + 2] for at in range(0, 64, 2))
    for trust in (
        {"ca_file": str(tmp_path / "ca.pem")},
        {"ca_fingerprint": pairs},
        {"ca_fingerprint": strict_elasticsearch.own_fingerprint},
    ):
        await opened(**trust).check()


async def test_whom_it_does_not_trust(
    opened: Opened, strict_elasticsearch: StrictElasticsearch, tmp_path: Path
) -> None:
    """Another CA, another fingerprint, a name that the certificate is not for: a halt that says what to look at."""
    (tmp_path / "none.pem").write_text("nothing")
    elsewhere = f"https://127.0.0.1:{strict_elasticsearch.server.port}"
    for config in (
        {"ca_file": ""},
        {"ca_file": str(tmp_path / "none.pem")},
        {"ca_file": str(tmp_path / "absent.pem")},
        {"ca_fingerprint": "ab" * 32},
        {"url": elsewhere},
    ):
        sink = opened(**config)
        with pytest.raises(Halt, match="ca_file"):
            await sink.check()
        assert isinstance((await write(sink, frame(1))).cause, Halt)
    await opened(url=elsewhere, ca_fingerprint=strict_elasticsearch.own_fingerprint).check()


async def test_http_where_it_speaks_https(opened: Opened, strict_elasticsearch: StrictElasticsearch) -> None:
    """It hangs up: no answer, nothing lost."""
    sink = sink_of(strict_elasticsearch.server.url.replace("https", "http"), "t")
    with pytest.raises(Retryable, match="does not answer"):
        await sink.check()
    await sink.close()


async def test_the_wrong_flavour_halts(opened: Opened) -> None:
    """An 8 is not spoken to as a 9: what to change is named."""
    with pytest.raises(Halt, match="check flavour"):
        await opened(flavour="elasticsearch9").start()
    await opened(flavour="opensearch").start()  # plain media types, which all take


async def test_indices_that_nobody_may_make(
    opened: Opened, ask: Callable[..., Awaitable[Any]], unique_name: str
) -> None:
    """Auto-create is off: the templates are installed once more, then it is a halt; nothing is poison."""
    sink = opened()
    await sink.start()
    await ask("PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": f"-{unique_name}-*,*"}})
    try:
        causes = [(await write(sink, frame(1))).cause for _ in range(2)]
    finally:
        await ask("PUT", "/_cluster/settings", {"persistent": {"action.auto_create_index": None}})
    assert [type(cause) for cause in causes] == [Retryable, type(causes[1])]
    assert isinstance(causes[1], Halt)
    assert "auto_create_index" in causes[1].remedy
    assert await write(sink, frame(1)) == Verdict()


async def test_a_pipeline_that_is_not_there_halts(
    opened: Opened, ask: Callable[..., Awaitable[Any]], unique_name: str
) -> None:
    """It says so for each document, with status 400; none of them is poison, and all go through once it is made."""
    sink, made = opened(pipeline=unique_name), frame(2)
    await sink.start()
    verdict = await write(sink, made)
    assert (verdict.retry, verdict.poison) == ([0, 1], {})
    assert isinstance(verdict.cause, Halt)
    assert "create the ingest pipeline" in verdict.cause.remedy
    await ask("PUT", f"/_ingest/pipeline/{unique_name}", {"processors": []})
    assert await write(sink, made) == Verdict()


async def test_a_lifecycle_policy_that_the_server_does_not_know(opened: Opened) -> None:
    """This distribution has no ILM: the template is refused as a whole, and that is a halt at the start."""
    with pytest.raises(Halt, match="_index_template"):
        await opened(lifecycle_policy="thirty-days").start()
