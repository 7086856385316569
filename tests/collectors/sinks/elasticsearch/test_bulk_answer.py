"""What Elasticsearch's answers mean: every row of the table, for an item and a request; garbage is no success."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.errors import MAX_REASON_CHARACTERS, Halt, Retryable, Unprocessable
from collectors.sinks.elasticsearch.bulk_answer import IndexMissing, cause_of, cause_of_request, judge_bulk
from collectors.sinks.interface import Verdict
from sluice.eventstore.elasticsearch_http import Answer

DURABLE = {"status": 201}
CONFLICT = {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "exists"}}
POISON = {"status": 400, "error": {"type": "document_parsing_exception", "reason": "[1:2] failed"}}
THROTTLED = {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue"}}
FORBIDDEN = {"status": 403, "error": {"type": "security_exception", "reason": "no"}}
UNAVAILABLE = {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": "primary"}}
ITEMS: dict[str, dict[str, Any]] = {
    "durable": DURABLE,
    "duplicate": CONFLICT,
    "poison": POISON,
    "throttled": THROTTLED,
    "halt": FORBIDDEN,
    "retry": UNAVAILABLE,
}


def answer(*items: dict[str, Any], **more: Any) -> Answer:
    """A bulk's answer with these results."""
    errors = any("error" in item for item in items)
    return Answer(200, orjson.dumps({"errors": errors, "items": [{"create": item} for item in items], **more}))


def named(verdict: Verdict, count: int) -> list[str]:
    """``poison``, ``retry`` or ``durable`` of each position."""
    retry = set(verdict.retry)
    return ["poison" if at in verdict.poison else "retry" if at in retry else "durable" for at in range(count)]


def kind_of(cause: Exception | None) -> str:
    """The row of the table that a cause belongs to."""
    if isinstance(cause, Retryable):
        return "throttled" if cause.throttled else "retry"
    return {IndexMissing: "missing", Halt: "halt", Unprocessable: "poison"}.get(type(cause), "none")


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(ITEMS)), max_size=20))
def test_every_item_is_judged_by_itself(rows: list[str]) -> None:
    """Whatever mixture: each position has one class, and the cause is that of the worst which must be written again."""
    verdict = judge_bulk(answer(*(ITEMS[row] for row in rows)), len(rows))
    expected = {"durable": "durable", "duplicate": "durable", "poison": "poison"}
    assert named(verdict, len(rows)) == [expected.get(row, "retry") for row in rows]
    assert len(verdict.retry) == len(set(verdict.retry))
    assert verdict.duplicates == rows.count("duplicate")
    worst = next((row for row in ("halt", "throttled", "retry") if row in rows), "none")
    assert kind_of(verdict.cause) == worst


@pytest.mark.parametrize(
    ("status", "kind", "reason", "means"),
    [
        (429, "", "", "throttled"),
        (429, "anything", "", "throttled"),
        (503, "circuit_breaking_exception", "Data too large", "throttled"),
        (500, "rejected_execution_exception", "", "throttled"),
        (429, "cluster_block_exception", "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded]", "retry"),
        (403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/12/index read-only]", "retry"),
        (403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)]", "halt"),
        (503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master]", "retry"),
        (503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered]", "retry"),
        (409, "illegal_index_shard_state_exception", "", "retry"),
        (400, "index_closed_exception", "closed", "halt"),
        (400, "validation_exception", "this action would add [2] shards", "halt"),
        (401, "security_exception", "missing authentication", "halt"),
        (403, "", "", "halt"),
        (404, "index_not_found_exception", "no such index", "missing"),
        (404, "", "", "retry"),
        (408, "", "", "retry"),
        (500, "", "", "retry"),
        (503, "process_cluster_event_timeout_exception", "", "retry"),
        (599, "", "", "retry"),
        (400, "illegal_state_exception", "No space left on device", "retry"),
        (400, "document_parsing_exception", "failed", "poison"),
        (413, "", "", "poison"),
        (400, "", "", "poison"),
    ],
)
def test_the_table_of_answers(status: int, kind: str, reason: str, means: str) -> None:
    """The type first, then the status; what nobody knows of one document is that document's own fault."""
    assert kind_of(cause_of(status, kind, reason)) == means
    if status != 409:
        item = {"status": status, "error": {"type": kind, "reason": reason}}
        verdict = judge_bulk(answer(DURABLE, item), 2)
        assert kind_of(verdict.poison.get(1, verdict.cause)) == means
        assert named(verdict, 2)[0] == "durable"


def test_poison_has_a_stable_reason() -> None:
    """The error's type, or the status where there is none; the detail holds no value and is bounded."""
    typed = cause_of(400, "document_parsing_exception", "failed to parse: 'hunter2'" + "x" * 10_000)
    assert isinstance(typed, Unprocessable)
    assert (typed.reason, typed.status) == ("document_parsing_exception", 400)
    assert "hunter2" not in str(typed)
    assert len(typed.detail) <= MAX_REASON_CHARACTERS
    bare = cause_of(418, "", "")
    assert isinstance(bare, Unprocessable)
    assert bare.reason == "status_418"


def test_a_halt_says_what_to_do() -> None:
    """A remedy for each: credentials, a block, a closed index, too many shards, and indices nobody may make."""
    remedies = {
        (401, "security_exception"): "password",
        (403, "cluster_block_exception"): "lift the block",
        (400, "index_closed_exception"): "open the index",
        (400, "validation_exception"): "max_shards_per_node",
        (404, "index_not_found_exception"): "auto_create_index",
    }
    for (status, kind), remedy in remedies.items():
        halt = cause_of(status, kind, "reason")
        assert isinstance(halt, Halt)
        assert remedy in halt.remedy


