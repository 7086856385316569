"""Elasticsearch says what it holds, whole or not at all, on a real one and on one that says what it is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.errors import Halt, Retryable
from collectors.services.reconcile import indices
from collectors.services.reconcile.indices import IndexStore
from collectors.services.reconcile.stores import Span
from collectors.sinks.elasticsearch.access import open_http
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from schemas.codec import SchemaBook
from sluice.clock import now_micros
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records
from tests.collectors.retention.stored import store
from tests.collectors.services.reconcile.holdings import BOOT
from tests.servers import Elasticsearch

HOUR = 3_600_000_000


class Told(ElasticsearchHttp):
    """Answers what stands for a word of the path or body; everything else well and empty."""

    def __init__(self, **answers: Answer | Exception) -> None:
        super().__init__("http://nobody:1")
        self.answers, self.asked = answers, list[tuple[str, str, bytes]]()

    async def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Answer:
        self.asked.append((method, path, body or b""))
        for word, answer in self.answers.items():
            if word in path or word.encode() in (body or b""):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return Answer(200, orjson.dumps([] if "_cat" in path else whole()))


class Turns(Told):
    """One answer after the other."""

    def __init__(self, *turns: Answer | Exception) -> None:
        super().__init__()
        self.turns = list(turns)

    async def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Answer:
        self.answers = {"": self.turns.pop(0)}
        return await super().request(method, path, body, headers)


def whole(total: int = 0, **more: Any) -> dict[str, Any]:
    """A good answer."""
    shards = {"total": 3, "successful": 3, "skipped": 0, "failed": 0}
    return {
        "timed_out": False,
        "_shards": shards,
        "hits": {"total": {"value": total, "relation": "eq"}, "hits": []},
        **more,
    }


def answer(**changes: Any) -> Answer:
    """One with changes."""
    return Answer(200, orjson.dumps({**whole(5), **changes}))


async def told(**answers: Answer | Exception) -> IndexStore:
    """A store of one that is told, open for analytics."""
    found = IndexStore(ElasticsearchSettings(), Told(), wait_seconds=0.0)
    await found.open("analytics")
    found._http = Told(**answers)
    return found


LACKING = {
    "a failed shard": answer(_shards={"total": 3, "successful": 2, "skipped": 0, "failed": 1}),
    "a shard that says nothing": answer(_shards={"total": 3, "successful": 2, "skipped": 0, "failed": 0}),
    "cut short": answer(timed_out=True),
    "no Elasticsearch": Answer(200, b'{"ok":true}'),
    "a list": Answer(200, b"[]"),
    "no JSON": Answer(200, b"<html>hello</html>"),
    "no count": answer(hits={"hits": []}),
    "busy": Answer(429, b"{}"),
    "all shards failed": Answer(503, b'{"error":{"type":"search_phase_execution_exception"}}'),
    "a field without doc values": Answer(400, b'{"error":{"type":"illegal_argument_exception"}}'),
    "away": ElasticsearchUnreachableError("refused"),
    "late": ElasticsearchUnreachableError("timeout"),
}


@pytest.mark.parametrize("given", LACKING.values(), ids=LACKING)
async def test_what_is_not_whole_is_no_answer(given: Answer | Exception) -> None:
    """Neither a count nor documents nor ids are concluded from it: a failed shard never reads as missing."""
    found, span = await told(_search=given), Span(0, HOUR)
    with pytest.raises(Retryable):
        await found.count("analytics", span)
    with pytest.raises(Retryable):
        await found.part("analytics", span)
    if given is not LACKING["no count"]:
        with pytest.raises(Retryable):
            await found.present("analytics", ["x-a"])


@pytest.mark.parametrize("status", [401, 403])
async def test_what_is_denied_says_which_rights_are_needed(status: int) -> None:
    """And is no missing index."""
    with pytest.raises(Halt, match="grant read, view_index_metadata and maintenance"):
        await (await told(_search=Answer(status, b"{}"))).count("analytics", Span(0, HOUR))


@pytest.mark.parametrize("state", [{"status": "close"}, {"status": "open", "health": "red"}])
async def test_what_is_closed_or_red_cannot_be_compared(state: dict[str, str]) -> None:
    """A search would pass over it in silence."""
    listed = Answer(200, orjson.dumps([{"index": "microgateway-analytics-2026.11.26", **state}]))
    found = IndexStore(ElasticsearchSettings(), Told(_cat=listed), wait_seconds=0.0)
    with pytest.raises(Retryable, match=r"microgateway-analytics-2026\.11\.26 is (closed|red)"):
        await found.open("analytics")


async def test_answers_that_contradict_one_another_are_none() -> None:
    """More documents than it shows: asked three times, and then nothing is concluded."""
    counted = answer(aggregations={"numbered": {"doc_count": 5}, "held": {"buckets": []}})
    found = await told(_search=counted)
    with pytest.raises(Retryable, match="contradict"):
        await found.part("analytics", Span(0, HOUR))
    assert sum(b"composite" in body for _, _, body in found._http.asked) == 3  # type: ignore[attr-defined]


async def test_pages_end() -> None:
    """Also where a server gives the same page without end."""
    bucket = {"key": {"gateway_id": "g", "worker": "w", "boot_id": "b", "sequence": 1}, "doc_count": 1}
    held = {"after_key": {"sequence": 1}, "buckets": [bucket]}
    found = await told(_search=answer(aggregations={"numbered": {"doc_count": 5}, "held": held}))
    with pytest.raises(Retryable, match="contradict"):
        await found.part("analytics", Span(0, HOUR))


async def test_a_server_that_is_busy_is_asked_again() -> None:
    """And its first good answer counts."""
    found = await told()
    found._http = Turns(Answer(503, b"{}"), ElasticsearchUnreachableError("reset"), answer())
    assert await found.count("analytics", Span(0, HOUR)) == 5


async def test_without_an_alias_the_dated_indices_are_asked() -> None:
    """With one it is what readers see, which after a swap are the rebuilt ones."""
    http = Told(**{"microgateway-budget?": Answer(404, b"{}")})
    await IndexStore(ElasticsearchSettings(), http).open("budget")
    assert http.asked[-1][1].startswith("microgateway-budget-*/_refresh")
    http = Told()
    await IndexStore(ElasticsearchSettings(), http).open("budget")
    assert http.asked[-1][1].startswith("microgateway-budget/_refresh")


async def put(held: IndexStore, path: str, body: bytes | None = None) -> None:
    """By hand."""
    assert (await held._http.request("POST", path, body)).status in {200, 201}


async def test_on_a_real_one(
    elasticsearch_server: Elasticsearch, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, shared numbers, documents of others, ids, spans to the millisecond; an index that is closed."""
    monkeypatch.setattr(indices, "PAGE", 3)
    names = {"analytics": f"{unique_name}-a", "proxy_logs": f"{unique_name}-p", "budget": f"{unique_name}-b"}
    given = {"elasticsearch_url": elasticsearch_server.address, "indices": names}
    settings = ElasticsearchSettings.model_validate(given)
    now = now_micros() // 1_000_000 * 1_000_000
    sink = ElasticsearchSink(settings, ("analytics", "budget"))
    await sink.start()
    places = [(number, now + 123_456) for number in (1, 2, 3, 5, 6, 7, 8)] + [(4, now - 1), (2, now)]
    records = [make_record(offset=at, sequence=each[0], occurred_at=each[1]) for at, each in enumerate(places)]
    await store(sink, frame_of_records(SchemaBook(), records))
    await sink.close()
    held = IndexStore(settings, open_http(settings))
    await put(held, f"{unique_name}-a-2026.01.01/_doc", orjson.dumps({"@timestamp": now // 1_000, "who": "somebody"}))
    await held.open("analytics")
    span = Span(now, now + 1_000_000)
    part = await held.part("analytics", span)
    assert sorted(row[3] for row in part.ranges.iter_rows()) == [1, 2, 2, 3, 5, 6, 7, 8]
    assert {row[:3] for row in part.ranges.iter_rows()} == {(BOOT.gateway_id, BOOT.worker, BOOT.boot_id)}
    assert (part.documents, part.unnumbered) == (9, 1)
    assert (await held.part("analytics", Span(now - 1_000, now))).documents == 1
    assert await held.oldest("analytics") == now - 1_000
    found = await held.documents("analytics", span, BOOT, (2, 3), 10)
    assert [(each.sequence, each.outcome) for each in found] == [(2, "ok"), (2, "ok"), (3, "ok")]
    assert await held.present("analytics", [found[0].event_id, "nobody-a"]) == {found[0].event_id}
    await held.open("budget")
    assert (await held.oldest("budget"), (await held.part("budget", span)).documents) == (None, 0)
    await put(held, f"{unique_name}-a-2026.01.01/_close")
    with pytest.raises(Retryable, match="is closed"):
        await held.open("analytics")
    await held.close()
