"""What Elasticsearch's answers mean, item by item. Judged by the error's type and only then by the status.

| answer | class |
|---|---|
| 200, 201 | durable |
| 409 on ``create`` with our id | duplicate: durable |
| 429, circuit breaker, rejected execution | retry, throttled |
| flood-stage block, 503 of any block, 5xx, no space, shards failed, any answer that is not a bulk's | retry |
| 401, 403, other blocks, a closed index, no room for another index's shards | halt |
| an index missing after the templates were installed again, an ingest pipeline that is missing | halt |
| everything else about one document | poison |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from collectors.errors import Halt, Retryable, Unprocessable, without_values
from collectors.sinks.interface import Verdict
from sluice.eventstore.elasticsearch_http import Answer

FILTER_PATH = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.failure_store"

_THROTTLED = frozenset(
    ("circuit_breaking_exception", "es_rejected_execution_exception", "rejected_execution_exception")
)
FAILURE_STORE = "failure_store"
"""The reason of documents that were put there."""

_CREDENTIALS = "check username, password, api_key or bearer_token, and the rights to create documents and indices"
_CONFIGURATION = {
    "cluster_block_exception": "lift the block from the index or the cluster",
    "index_closed_exception": "open the index again, or delete it",
    "validation_exception": "raise cluster.max_shards_per_node, or delete old indices",  # too many shards for a new day
}
_INGEST = frozenset(("fail_processor_exception", "ingest_processor_exception", "ingest_pipeline_exception"))
"""A pipeline that refuses a document will refuse it again, though it says 500."""
_NO_PIPELINE = re.compile(r"pipeline with id \[[^\]]*\] does not exist")
_FLOOD_STAGE = "/12/"
_CONFLICTS = frozenset(("", "version_conflict_engine_exception"))
_ITEM = b'{"create":{"status":'


class IndexMissing(Halt):
    """An index is not there and was not made."""


class _Error(msgspec.Struct):
    type: str = ""
    reason: str | None = None


class _Result(msgspec.Struct):
    status: int
    error: _Error | None = None
    failure_store: str = ""


class _Bulk(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Result]] = []


_DECODER = msgspec.json.Decoder(_Bulk)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises of bytes that are no answer; the second and third are no ``DecodeError``."""


def judge_bulk(answer: Answer, count: int) -> Verdict:
    """What became of the ``count`` documents of a bulk that was answered with status 200."""
    body = answer.body
    if _all_is_well(body, count):
        return Verdict()
    try:
        bulk = _DECODER.decode(body)
    except _UNREADABLE as error:
        return _nothing_known(count, f"unreadable bulk answer: {without_values(str(error))}")
    if len(bulk.items) != count or any(len(item) != 1 for item in bulk.items):
        return _nothing_known(count, f"bulk answer has {len(bulk.items)} items for {count} documents")
    verdict = Verdict()
    for position, item in enumerate(bulk.items):
        _judge_item(verdict, position, next(iter(item.values())))
    return verdict


def _all_is_well(body: bytes, count: int) -> bool:
    """Whether every document was written, as far as counting bytes can tell: then nothing is parsed."""
    whole = b'"errors":false' in body[:64] and body.endswith(b"}") and body.count(_ITEM) == count
    return whole and b'"failure_store":"used"' not in body


def _nothing_known(count: int, message: str) -> Verdict:
    verdict = Verdict()
    verdict.postpone(range(count), Retryable(message))
    return verdict


def _judge_item(verdict: Verdict, position: int, result: _Result) -> None:
    status, error = result.status, result.error
    if status in {200, 201} and error is None:
        if result.failure_store == "used":
            verdict.poison[position] = Unprocessable(FAILURE_STORE, "the document went to the failure store")
        return
    error = error or _Error()
    if status == 409 and error.type in _CONFLICTS:
        verdict.duplicates += 1
        return
    cause = cause_of(status, error.type, error.reason or "")
    if isinstance(cause, Unprocessable):
        verdict.poison[position] = cause
    else:
        verdict.postpone((position,), cause)


def cause_of(status: int, kind: str, reason: str, retry_after: str = "") -> Retryable | Unprocessable | Halt:
    """What to do about one error of Elasticsearch, of an item or of a whole request."""
    message = f"{status} {kind}: {without_values(reason)}" if kind else f"status {status}"
    is_block = kind == "cluster_block_exception"
    if not is_block and (status == 429 or kind in _THROTTLED):
        return Retryable(message, _seconds(retry_after), throttled=True)
    if is_block and (status >= 500 or _FLOOD_STAGE in reason):  # a cluster that starts, or elects, blocks with 503
        return Retryable(message, _seconds(retry_after))
    if halt := _halt_of(status, kind, reason, message):
        return halt
    refused = kind in _INGEST and status <= 500
    if not refused and (
        status >= 500 or status in {404, 408, 409} or "no space left" in without_values(reason).lower()
    ):
        return Retryable(message, _seconds(retry_after))
    return Unprocessable(kind or f"status_{status}", without_values(reason), status=status)


def _halt_of(status: int, kind: str, reason: str, message: str) -> Halt | None:
    """Where somebody must change something."""
    if kind == "index_not_found_exception":
        return IndexMissing(message, "allow action.auto_create_index for the sink's indices, or create them")
    if _NO_PIPELINE.fullmatch(reason):
        return Halt(message, "create the ingest pipeline, or check the name in pipeline")
    if kind in _CONFIGURATION or status in {401, 403}:
        return Halt(message, _CONFIGURATION.get(kind, _CREDENTIALS))
    return None


def cause_of_request(answer: Answer) -> Retryable | Unprocessable | Halt:
    """What to do about a whole request that was not answered with 200: an Elasticsearch's error, or a proxy's page."""
    error = _error_of(answer.body)
    kind, reason = str(error.get("type") or ""), str(error.get("reason") or "")
    if answer.status == 406 or kind == "media_type_header_exception" or "compatible-with" in reason:
        return Halt(f"status {answer.status} {kind}: it takes other media types", "check flavour")
    if not kind and (300 <= answer.status < 400 or answer.status in {404, 405, 410, 415}):
        return Halt(f"status {answer.status} from what should be an Elasticsearch", "check elasticsearch_url")
    return cause_of(answer.status, kind, reason, answer.retry_after)


def _error_of(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except _UNREADABLE:
        return {}
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _seconds(retry_after: str) -> float | None:
    """``Retry-After`` in seconds; its form as a date is not worth a clock comparison."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
