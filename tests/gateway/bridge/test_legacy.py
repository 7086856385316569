"""The older completions over vendors that have chat alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from gateway.bridge.frames import DONE
from gateway.bridge.interface import Invalid, Unsupported
from gateway.bridge.legacy import Legacy
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import dialect_of
from sluice.money.usage import Usage
from tests.gateway.bridge.house import frames_of
from tests.gateway.bridge.test_frames import wanted
from tests.gateway.upstreams.vendors.anthropic.streams import OVERLOADED, STOP, delta, end, message, start, text

ASKED = wanted(operation="completions", completion_id="cmpl-1", vendor="anthropic", max_tokens=64)
COUNTED = Answer(usage=Usage(prompt_tokens=3, response_tokens=2))


@pytest.fixture
def legacy() -> Legacy:
    """Over Anthropic's."""
    return Legacy(translator_of(dialect_of("anthropic")))


def asked_of(legacy: Legacy, **body: Any) -> Any:
    """What the vendor is sent."""
    return json.loads(legacy.request(ASKED, {"model": "m", **body}).body)


def test_a_prompt_is_one_message(legacy: Legacy) -> None:
    """As a text or a list of one; what means the same in chat goes with it."""
    for prompt in ("hi", ["hi"]):
        body = {"prompt": prompt, "max_tokens": 5, "stop": "x", "n": 1, "echo": False, "best_of": 1, "suffix": ""}
        sent = asked_of(legacy, **body)
        assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
        assert (sent["max_tokens"], sent["stop_sequences"]) == (5, ["x"])


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("prompt", ["a", "b"]),
        ("prompt", [1, 2]),
        ("prompt", [[1, 2]]),
        ("n", 2),
        ("best_of", 3),
        ("echo", True),
        ("suffix", "end"),
        ("logprobs", 3),
        ("seed", 3),
        ("brand_new", 1),
    ],
)
def test_what_chat_has_not_is_refused(legacy: Legacy, member: str, value: Any) -> None:
    """By name."""
    with pytest.raises(Unsupported) as caught:
        asked_of(legacy, **{"prompt": "hi", member: value})
    assert caught.value.param == member


@pytest.mark.parametrize("prompt", [None, 7, {}])
def test_a_prompt_that_is_none_is_invalid(legacy: Legacy, prompt: Any) -> None:
    """Missing, or no text."""
    with pytest.raises(Invalid) as caught:
        asked_of(legacy, prompt=prompt)
    assert caught.value.param == "prompt"


def test_an_answer_is_a_text(legacy: Legacy) -> None:
    """With its usage and finish reason."""
    body = legacy.answer(ASKED, json.dumps(message()).encode(), COUNTED)
    found = Completion.model_validate_json(body)
    assert (found.object, found.id, found.choices[0].text, found.choices[0].finish_reason) == (
        "text_completion",
        "cmpl-1",
        "Hi!",
        "stop",
    )
    assert found.usage is not None
    assert found.usage.total_tokens == 5


def test_a_stream_is_made_of_texts(legacy: Legacy) -> None:
    """The role alone says nothing here; usage, finish reason and ``[DONE]`` do, and so does an error."""
    stream = legacy.stream(wanted(operation="completions", wants_usage=True))
    out = stream.feed(start() + text("a") + text("b") + end() + delta() + STOP) + stream.finish(COUNTED)
    *frames, last = frames_of(out)
    assert {frame["object"] for frame in frames} == {"text_completion"}
    assert [choice["text"] for frame in frames for choice in frame["choices"]] == ["a", "b", ""]
    assert (frames[-2]["choices"][0]["finish_reason"], bool(frames[-1]["usage"]), last) == ("stop", True, "[DONE]")
    failing = legacy.stream(ASKED)
    out = failing.feed(start() + text("a") + OVERLOADED) + failing.finish(Answer())
    assert "Overloaded" in frames_of(out)[-1]["error"]["message"]
    assert DONE not in out


def test_a_refusal_is_the_vendors(legacy: Legacy) -> None:
    """As chat's."""
    assert legacy.error(429, b'{"error":{"type":"rate_limit_error","message":"slow"}}').message == "slow"
