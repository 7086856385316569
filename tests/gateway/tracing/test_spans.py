"""From an exchange to its tree: parents, times, names, attributes."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tracing.catalogue import ATTRIBUTES, SPANS
from gateway.tracing.spans import Span, SpanMaker, operation_of
from tests.gateway.tracing.making import SPAN_ID, a_finished, a_trace

MS = 1_000_000


def an_attempt(llm_id: int, slug: str, **changes: Any) -> dict[str, Any]:
    """Of five milliseconds."""
    base = {"status": None, "error_kind": "", "may_be_billed": False, "micros": 5_000}
    return {"llm_id": llm_id, "llm_slug": slug, **base, **changes}


FULL: dict[str, Any] = {
    "occurred_at": 1_700_000_000_000_000,
    "upstream_started_ns": 1_020 * MS,
    "first_byte_ns": 1_060 * MS,
    "vendor": "google_ai",
    "llm_slug": "demo",
    "llm_id": 1,
    "served_by": "other",
    "served_vendor": "azure",
    "app_id": 7,
    "model": "gemini",
    "response_model": "gemini-1",
    "path": "/v1beta/models/gemini:generateContent",
    "max_tokens": 5,
    "input_tokens": 3,
    "output_tokens": 0,
    "cached_tokens": 1,
    "finish_reasons": ("STOP",),
    "cost_nanos": 0,
    "cost_status": "exact",
    "status": 200,
    "error_kind": "unreachable",
    "outcome": "upstream_unreachable",
    "dropped": 2,
    "timings": [
        {"plugin": "a", "hook": "pre_auth", "micros": 1_000, "decision": "allow"},
        {"plugin": "b", "hook": "pre_auth", "micros": 2_000, "decision": "modify"},
        {"plugin": "a", "hook": "post_auth", "micros": 1_000, "decision": "failed"},
        {"plugin": "c", "hook": "response_body", "micros": 3_000, "decision": "allow"},
    ],
    "timing_starts_ns": [1_003 * MS, 1_004 * MS, 1_007 * MS, 1_065 * MS],
    "attempts": [
        an_attempt(1, "demo", error_kind="unreachable"),
        an_attempt(9, "between", status=503),
        an_attempt(2, "other", status=200, may_be_billed=True),
    ],
    "attempt_starts_ns": [1_020 * MS, 1_030 * MS, 1_055 * MS],
}  # fmt: skip


def full() -> list[Span]:
    """The spans of an exchange in which everything happened."""
    trace = a_trace(parent_id="00f067aa0ba902b7", accepted_ns=1_002 * MS, settled_ns=1_090 * MS)
    numbers = count(1)
    return SpanMaker(lambda _: next(numbers)).spans(a_finished(trace, **FULL))


def test_the_tree() -> None:
    """Name, parent, begin and end in milliseconds: hooks above their plugins, those of answers in respond."""
    spans = full()
    names = {span.span_id: span.name for span in spans}
    base = FULL["occurred_at"] * 1_000
    assert [
        (span.name, names.get(span.parent_id, span.parent_id), (span.start_ns - base) // MS, (span.end_ns - base) // MS)
        for span in spans
    ] == [
        ("chat gemini", "00f067aa0ba902b7", 0, 100),
        ("accept", "chat gemini", 0, 2),
        ("admit", "chat gemini", 8, 20),
        ("respond", "chat gemini", 60, 90),
        ("record", "chat gemini", 90, 100),
        ("pre_auth", "chat gemini", 3, 6),
        ("pre_auth a", "pre_auth", 3, 4),
        ("pre_auth b", "pre_auth", 4, 6),
        ("post_auth", "chat gemini", 7, 8),
        ("post_auth a", "post_auth", 7, 8),
        ("response_body", "respond", 65, 68),
        ("response_body c", "response_body", 65, 68),
        ("upstream demo", "chat gemini", 20, 25),
        ("upstream between", "chat gemini", 30, 35),
        ("upstream other", "chat gemini", 55, 60),
    ]
    assert spans[0].span_id == SPAN_ID


def test_vendors_have_opentelemetry_s_names() -> None:
    """The exchange's is of who served it; of an attempt whose vendor is not known there is none."""
    root, *others = full()
    assert dict(root.attributes)["gen_ai.provider.name"] == "azure.ai.openai"
    providers = [dict(span.attributes).get("gen_ai.provider.name") for span in others if span.key == "upstream"]
    assert providers == ["gcp.gemini", None, "azure.ai.openai"]


