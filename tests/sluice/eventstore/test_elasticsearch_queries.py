"""Elasticsearch: refusals, silence and half answers are errors that say what to do; pages go as deep as there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from schemas.events import KINDS
from sluice.clock import iso_micros
from sluice.eventstore import elasticsearch_queries
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp
from sluice.eventstore.elasticsearch_queries import ElasticsearchStore
from sluice.eventstore.names import daily_index
from sluice.eventstore.queries import EventPage, EventStoreError
from tests.servers import Elasticsearch

SECRET = "hunter2-swordfish"


class Scripted(ElasticsearchHttp):
    """Gives these answers, in order; the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self.paths.append(path)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        """Nothing is open."""


GOOD = Answer(200, b'{"count":7,"hits":{"hits":[{"_source":{"exchange_id":"x"}}]}}')


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503, 504])
async def test_an_elasticsearch_that_refuses_is_an_error_that_says_so(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status and reason, of whichever request it was; never a number, and never 0."""
    monkeypatch.setattr(elasticsearch_queries, "_PAUSES_SECONDS", (0.0, 0.0))
    bad = Answer(status, b'{"error":"because"}' + b"x" * 10_000)
    said = f"answered {status} to (POST|GET) .*because"
    for answers in ([bad], [GOOD, bad]):
        with pytest.raises(EventStoreError, match=said) as error:
            await ElasticsearchStore(Scripted(*answers)).count_events("budget")
        assert len(str(error.value)) < 1000
    with pytest.raises(EventStoreError, match=said):
        await ElasticsearchStore(Scripted(bad)).documents("budget", ["x"])


async def test_a_busy_elasticsearch_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short of memory for a moment is no error of a page; of any other refusal a second request mends nothing."""
    monkeypatch.setattr(elasticsearch_queries, "_PAUSES_SECONDS", (0.0, 0.0))
    busy = Answer(429, b'{"error":{"type":"circuit_breaking_exception"}}')
    http = Scripted(GOOD, busy, busy, GOOD)
    assert await ElasticsearchStore(http).count_events("budget") == 7
    assert len(http.paths) == 4
    refusing = Scripted(Answer(503, b""), GOOD)
    with pytest.raises(EventStoreError, match="answered 503"):
        await ElasticsearchStore(refusing).count_events("budget")
    assert len(refusing.paths) == 1


async def test_a_good_answer_is_read_behind_a_refresh() -> None:
    """What was written just now is counted."""
    http = Scripted(GOOD)
    store = ElasticsearchStore(http)
    assert await store.count_events("budget") == 7
    assert [path.partition("?")[0].partition("/")[2] for path in http.paths] == ["_refresh", "_count"]
    assert await store.documents("budget", ["x"]) == [{"exchange_id": "x"}]
    await store.close()


async def test_a_real_elasticsearch_answers_the_same(elasticsearch_server: Elasticsearch, unique_name: str) -> None:
    """Nothing under a name that was never written; then the sources, over all days, fresh at each count."""
    http = ElasticsearchHttp(elasticsearch_server.url, timeout_seconds=30)
    store = ElasticsearchStore(http, dict.fromkeys(KINDS, unique_name))
    assert await store.count_events("budget") == 0
    assert await store.documents("budget", ["x-0"]) == []
    mapping = {"mappings": {"properties": {"exchange_id": {"type": "keyword"}}}, "aliases": {unique_name: {}}}
    documents = [{"exchange_id": f"x-{number}", "cost_nanos": 2**53 + number} for number in range(3)]
    indices = [daily_index(unique_name, number * 86_400_000_000) for number in range(3)]
    for number, index in enumerate(indices):
        put = await http.request("PUT", index, orjson.dumps(mapping))
        assert put.status == 200, put.body
        await http.request("PUT", f"{index}/_doc/{number}", orjson.dumps(documents[number]))
    assert await store.count_events("budget") == 3
    found = await store.documents("budget", iter(["x-0", "x-2", "x-2", "nobody"]))
    assert sorted(found, key=lambda document: str(document["exchange_id"])) == [documents[0], documents[2]]
    for index in indices:
        await http.request("DELETE", index)
    await store.close()


QUESTIONS = ["documents", "analytics_events", "bodies", "summary", "costs", "llm_stats", "exchange"]


async def ask(store: ElasticsearchStore, question: str) -> Any:
    """Any question."""
    arguments: dict[str, tuple[Any, ...]] = {
        "documents": ("budget", ["x"]),
        "analytics_events": (1, 1, 10),
        "bodies": ("x",),
        "exchange": ("x",),
        "summary": (1, 0, 1_000),
        "costs": (1, 0, 1_000),
        "llm_stats": (1,),
    }
    return await getattr(store, question)(*arguments[question])


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_server_that_is_away_is_an_error_that_says_what_to_do(question: str) -> None:
    """Whatever was asked; without the password."""
    http = ElasticsearchHttp("http://127.0.0.1:1", username="me", password=SECRET)
    store = ElasticsearchStore(http)
    with pytest.raises(EventStoreError, match=r"does not answer.*check.*control\.events\.elasticsearch_url") as error:
        await ask(store, question)
    assert SECRET not in str(error.value)
    await store.close()


class Silent(Scripted):
    """Never answers."""

    async def request(self, *arguments: Any, **named: Any) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_page_never_hangs(question: str) -> None:
    """The limit is for the whole answer, however many requests it takes."""
    store = ElasticsearchStore(Silent(GOOD), time_limit_seconds=0.05)
    started = time.monotonic()
    with pytest.raises(EventStoreError, match=r"within 0\.05 s"):
        await ask(store, question)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("question", QUESTIONS)
async def test_what_is_no_json_is_not_elasticsearch(question: str) -> None:
    """A proxy's page with status 200, say."""
    with pytest.raises(EventStoreError, match="not Elasticsearch; check"):
        await ask(ElasticsearchStore(Scripted(Answer(200, b"<html>"))), question)


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "username and password"), (403, "the right to read"), (400, "templates"), (503, "log")]
)
async def test_a_refusal_names_its_remedy(status: int, remedy: str) -> None:
    """By status."""
    with pytest.raises(EventStoreError, match=f"answered {status} .*; .*{remedy}"):
        await ElasticsearchStore(Scripted(Answer(status, b"{}"))).costs(1, 0, 1_000)


