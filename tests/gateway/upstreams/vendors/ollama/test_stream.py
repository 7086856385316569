"""Tests of ``gateway.upstreams.vendors.ollama.stream``: lines cut anywhere, broken, missing, lying."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.ollama.stream import FreeLines, OllamaStream
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import (
    Scanned,
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)

TIMES = {"total_duration": 4883583458, "load_duration": 1334875, "eval_duration": 4535599000}


def line(**members: Any) -> bytes:
    """One line of a chat."""
    members = {"model": "llama3.2", "created_at": "2023-08-04T08:52:19Z", **members}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def said(text: str, **more: Any) -> bytes:
    """A line of text."""
    return line(message={"role": "assistant", "content": text, **more}, done=False)


CALL = said("", tool_calls=[{"function": {"name": "f", "arguments": {"done": True, "error": "x"}}}])
LAST = line(message={"role": "assistant", "content": ""}, done_reason="stop", done=True, **TIMES,
            prompt_eval_count=26, eval_count=282)  # fmt: skip
CHAT = said("The é漢😀") + said("", thinking='"done":true, "error"') + CALL + CALL + LAST
GENERATE = line(response="The", done=False) + line(
    response="", done=True, done_reason="length", context=[1, 2, 3], prompt_eval_count=5, eval_count=1, **TIMES
)
ERROR = b'{"error":"an error was encountered while running the model"}\n'


def read(stream: bytes) -> Scanned:
    """A stream, cut everywhere."""
    return every_cut_is_the_same(OllamaStream, stream)


def test_a_chat_cut_anywhere_is_the_same() -> None:
    """The last line counts and is held; calls are counted; words in texts mean nothing."""
    found = read(CHAT)
    assert (found.out, found.held, found.ended) == (CHAT.removesuffix(LAST), LAST, True)
    answer = found.answer
    assert (answer.usage, answer.model, answer.tool_calls, answer.problem) == (Usage(26, 282), "llama3.2", 2, "")
    assert json.loads(answer.raw_usage or "") == {**TIMES, "prompt_eval_count": 26, "eval_count": 282}


def test_completions_count_the_same() -> None:
    """With the context that the client sends again."""
    found = read(GENERATE)
    assert (found.answer.usage, found.ended) == (Usage(5, 1), True)
    assert found.out + found.held == GENERATE


def test_lines_may_end_with_cr_lf_and_have_spaces() -> None:
    """And empty lines between them."""
    spaced = b"\r\n".join(json.dumps(json.loads(each)).encode() + b" " for each in CHAT.splitlines()) + b"\r\n\r\n"
    found = read(b"\r\n \n" + spaced)
    assert (found.answer.usage, found.answer.tool_calls, found.ended) == (Usage(26, 282), 2, True)


def test_a_last_line_without_its_end_counts_too() -> None:
    """Nothing waits for a byte that never comes."""
    found = read(CHAT[:-1])
    assert (found.answer.usage, found.answer.problem) == (Usage(26, 282), "")
    assert found.out + found.held == CHAT[:-1]


@pytest.mark.parametrize(
    "garbage",
    [b"not json\n", b"{\n", b"\xff\xfe\n", b"[]\n", b'"done":true\n', b'{"done":"true"}\n', b'{"done":1}\n', b"null\n"],
)
def test_lines_that_are_none_pass(garbage: bytes) -> None:
    """They are the client's, and end nothing."""
    stream = said("a") + garbage + LAST
    found = read(stream)
    assert (found.out, found.held) == (said("a") + garbage, LAST)
    assert found.answer.usage == Usage(26, 282)


def test_a_stream_that_breaks_off_is_truncated_and_loses_nothing() -> None:
    """Wherever it does."""
    nothing_is_lost(OllamaStream, CHAT)
    for end in (0, 10, len(CHAT) - len(LAST), len(CHAT) - 20):
        found = scan(OllamaStream, [CHAT[:end]])
        assert (found.answer.usage, found.answer.problem, found.ended) == (None, "truncated", False)


def test_an_error_in_mid_stream_ends_it() -> None:
    """What was made until then is not counted; before anything was made it is a refusal."""
    found = read(said("a") + ERROR)
    assert (found.held, found.ended, found.answer.usage) == (ERROR, True, None)
    assert found.answer.problem == "vendor_error"
    refused = read(ERROR)
    assert (refused.answer.usage, refused.answer.problem) == (Usage(0, 0), "vendor_error")


@pytest.mark.parametrize(
    ("counts", "usage", "problem"),
    [
        ({"prompt_eval_count": 0, "eval_count": 0}, Usage(0, 0), ""),
        ({"eval_count": 7}, Usage(None, 7), "prompt_missing"),
        ({"prompt_eval_count": 7}, None, "missing"),
        ({}, None, ""),
        ({"prompt_eval_count": -1, "eval_count": 7}, None, "negative_tokens"),
        ({"prompt_eval_count": 1, "eval_count": 10**30}, None, "absurd_tokens"),
        ({"prompt_eval_count": [], "eval_count": 7}, Usage(None, 7), "wrong_type"),
        ({"prompt_eval_count": 7, "eval_count": {}}, None, "wrong_type"),
    ],
)
def test_counts_that_cannot_be_trusted_end_a_stream_all_the_same(
    counts: dict[str, Any], usage: Usage | None, problem: str
) -> None:
    """An explicit zero is one."""
    found = read(said("a") + line(response="", done=True, **TIMES, **counts))
    assert (found.answer.usage, found.answer.problem, found.ended) == (usage, problem, True)


def test_a_prompt_that_made_nothing_has_no_output() -> None:
    """A zero is left out."""
    assert read(line(response="", done=True, prompt_eval_count=9, **TIMES)).answer.usage == Usage(9, 0)
    assert read(line(message={"content": ""}, done=True, done_reason="load")).answer.usage == Usage(0, 0)


def test_what_follows_the_end_is_held_with_it() -> None:
    """It is not for us to drop it."""
    found = read(LAST + b"\nmore")
    assert (found.out, found.held) == (b"", LAST + b"\nmore")


def test_memory_is_flat() -> None:
    """Whatever passes."""
    memory_is_flat(OllamaStream, [said("a" * 50), said("b")])


def test_a_line_beyond_the_bound_passes_unread() -> None:
    """And the stream goes on behind it."""
    found = a_frame_beyond_the_bound_passes(OllamaStream, b'{"x":"', b"y" * 65536, b'"}\n', LAST)
    assert (found.answer.usage, found.ended) == (Usage(26, 282), True)


@given(
    st.lists(st.sampled_from([said("a"), CALL, LAST, ERROR, b"x\n", b"\r\n", b'{"done":true}\n']), max_size=6),
    st.data(),
)
def test_any_lines_in_any_pieces_are_the_same(lines: list[bytes], data: st.DataObject) -> None:
    """All of them leave or are held."""
    stream = b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert scan(OllamaStream, pieces) == scan(OllamaStream, [stream])
    found = scan(OllamaStream, pieces)
    assert found.out + found.held == stream


def test_work_on_models_is_free() -> None:
    """Its progress passes as it comes."""
    stream = b'{"status":"pulling manifest"}\n{"status":"x","total":2142590208,"completed":1}\r\n{"status":"success"}\n'
    found = every_cut_is_the_same(FreeLines, stream)
    assert found.out + found.held == stream
    assert (found.answer.usage, found.answer.problem, found.ended) == (Usage(0, 0), "", False)
    memory_is_flat(FreeLines, [stream])