def test_zero_is_said_and_unknown_is_not() -> None:
    """No tokens and no cost are figures; what nobody knows has no attribute."""
    said = dict(full()[0].attributes)
    assert (said["gen_ai.usage.output_tokens"], said["sluice.cost.nanos"]) == (0, 0)
    nothing = dict(SpanMaker().spans(a_finished())[0].attributes)
    assert not {"gen_ai.usage.output_tokens", "sluice.cost.nanos", "sluice.app.id", "error.type"} & set(nothing)


def test_errors_have_a_status() -> None:
    """Faults of ours, of plugins and of vendors; not what a client did wrong."""
    assert [span.name for span in full() if span.is_error] == [
        "chat gemini", "post_auth a", "upstream demo", "upstream between",
    ]  # fmt: skip
    [refused] = SpanMaker().spans(a_finished(outcome="budget_exceeded", status=403))
    assert (refused.is_error, dict(refused.attributes)["error.type"]) == (False, "budget_exceeded")


def test_the_catalogue_is_what_is_sent() -> None:
    """Nothing that is not in it, nothing in it that is never sent, each on the spans that it says."""
    sent: dict[str, set[str]] = {}
    for span in full():
        for name, _ in span.attributes:
            sent.setdefault(name, set()).add(span.key)
    assert sent == {each.name: set(each.spans) for each in ATTRIBUTES}
    kinds = {(span.key, span.kind) for span in full()}
    assert kinds == {(entry.key, entry.kind) for entry in SPANS}


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/chat/completions", "chat"), ("/v1/messages", "chat"), ("/completions", "text_completion"),
        ("/models/x:streamGenerateContent", "chat"), ("/embeddings", "embeddings"), ("/models", "llm"),
        ("/files/chat", "llm"), ("", "llm"),
    ],
)  # fmt: skip
def test_operations(path: str, operation: str) -> None:
    """By the end of the vendor's path."""
    assert operation_of(path) == operation


def test_names_have_few_values() -> None:
    """Neither a method, nor a path, nor a model that was refused makes a new one."""
    names = {
        SpanMaker().spans(a_finished(method=method, model=model, path=f"/{model}"))[0].name
        for method in ("BREW", "PROPFIND")
        for model in ("a", "b")
    }
    assert names == {"_OTHER /llm/call/{slug}"}


nanos = st.integers(0, 3_000 * MS)


@given(accepted=nanos, settled=nanos, asked=nanos, answered=nanos, began=nanos, micros=st.integers(0, 10**7))
def test_every_time_is_within_the_exchange(
    accepted: int, settled: int, asked: int, answered: int, began: int, micros: int
) -> None:
    """Whatever was noted in whatever order: no span ends before it begins, none outside its root."""
    timing = {"plugin": "p", "hook": "post_auth", "micros": micros, "decision": "allow"}
    attempt = {**FULL["attempts"][0], "micros": micros}
    done = a_finished(
        a_trace(accepted_ns=accepted, settled_ns=settled), upstream_started_ns=asked, first_byte_ns=answered,
        timings=[timing], timing_starts_ns=[began], attempts=[attempt], attempt_starts_ns=[began],
    )  # fmt: skip
    root, *spans = SpanMaker().spans(done)
    assert all(root.start_ns <= span.start_ns <= span.end_ns <= root.end_ns for span in spans)