async def test_half_an_answer_is_none() -> None:
    """Every search asks to fail rather than to leave a shard out."""
    http = Scripted(Answer(200, b'{"hits":{"hits":[],"total":{"value":0}}}'))
    for question in QUESTIONS:
        await ask(ElasticsearchStore(http), question)
    assert all("allow_partial_search_results=false" in path for path in http.paths)


async def test_pages_beyond_ten_thousand_documents(elasticsearch_server: Elasticsearch, unique_name: str) -> None:
    """Each event is on one page, in order, however deep; days, minutes and milliseconds are crossed on the way."""
    http = ElasticsearchHttp(elasticsearch_server.url, timeout_seconds=60)
    store = ElasticsearchStore(http, dict.fromkeys(KINDS, unique_name), time_limit_seconds=60)
    properties = {"@timestamp": {"type": "date"}, "event_id": {"type": "keyword"}, "app_id": {"type": "long"}}
    await http.request("PUT", unique_name, orjson.dumps({"mappings": {"properties": properties}}))
    lines = []
    for number in range(12_000):
        # Three days with gaps between, bursts of seven in a millisecond, and an app that is not asked for.
        millisecond = number // 4_000 * 86_400_000 + number // 7 * 1_001
        moment = iso_micros((1_700_000_000_000 + millisecond) * 1_000)
        document = {"@timestamp": moment, "event_id": f"e{number:05d}", "app_id": 1 + (number % 1_000 == 0)}
        lines += [b'{"create":{}}', orjson.dumps(document)]
    for first in range(0, len(lines), 8_000):
        bulk = b"\n".join([*lines[first : first + 8_000], b""])
        assert (await http.request("POST", f"{unique_name}/_bulk?refresh=true", bulk)).status == 200
    ids = [f"e{number:05d}" for number in range(12_000) if number % 1_000]
    ids.reverse()
    for page in (1, 10, 11, 12):
        found = await store.analytics_events(1, page, 1_000)
        assert [event["event_id"] for event in found.items] == ids[(page - 1) * 1_000 : page * 1_000]
        assert found.total == len(ids)
    for page in (10_000, 10_007, 11_000, 11_988):  # of one event each
        found = await store.analytics_events(1, page, 1)
        assert [event["event_id"] for event in found.items] == [ids[page - 1]]
    assert await store.analytics_events(1, 11_989, 1) == EventPage([], 11_988)
    await http.request("DELETE", unique_name)
    await store.close()
