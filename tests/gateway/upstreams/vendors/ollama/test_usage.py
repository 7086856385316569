"""Tests of ``gateway.upstreams.vendors.ollama.usage``: hand-checked answers, as Ollama publishes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.ollama.usage import answer_of
from sluice.money.usage import Usage

TIMES = {"total_duration": 5191566416, "load_duration": 2154458, "prompt_eval_duration": 383809000}
HEAD = {"model": "llama3.2", "created_at": "2023-12-12T14:13:43.416799Z", "done": True}
CHAT = {**HEAD, "message": {"role": "assistant", "content": "Hello!"}, **TIMES, "eval_duration": 4799921000}
CALLS = {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"done": True}}}, {"function": {}}]}


def answer(body: Any, endpoint: Any = "chat") -> Answer:
    """Of a whole body."""
    return answer_of(json.dumps(body).encode(), endpoint)


PUBLISHED: dict[str, tuple[dict[str, Any], Usage, int]] = {
    "chat": ({**CHAT, "prompt_eval_count": 26, "eval_count": 298}, Usage(26, 298), 0),
    "thinking, which is counted among the output": (
        {**CHAT, "message": {"content": "9", "thinking": "So…"}, "prompt_eval_count": 11, "eval_count": 1500},
        Usage(11, 1500), 0,
    ),
    "tools": ({**CHAT, "message": CALLS, "prompt_eval_count": 122, "eval_count": 33}, Usage(122, 33), 2),
    "generate": (
        {**HEAD, **TIMES, "response": "The sky", "context": [1, 2, 3], "prompt_eval_count": 26, "eval_count": 290},
        Usage(26, 290), 0,
    ),
    "explicit zeros": ({**CHAT, "prompt_eval_count": 0, "eval_count": 0}, Usage(0, 0), 0),
    "nothing was made": (
        {**CHAT, "message": {"role": "assistant", "content": ""}, "prompt_eval_count": 26}, Usage(26, 0), 0,
    ),
    "a model was loaded": ({**HEAD, "message": {"content": ""}, "done_reason": "load"}, Usage(0, 0), 0),
    "a model was loaded, with times": (
        {**HEAD, **TIMES, "message": {"content": ""}, "done_reason": "load"}, Usage(0, 0), 0,
    ),
    "unloaded": ({**HEAD, "response": "", "done_reason": "unload"}, Usage(0, 0), 0),
    "loaded by an older server": ({**HEAD, "response": ""}, Usage(0, 0), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_answers_as_they_are_published(name: str) -> None:
    """Each count, exactly; the model and the calls beside them."""
    body, usage, calls = PUBLISHED[name]
    found = answer(body)
    assert (found.usage, found.problem, found.model) == (usage, "", "llama3.2")
    assert (found.tool_calls, found.choices) == (calls, 1)


def test_its_figures_are_kept_as_it_wrote_them() -> None:
    """Those that we do not know too; nothing of the answer."""
    found = answer_of(
        b'{"response":"x","eval_count": 5,"prompt_eval_count":1,"cached_tokens":7,"context":[1]}', "generate"
    )
    assert found.raw_usage == '{"eval_count":5,"prompt_eval_count":1,"cached_tokens":7}'
    assert answer({**HEAD, "response": ""}).raw_usage is None


@pytest.mark.parametrize(
    ("counts", "usage", "problem"),
    [
        ({"eval_count": 298}, Usage(None, 298), "prompt_missing"),
        ({"prompt_eval_count": "26", "eval_count": 298}, Usage(None, 298), "wrong_type"),
        ({"prompt_eval_count": 26, "eval_count": "298"}, None, "wrong_type"),
        ({"prompt_eval_count": 26.5, "eval_count": [1]}, None, "wrong_type"),
        ({"prompt_eval_count": 26}, None, "missing"),
        ({"prompt_eval_count": None, "eval_count": None}, None, ""),
        ({}, None, ""),
        ({"prompt_eval_count": -26, "eval_count": 298}, None, "negative_tokens"),
        ({"prompt_eval_count": 26, "eval_count": -1}, None, "negative_tokens"),
        ({"prompt_eval_count": 26, "eval_count": 10**30}, None, "absurd_tokens"),
        ({"prompt_eval_count": True, "eval_count": 298}, Usage(None, 298), "wrong_type"),
    ],
)
def test_counts_that_cannot_be_trusted(counts: dict[str, Any], usage: Usage | None, problem: str) -> None:
    """A prompt that was in the cache is not counted; text without a count of it is no usage; a lie is none."""
    found = answer({**CHAT, **counts})
    assert (found.usage, found.problem) == (usage, problem)


@pytest.mark.parametrize(
    ("body", "usage", "problem"),
    [
        ({"model": "m", "embeddings": [[0.1, 0.2]], "prompt_eval_count": 8, **TIMES}, Usage(8), ""),
        ({"model": "m", "embeddings": [], **TIMES}, Usage(0), ""),
        ({"model": "m", "embeddings": [[0.1]], "prompt_eval_count": 0}, Usage(0), ""),
        ({"model": "m", "embeddings": [[0.1]]}, Usage(), "prompt_missing"),
        ({"embedding": [0.56, 0.009]}, Usage(), "prompt_missing"),
        ({"embedding": [0.56], "prompt_eval_count": "8"}, Usage(), "wrong_type"),
        ({"embedding": [0.56], "prompt_eval_count": -8}, None, "negative_tokens"),
        ({}, None, ""),
    ],
)
def test_embeddings_have_a_prompt_alone(body: dict[str, Any], usage: Usage | None, problem: str) -> None:
    """The older path does not count it."""
    found = answer(body, "embed")
    assert (found.usage, found.problem, found.choices) == (usage, problem, 0)


def test_an_error_is_no_usage() -> None:
    """Whatever its status; a null is none."""
    assert answer({"error": "model 'x' not found"}) == Answer()
    assert answer({**CHAT, "error": None, "prompt_eval_count": 1, "eval_count": 2}).usage == Usage(1, 2)


def test_lines_that_came_as_one_body_are_read() -> None:
    """By the last of them, whoever calls them JSON."""
    last = json.dumps({**HEAD, **TIMES, "response": "", "prompt_eval_count": 5, "eval_count": 2}).encode()
    assert answer_of(b'{"response":"a"}\r\n{"response":"b"}\r\n' + last + b"\r\n\r\n", "generate").usage == Usage(5, 2)


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"null", b"{", b"\xff", b'{"a":' * 50_000])
def test_what_cannot_be_read_says_nothing(body: bytes) -> None:
    """Never raises."""
    assert answer_of(body, "chat") == answer_of(body, "embed") == Answer()


def test_what_is_of_another_type_costs_nothing_beside_it() -> None:
    """A model that is a number, a message that is a text."""
    found = answer({"model": 2, "message": "x", "prompt_eval_count": 3, "eval_count": 4})
    assert (found.usage, found.model, found.tool_calls) == (Usage(3, 4), None, 0)


@given(
    st.dictionaries(
        st.sampled_from(["prompt_eval_count", "eval_count", "message", "response", "done", "model", "error"]),
        st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2) | st.just({"content": 1}),
    )
)
def test_no_answer_breaks_the_reader(body: dict[str, Any]) -> None:
    """Counts are true or none."""
    for endpoint in ("chat", "generate", "embed"):
        usage = answer(body, endpoint).usage
        counts = () if usage is None else (usage.prompt_tokens, usage.response_tokens)
        assert all(count is None or 0 <= count <= 1 << 40 for count in counts)