@pytest.mark.parametrize("reason", ["[i]", "no such index [s-2025.11.24]"])
def test_a_missing_index_is_told_from_other_halts(reason: str) -> None:
    """The sink installs its templates again for it."""
    assert isinstance(cause_of(404, "index_not_found_exception", reason), IndexMissing)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>200 OK</html>",
        b'{"errors":false',
        b'{"errors":false}',
        b'{"errors":false,"items":[]}',
        b'{"errors":false,"items":null}',
        b'{"errors":"no","items":[{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{}]}',
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":"201"}}]}',
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{}}]}',
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":1e99}}]}',
        b'{"errors":true,"items":[{"create":{"status":201},"index":{"status":201}},{"create":{"status":201}}]}',
        b'{"errors":true,"items":[{"create":{"status":400,"error":"old form"}},{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]',
    ],
)
def test_an_answer_that_is_no_bulk_s_is_no_success(body: bytes) -> None:
    """Status 200 of whoever it is: unless it says of both documents what became of them, both are written again."""
    verdict = judge_bulk(Answer(200, body), 2)
    assert verdict.retry == [0, 1]
    assert kind_of(verdict.cause) == "retry"
    assert verdict.poison == {}


@pytest.mark.parametrize("body", [b'{"errors":true,"items":[{"cre\xff":{"status":201}}]}', b'{"x":' + b"[" * 100_000])
def test_garbage_that_msgspec_names_otherwise_is_no_success_either(body: bytes) -> None:
    """Bytes that are no UTF-8, and brackets without end, are an unreadable answer like any other."""
    assert judge_bulk(Answer(200, body), 1).retry == [0]
    assert isinstance(cause_of_request(Answer(502, body)), Retryable)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5))
def test_no_garbage_is_a_success(body: bytes, count: int) -> None:
    """Random bytes never acknowledge a document."""
    assert judge_bulk(Answer(200, body), count).retry == list(range(count))


@pytest.mark.parametrize("spaces", [False, True])
def test_a_good_answer_is_read_with_and_without_the_short_cut(spaces: bool) -> None:
    """Elasticsearch writes no spaces; whoever stands before it may, and the answer means the same."""
    body = answer(DURABLE, DURABLE).body
    if spaces:
        body = body.replace(b":", b": ").replace(b",", b", ") + b"\n"
    assert judge_bulk(Answer(200, body), 2) == Verdict()


def test_status_200_and_201_are_durable() -> None:
    """Both, and only without an error beside them."""
    assert judge_bulk(answer({"status": 200}, CONFLICT), 2) == Verdict(duplicates=1)
    odd = judge_bulk(answer({"status": 201, "error": {"type": "odd_exception", "reason": ""}}), 1)
    assert odd.poison[0].reason == "odd_exception"


def test_the_failure_store_is_no_success() -> None:
    """A document that was redirected is not where it is looked for; beside ones that are well, too."""
    verdict = judge_bulk(answer(DURABLE, {"status": 201, "failure_store": "used"}), 2)
    assert {at: error.reason for at, error in verdict.poison.items()} == {1: "failure_store"}
    fine = judge_bulk(answer({"status": 201, "failure_store": "not_enabled"}), 1)
    assert fine == Verdict()


@pytest.mark.parametrize("error", [None, {}, {"type": "x", "reason": None}, {"type": "x", "caused_by": {"type": "y"}}])
def test_errors_may_be_incomplete(error: dict[str, Any] | None) -> None:
    """An error without a reason or without a type is still that item's error."""
    verdict = judge_bulk(answer({"status": 400, "error": error}), 1)
    assert list(verdict.poison) == [0]


@pytest.mark.parametrize(
    ("status", "body", "means"),
    [
        (301, b"", "halt"),
        (404, b"<html>nginx</html>", "halt"),
        (405, b"", "halt"),
        (404, b'{"error":{"type":"index_not_found_exception","reason":"x"}}', "missing"),
        (401, b"", "halt"),
        (429, b"", "throttled"),
        (502, b"<html>bad gateway</html>", "retry"),
        (503, b'{"error":"text"}', "retry"),
        (500, b'{"error":{"type":null,"reason":7}}', "retry"),
        (500, b"[]", "retry"),
        (400, b'{"error":{"type":"parse_exception","reason":"x"}}', "poison"),
        (400, b"", "poison"),
        (413, b"", "poison"),
    ],
)
def test_a_refused_request_is_judged_whoever_refused_it(status: int, body: bytes, means: str) -> None:
    """An Elasticsearch by its error's type, a proxy's page by its status: a wrong address is for somebody to mend."""
    assert kind_of(cause_of_request(Answer(status, body))) == means


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", None), ("7", 7.0), ("0", 0.0), ("-7", None), ("1.5", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)],
)
def test_retry_after_is_read_in_seconds(header: str, seconds: float | None) -> None:
    """Its form as a date, a negative one and a fraction are as none: our own wait is good enough."""
    for status in (429, 503):
        cause = cause_of_request(Answer(status, b"", header))
        assert isinstance(cause, Retryable)
        assert cause.retry_after_seconds == seconds


def test_retry_after_may_be_any_text() -> None:
    """A superscript two is a digit to Python's ``isdigit`` and no number to ``float``: it is as none."""
    cause = cause_of_request(Answer(503, b"", "²"))
    assert isinstance(cause, Retryable)
    assert cause.retry_after_seconds is None
