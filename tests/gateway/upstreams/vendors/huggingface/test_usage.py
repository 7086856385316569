"""Tests of ``gateway.upstreams.vendors.huggingface.usage``: hand-checked answers, as they are published."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.huggingface.dialect import HuggingFace
from gateway.upstreams.vendors.huggingface.usage import answer_of, decode_generated
from sluice.money.usage import Usage


def tokens(count: int) -> list[dict[str, Any]]:
    """A list of tokens, as details have them."""
    return [{"id": number, "text": "x", "logprob": -0.3, "special": False} for number in range(count)]


def details(count: int, prompt: int = 0, **more: Any) -> dict[str, Any]:
    """Details of an answer of so many tokens."""
    return {
        "finish_reason": "length", "generated_tokens": count, "seed": 42, "prefill": tokens(prompt),
        "tokens": tokens(count), **more,
    }  # fmt: skip


def result(**members: Any) -> dict[str, Any]:
    """One result of text generation."""
    return {"generated_text": "test", **members}


def answer(body: Any) -> Answer | None:
    """Of a whole body."""
    return answer_of(json.dumps(body).encode())


PUBLISHED: dict[str, tuple[Any, Usage, int]] = {
    "with the prompt's tokens": (result(details=details(20, 6)), Usage(6, 20), 1),
    "with the prompt's length": (result(details=details(20, input_length=6)), Usage(6, 20), 1),
    "of the root, in a list": ([result(details=details(20, 6))], Usage(6, 20), 1),
    "of a batch": ([result(details=details(2, 3)), result(details=details(4, 5))], Usage(8, 6), 2),
    "of a batch, in lists": ([[result(details=details(2, 3))], [result(details=details(4, 5))]], Usage(8, 6), 2),
    "best of three": (
        result(details=details(5, 6, best_of_sequences=[details(7, 6), {**details(9), "generated_text": "y"}])),
        Usage(6, 21), 1,
    ),
    "explicit zeros": (result(generated_text="", details=details(0, input_length=0)), Usage(0, 0), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_answers_as_they_are_published(name: str) -> None:
    """Each count, exactly: what was generated and not chosen too, the prompt once."""
    body, usage, choices = PUBLISHED[name]
    found = answer(body)
    assert found is not None
    assert (found.usage, found.problem, found.choices) == (usage, "", choices)


def test_its_figures_are_kept_without_its_tokens() -> None:
    """As it wrote them; a batch's as their sum."""
    one, many = answer(result(details=details(20, 6))), answer([result(details=details(2, 3))] * 2)
    assert one is not None
    assert many is not None
    assert json.loads(one.raw_usage or "") == {
        "finish_reason": "length",
        "generated_tokens": 20,
        "seed": 42,
        "input_length": 6,
    }
    assert json.loads(many.raw_usage or "") == {"generated_tokens": 4, "input_length": 6}


@pytest.mark.parametrize(
    ("body", "usage", "problem"),
    [
        (result(), None, "no_details"),
        (result(details=None), None, "no_details"),
        ([result(details=details(2)), result()], None, "no_details"),
        (result(details=details(20)), Usage(None, 20), "prompt_missing"),
        ([result(details=details(2, 3)), result(details=details(4))], Usage(None, 6), "prompt_missing"),
        (result(details={}), None, "missing"),
        (result(details=[]), None, "wrong_type"),
        (result(details="x"), None, "wrong_type"),
        (result(details={"generated_tokens": "20", "input_length": 6}), None, "wrong_type"),
        (result(details={"generated_tokens": 20, "input_length": "6"}), Usage(None, 20), "wrong_type"),
        (result(details={"generated_tokens": 20, "input_length": 6, "prefill": 5}), Usage(6, 20), ""),
        (result(details={"generated_tokens": -20, "input_length": 6}), None, "negative_tokens"),
        (result(details={"generated_tokens": 20, "input_length": 10**30}), None, "absurd_tokens"),
        ({"error": "Model is overloaded", "error_type": "overloaded"}, None, ""),
        ({"error": ["Error in `inputs`"], "warnings": []}, None, ""),
        ([[0.1, -0.2], [0.3, 0.4]], Usage(), "prompt_missing"),
        ([-1], Usage(), "prompt_missing"),
    ],
)
def test_counts_that_cannot_be_trusted(body: Any, usage: Usage | None, problem: str) -> None:
    """Nobody asked for details; older servers do not count the prompt, nor do embeddings; a lie is none."""
    found = answer(body)
    assert found is not None
    assert (found.usage, found.problem) == (usage, problem)


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"{}", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'[{"label":"POSITIVE","score":0.9}]',
     b'{"summary_text":"x"}', b'{"choices":[],"usage":{"prompt_tokens":1}}', b'[{"generated_text":"x"},1]'],
)  # fmt: skip
def test_what_is_no_generated_text_is_none(body: bytes) -> None:
    """Other tasks, other dialects, garbage: whoever may read it."""
    assert answer_of(body) is None


def test_a_flood_of_results_is_bounded() -> None:
    """No more than some thousands are looked at."""
    found = answer([result(details=details(1, 1))] * 5000)
    assert found is not None
    assert found.choices == (1 << 12) - 1


def test_events_are_read_one_by_one() -> None:
    """Their texts may be null, and mean nothing then."""
    event = decode_generated(b'{"index":1,"token":{"id":1},"generated_text":null,"details":null}')
    assert event is not None
    assert (event.has_text, event.has_error) == (False, False)
    assert decode_generated(b"[]") is None
    assert decode_generated(b'{"a":' * 50_000) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=2) | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["generated_text", "details", "generated_tokens", "input_length", "prefill", "best_of_sequences"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_answer_breaks_the_reader(body: Any) -> None:
    """Counts are true or none."""
    found = answer(body)
    usage = found.usage if found is not None else None
    counts = () if usage is None else (usage.prompt_tokens, usage.response_tokens)
    assert all(count is None or 0 <= count <= 1 << 42 for count in counts)


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ([(b"x-prompt-tokens", b"11"), (b"x-generated-tokens", b"7")], (11, 7)),
        ([(b"x-prompt-tokens", b"0"), (b"x-generated-tokens", b"0")], (0, 0)),
        ([(b"x-prompt-tokens", b"11")], None),
        ([(b"x-prompt-tokens", b"-1"), (b"x-generated-tokens", b"7")], None),
        ([(b"x-prompt-tokens", b"1" * 30), (b"x-generated-tokens", b"7")], None),
        ([(b"x-prompt-tokens", b"eleven"), (b"x-generated-tokens", b"7")], None),
    ],
)
def test_an_answer_without_details_is_counted_by_its_headers(
    headers: list[tuple[bytes, bytes]], counts: tuple[int, int] | None
) -> None:
    """Both of them, each a number that may be; else it is estimated, and says why."""
    answer = HuggingFace().answer(b'[{"generated_text":"Paris"}]', "/generate", headers)
    if counts is None:
        assert answer.problem == "no_details"
        return
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.response_tokens) == counts
    assert answer.problem == ""
    assert answer.raw_usage is not None
