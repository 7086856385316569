"""The Elasticsearch sink against a scripted server: every row of the table of answers, item by item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventstore.templates import TEMPLATE_VERSION
from tests.collectors.events import NOW_MICROS, make_record, numbered
from tests.collectors.frames import frame_of_records
from tests.collectors.scripted_elasticsearch import (
    Bulk,
    Reply,
    ScriptedElasticsearch,
    bulk_reply,
    error_body,
    reply,
)

DAY = 86_400_000_000


@pytest.fixture
async def server() -> AsyncIterator[ScriptedElasticsearch]:
    """A scripted server for one test."""
    scripted = ScriptedElasticsearch()
    await scripted.start()
    yield scripted
    await scripted.close()


@pytest.fixture
async def sink(server: ScriptedElasticsearch) -> AsyncIterator[ElasticsearchSink]:
    """A sink on it."""
    made = make_sink(server)
    yield made
    await made.close()


def make_sink(server: ScriptedElasticsearch, **settings: Any) -> ElasticsearchSink:
    """A sink with these settings; the wall clock stands still."""
    config = ElasticsearchSettings.model_validate({"elasticsearch_url": server.url, **settings})
    return ElasticsearchSink(config, KINDS, clock=lambda: NOW_MICROS)


def frame(count: int = 4, kind: Kind = "analytics", **changes: Any) -> Frame:
    """A frame of good events."""
    return frame_of_records(SchemaBook(), numbered(make_record(kind, **changes) for _ in range(count)))


async def write(sink: ElasticsearchSink, frame_: Frame) -> Verdict:
    """What becomes of a frame's documents."""
    return await sink.write(sink.prepare(frame_).documents)


async def test_documents_are_created_under_their_id_and_day(
    server: ScriptedElasticsearch, sink: ElasticsearchSink
) -> None:
    """The id is the event's, the index that of its own UTC day; a second write changes nothing and counts as such."""
    late = frame(1, occurred_at=NOW_MICROS - 3 * DAY)
    verdict = await write(sink, late)
    assert verdict == Verdict()
    [(index, event_id)] = server.documents
    assert index == "microgateway-analytics-2025.11.21"
    assert event_id == late.rows["event_id"][0]
    again = await write(sink, late)
    assert again == Verdict(duplicates=1)
    assert len(server.documents) == 1


async def test_mixed_items_are_judged_one_by_one(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """One answer with 201, 409, 400, 429 and 503 settles what is settled and resends nothing else."""
    documents = sink.prepare(frame(5)).documents
    results: list[dict[str, Any]] = [
        {"status": 201},
        {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "exists"}},
        {"status": 400, "error": {"type": "document_parsing_exception", "reason": "failed to parse field 'secret'"}},
        {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue is full"}},
        {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": "primary is not active"}},
    ]

    async def answer(_bulk: Bulk) -> Reply:
        return bulk_reply(results)

    server.script.append(answer)
    verdict = await sink.write(documents)
    assert verdict.duplicates == 1
    assert list(verdict.poison) == [2]
    assert verdict.poison[2].reason == "document_parsing_exception"
    assert verdict.retry == [3, 4]
    assert isinstance(verdict.cause, Retryable)
    assert verdict.cause.throttled


@pytest.mark.parametrize(
    ("status", "kind", "reason", "expected"),
    [
        (429, "circuit_breaking_exception", "[parent] Data too large", "throttled"),
        (429, "es_rejected_execution_exception", "rejected execution", "throttled"),
        (503, "es_rejected_execution_exception", "rejected execution", "throttled"),
        (400, "mapper_parsing_exception", "failed to parse field [x]. Preview of field's value: 'abc'", "poison"),
        (400, "document_parsing_exception", "failed to parse date field [never]", "poison"),
        (400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded", "poison"),
        (400, "illegal_argument_exception", "Document contains at least one immense term", "poison"),
        (400, "strict_dynamic_mapping_exception", "dynamic introduction of [x] is not allowed", "poison"),
        (401, "security_exception", "missing authentication credentials", "halt"),
        (403, "security_exception", "action [indices:data/write] is unauthorized", "halt"),
        (429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage]", "transient"),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/12/disk usage exceeded]", "transient"),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)]", "halt"),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/5/index read-only (api)]", "halt"),
        (400, "index_closed_exception", "closed", "halt"),
        (400, "validation_exception", "this action would add [2] shards, but this cluster has [1000]/[1000]", "halt"),
        (507, "translog_exception", "no space", "transient"),
        (500, "i_o_exception", "No space left on device", "transient"),
        (503, "search_phase_execution_exception", "all shards failed", "transient"),
        (504, "process_cluster_event_timeout_exception", "timeout", "transient"),
    ],
)
async def test_what_an_item_error_means(
    server: ScriptedElasticsearch, sink: ElasticsearchSink, status: int, kind: str, reason: str, expected: str
) -> None:
    """Judged by type and block id, and only then by status; the others of the bulk are delivered."""
    documents = frame(3)
    bad = documents.rows["event_id"][1]
    server.item_rules = lambda item: (status, kind, reason) if item.id == bad else None
    verdict = await write(sink, documents)
    assert len(server.documents) == 2
    assert classified(verdict, 1) == expected
    assert "abc" not in str(verdict.poison)


