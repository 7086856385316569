"""What Hugging Face's servers say otherwise than OpenAI does."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.huggingface.wording import error_of, finished, named, piece_of_call, whole_choice
from gateway.bridge.interface import Unreadable
from tests.gateway.bridge.telling import wanted_of

WANTED = wanted_of("m")


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        (None, None), ("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"), ("eos_token", "stop"), ("stop_sequence", "stop"), ("of_tomorrow", "stop"),
        (5, "stop"),
    ],
)  # fmt: skip
def test_finish_reasons_are_openai_s(native: Any, reason: str | None) -> None:
    """Any other is ``stop``, and to be seen."""
    made = finished({"finish_reason": native})
    assert made["finish_reason"] == reason
    assert made.get("native_finish_reason", reason) == native


def test_names_are_the_bridge_s() -> None:
    """Of each kind of answer, whole and streamed."""
    older = wanted_of("m", "completions", completion_id="cmpl-1")
    kinds = [named(WANTED, {}), named(WANTED, {}, ".chunk"), named(older, {"id": ""}), named(older, {}, ".chunk")]
    assert [(kind["object"], kind["id"]) for kind in kinds] == [
        ("chat.completion", "chatcmpl-1"),
        ("chat.completion.chunk", "chatcmpl-1"),
        ("text_completion", "cmpl-1"),
        ("text_completion", "cmpl-1"),
    ]


def test_only_the_first_piece_of_a_call_gets_an_id() -> None:
    """The others belong to it by their index."""
    first = piece_of_call(WANTED, {"id": "", "function": {"name": "f", "arguments": {"a": 1}}})
    assert (first["index"], first["id"][:5], first["function"]["arguments"]) == (0, "call_", '{"a":1}')
    assert piece_of_call(WANTED, {"index": 1, "function": {"arguments": "x"}}) == {
        "index": 1,
        "function": {"arguments": "x"},
    }
    with pytest.raises(Unreadable):
        piece_of_call(WANTED, "x")


def test_an_answer_without_calls_has_no_list_of_them() -> None:
    """Servers write an empty one, on which clients would act."""
    choice = whole_choice(WANTED, {"message": {"content": "a", "tool_calls": []}, "finish_reason": "stop"})
    assert choice["message"] == {"content": "a"}
    assert choice["finish_reason"] == "stop"


def test_errors_have_two_forms() -> None:
    """A text with its type beside it, or OpenAI's object; an empty one is none."""
    assert error_of(500, {"error": None}) is None
    plain = error_of(422, {"error": "m", "error_type": "validation"})
    inner = error_of(422, {"error": {"message": "m", "code": "validation"}})
    assert plain == inner
    assert plain is not None
    assert (plain.message, plain.code, plain.type) == ("m", "validation", "invalid_request_error")