def classified(verdict: Verdict, position: int) -> str:
    """The class of the outcome of one document, in a word; every other document must be settled."""
    if verdict.poison:
        assert list(verdict.poison) == [position]
        assert not verdict.retry
        return "poison"
    assert verdict.retry == [position]
    if isinstance(verdict.cause, Halt):
        return "halt"
    assert verdict.cause is not None
    return "throttled" if verdict.cause.throttled else "transient"


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected", "retry_after"),
    [
        (429, error_body("es_rejected_execution_exception", "full"), {}, "throttled", None),
        (429, b"slow down", {"retry-after": "7"}, "throttled", 7.0),
        (502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}, "transient", None),
        (503, b"", {"retry-after": "3"}, "transient", 3.0),
        (504, b"", {}, "transient", None),
        (401, error_body("security_exception", "missing"), {}, "halt", None),
        (403, error_body("security_exception", "unauthorized"), {}, "halt", None),
        (403, error_body("cluster_block_exception", "[FORBIDDEN/8/index write]"), {}, "halt", None),
        (404, b"<html>not here</html>", {"content-type": "text/html"}, "halt", None),
        (301, b"", {}, "halt", None),
    ],
)
async def test_what_a_refused_request_means(
    server: ScriptedElasticsearch,
    sink: ElasticsearchSink,
    status: int,
    body: bytes,
    headers: dict[str, str],
    expected: str,
    retry_after: float | None,
) -> None:
    """A whole request that is refused postpones every document; ``Retry-After`` is passed on."""
    server.script.append(reply(status, body, headers))
    verdict = await write(sink, frame(3))
    assert verdict.retry == [0, 1, 2]
    assert not verdict.poison
    cause = verdict.cause
    if expected == "halt":
        assert isinstance(cause, Halt)
    else:
        assert isinstance(cause, Retryable)
        assert cause.throttled == (expected == "throttled")
        assert cause.retry_after_seconds == retry_after


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"sta',
        b'{"errors":false,"items":[{"create":{"status":201}}]}',
        b'{"errors":false,"items":[]}',
        b'{"errors":true,"items":[{"create":{"status":201},"index":{"status":201}},{"create":{"status":201}}]}',
        b'["errors"]',
        b"{" + b'"status":201,' * 2 + b'"errors":false}',
        b"<html>ok</html>",
    ],
)
async def test_an_answer_that_is_no_bulks_is_no_success(
    server: ScriptedElasticsearch, sink: ElasticsearchSink, body: bytes
) -> None:
    """200 with a truncated or invalid body or the wrong number of items: nothing is known, all is written again."""
    server.script.append(reply(200, body))
    verdict = await write(sink, frame(2))
    assert verdict.retry == [0, 1]
    assert isinstance(verdict.cause, Retryable)


async def test_connection_reset_in_the_body(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """A connection that dies while the answer comes means: write again; what was applied answers 409 then."""
    documents = frame(3)

    async def apply_and_reset(bulk: Bulk) -> Reply:
        answer = server.apply(bulk)
        return Reply(answer.status, answer.body, cut_at=10)

    server.script.append(apply_and_reset)
    verdict = await write(sink, documents)
    assert verdict.retry == [0, 1, 2]
    assert isinstance(verdict.cause, Retryable)
    assert await write(sink, documents) == Verdict(duplicates=3)


async def test_timeout_after_the_bulk_was_applied(server: ScriptedElasticsearch) -> None:
    """An answer that comes too late costs a second write and no second document."""
    impatient, sink = make_sink(server, timeout="1s"), make_sink(server)
    documents, gate = frame(3), asyncio.Event()

    async def apply_and_hang(bulk: Bulk) -> Reply:
        answer = server.apply(bulk)
        await gate.wait()
        return answer

    server.script.append(apply_and_hang)
    verdict = await write(impatient, documents)
    gate.set()
    assert verdict.retry == [0, 1, 2]
    await impatient.close()
    assert await write(sink, documents) == Verdict(duplicates=3)
    assert len(server.documents) == 3
    await sink.close()


async def test_server_absent_and_back(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """Nothing listens: start, check and write say so, and all go well when somebody does."""
    await server.close()
    with pytest.raises(Retryable, match="does not answer"):
        await sink.start()
    verdict = await write(sink, frame(2))
    assert verdict.retry == [0, 1]
    await server.start()
    await sink.start()
    assert await write(sink, frame(2)) == Verdict()


async def test_too_large_is_halved_down_to_one(server: ScriptedElasticsearch) -> None:
    """413: halve; a single document loses the tail of its bodies, flagged; without bodies it is poison."""
    sink = make_sink(server)
    small, large = frame(6, "proxy_log"), frame(1, "proxy_log", request_body=b"x" * 60_000)
    huge = frame(1, "proxy_log", error_message="e" * 60_000)
    server.max_body_bytes = 20_000
    documents = [doc for each in (small, large, huge) for doc in sink.prepare(each).documents]
    verdict = await sink.write(documents)
    assert list(verdict.poison) == [7]
    assert (verdict.poison[7].reason, verdict.poison[7].status) == ("too_large", 413)
    assert not verdict.retry
    assert len(server.documents) == 7
    cut = next(doc for (_, name), doc in server.documents.items() if name == large.rows["event_id"][0])
    assert len(cut["request_body"]) == 4_096
    assert cut["request_body_truncated"] is True
    assert cut["response_body_truncated"] is False
    await sink.close()


async def test_request_refused_for_one_document(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """A whole request answered 400 is halved until the one document at fault is found."""
    documents = frame(8)
    bad = documents.rows["event_id"][5]

    async def refuse(bulk: Bulk) -> Reply:
        if bad in bulk.ids:
            return Reply(400, error_body("illegal_argument_exception", "Malformed content"))
        return server.apply(bulk)

    server.always = refuse
    verdict = await write(sink, documents)
    assert list(verdict.poison) == [5]
    assert len(server.documents) == 7


async def test_bulks_stay_within_their_bound(server: ScriptedElasticsearch) -> None:
    """What a batch has beyond ``max_bulk_bytes`` goes out in further requests; positions stay those of the batch."""
    sink = make_sink(server, max_bulk_bytes="4KB")
    documents = frame(20)
    bad = documents.rows["event_id"][17]
    server.item_rules = lambda item: (400, "document_parsing_exception", "no") if item.id == bad else None
    verdict = await write(sink, documents)
    assert list(verdict.poison) == [17]
    assert len(server.bulks) > 3
    assert all(bulk.size_bytes <= 4_000 for bulk in server.bulks)
    await sink.close()


async def test_compressed_bulks(server: ScriptedElasticsearch) -> None:
    """With ``compress`` bodies travel as gzip and arrive the same."""
    sink = make_sink(server, compress=True)
    assert await write(sink, frame(5)) == Verdict()
    assert server.bulks[0].headers["content-encoding"] == "gzip"
    assert len(server.documents) == 5
    await sink.close()


async def test_failure_store_is_not_a_success(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """A document that went to the failure store is not where it belongs: a dead letter, not a success."""

    async def store_failures(_bulk: Bulk) -> Reply:
        return bulk_reply([{"status": 201}, {"status": 201, "failure_store": "used"}])

    server.script.append(store_failures)
    verdict = await write(sink, frame(2))
    assert list(verdict.poison) == [1]


async def test_templates_are_installed_once(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """Installed before the first document, not again where they stand, and never over a newer version."""
    await sink.start()
    puts = [request for request in server.requests if request.startswith("PUT")]
    assert len(puts) == 7
    await sink.start()
    assert [request for request in server.requests if request.startswith("PUT")] == puts
    server.templates["/_index_template/microgateway-budget"]["_meta"]["version"] = TEMPLATE_VERSION + 1
    server.templates["/_component_template/microgateway-settings"]["_meta"]["version"] = TEMPLATE_VERSION - 1
    await sink.start()
    assert [request for request in server.requests if request.startswith("PUT")][7:] == [
        "PUT /_component_template/microgateway-settings"
    ]


async def test_missing_index_installs_templates_once_and_then_halts(
    server: ScriptedElasticsearch, sink: ElasticsearchSink
) -> None:
    """404 with auto-create off: the templates are installed again, once; an index still missing is a halt."""
    await sink.start()
    server.item_rules = lambda item: (404, "index_not_found_exception", f"no such index [{item.index}]")
    before = len(server.requests)
    first = await write(sink, frame(2))
    assert isinstance(first.cause, Retryable)
    assert sum(request.startswith("PUT") for request in server.requests[before:]) == 7
    second = await write(sink, frame(2))
    assert isinstance(second.cause, Halt)
    server.item_rules = lambda _item: None
    assert await write(sink, frame(2)) == Verdict()


async def test_credentials_wrong_and_then_right(server: ScriptedElasticsearch) -> None:
    """401 on anything is a halt with its remedy; basic credentials are sent when they are given."""
    server.guard = lambda _request, headers: (
        None
        if headers.get("authorization") == "Basic dTpw"
        else Reply(401, error_body("security_exception", "missing"))
    )
    sink = make_sink(server)
    with pytest.raises(Halt, match="check username, password"):
        await sink.start()
    assert isinstance((await write(sink, frame(1))).cause, Halt)
    await sink.close()
    sink = make_sink(server, username="u", password="p")
    await sink.start()
    assert await write(sink, frame(1)) == Verdict()
    await sink.close()


async def test_wrong_clock_makes_no_index(sink: ElasticsearchSink) -> None:
    """Events from outside the accepted range are poison before they are written."""
    good, old, early = (
        frame(1),
        frame(1, occurred_at=NOW_MICROS - 401 * DAY),
        frame(1, occurred_at=NOW_MICROS + 2 * DAY),
    )
    assert sink.prepare(good).poison == {}
    for outside in (old, early):
        [(position, error)] = sink.prepare(outside).poison.items()
        assert (position, error.reason) == (0, "time_out_of_range")


async def test_item_errors_hold_no_values(server: ScriptedElasticsearch, sink: ElasticsearchSink) -> None:
    """What Elasticsearch quotes of a document's value goes into no log and no header."""
    secret = "sk-very-secret"
    rule = "failed to parse field [x] of type [long] in document with id '{0}'. Preview of field's value: '{1}'"
    server.item_rules = lambda item: (400, "document_parsing_exception", rule.format(item.id, secret))
    verdict = await write(sink, frame(1))
    error = verdict.poison[0]
    assert isinstance(error, Unprocessable)
    assert secret not in str(error)


async def test_a_retry_sends_the_failed_items_bytes_and_no_others(
    server: ScriptedElasticsearch, sink: ElasticsearchSink
) -> None:
    """Documents are serialised once: what is sent again is the very object that was sent before."""
    documents = sink.prepare(frame(4)).documents
    ids = [bytes(line).split(b'"_id":"')[1].split(b'"')[0].decode() for line in documents]
    busy = {ids[1], ids[3]}
    server.item_rules = lambda item: (429, "es_rejected_execution_exception", "full") if item.id in busy else None
    verdict = await sink.write(documents)
    assert verdict.retry == [1, 3]
    busy.clear()
    assert await sink.write([documents[at] for at in verdict.retry]) == Verdict()
    assert server.bulks[-1].ids == [ids[1], ids[3]]
    assert server.bulks[-1].size_bytes == len(documents[1]) + len(documents[3])


async def test_a_failure_store_that_is_wanted(server: ScriptedElasticsearch) -> None:
    """With ``failure_store: accept`` such a document is done with; by default it is a dead letter."""
    sink = make_sink(server, failure_store="accept", data_streams=True)

    async def store_failures(_bulk: Bulk) -> Reply:
        return bulk_reply([{"status": 201}, {"status": 201, "failure_store": "used"}])

    server.script.append(store_failures)
    assert await write(sink, frame(2)) == Verdict()
    await sink.close()


@pytest.mark.parametrize(("form", "index"), [("{YYYY.MM}", "logs-2025.11"), ("{YYYY}", "logs-2025")])
async def test_indices_of_longer_periods(server: ScriptedElasticsearch, form: str, index: str) -> None:
    """The month or year of the event itself."""
    sink = make_sink(server, indices={"analytics": f"logs-{form}"})
    assert await write(sink, frame(1)) == Verdict()
    assert [name for name, _ in server.documents] == [index]
    await sink.close()


async def test_data_streams(server: ScriptedElasticsearch) -> None:
    """One target for all days, by a template of its own that makes a stream and no alias."""
    sink = make_sink(server, data_streams=True, lifecycle_policy="thirty-days")
    await sink.start()
    body = server.templates["/_index_template/microgateway-analytics-stream"]
    assert (body["index_patterns"], body["data_stream"]) == (["microgateway-analytics"], {})
    assert body["template"] == {"settings": {"index": {"lifecycle": {"name": "thirty-days"}}}}
    assert await write(sink, frame(1, occurred_at=NOW_MICROS - 3 * DAY)) == Verdict()
    assert [name for name, _ in server.documents] == ["microgateway-analytics"]
    await sink.close()


async def test_a_lifecycle_policy_counts_from_the_day_in_the_name(server: ScriptedElasticsearch) -> None:
    """Of daily indices alone; a policy that is changed later is installed, and so is its end."""
    for policy in ("thirty-days", "ninety-days", ""):
        sink = make_sink(server, lifecycle_policy=policy, indices={"budget": "money-{YYYY.MM}"})
        await sink.start()
        daily = server.templates["/_index_template/microgateway-analytics"]["template"].get("settings")
        monthly = server.templates["/_index_template/money"]["template"].get("settings")
        lifecycle = {"name": policy, "parse_origination_date": True}
        assert daily == ({"index": {"lifecycle": lifecycle}} if policy else None)
        assert monthly == ({"index": {"lifecycle": {"name": policy}}} if policy else None)
        await sink.close()


async def test_a_pipeline_is_asked_for(server: ScriptedElasticsearch) -> None:
    """By each bulk."""
    sink = make_sink(server, pipeline="geo.v1")
    assert await write(sink, frame(1)) == Verdict()
    assert server.requests[-1].endswith("&pipeline=geo.v1")
    await sink.close()


async def test_several_nodes_and_one_dead(server: ScriptedElasticsearch) -> None:
    """Batches go through while one node lives: none of them is even postponed."""
    other = ScriptedElasticsearch()
    await other.start()
    sink = make_sink(server, elasticsearch_url=[server.url, other.url])
    await other.close()
    for _ in range(6):
        assert await write(sink, frame(2)) == Verdict()
    assert len(server.documents) == 12
    await sink.close()
