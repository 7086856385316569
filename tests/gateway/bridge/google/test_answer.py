"""Google's whole answers as ``chat.completion``."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion

from gateway.bridge.google.answer import reason_of
from gateway.bridge.interface import Unreadable
from tests.gateway.bridge.telling import answered, sent

MODEL = "gemini-2.5-flash"
USAGE = {
    "promptTokenCount": 8, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 20,
    "cachedContentTokenCount": 3,
}  # fmt: skip


def body(*parts: dict[str, Any], reason: str = "STOP", **candidate: Any) -> dict[str, Any]:
    """An answer, as published."""
    found = {"content": {"parts": list(parts), "role": "model"}, "finishReason": reason, "index": 0, **candidate}
    return {"candidates": [found], "usageMetadata": USAGE, "modelVersion": MODEL, "responseId": "r"}


def test_text_and_thoughts_and_usage() -> None:
    """Thoughts are ``reasoning_content`` and counted among the completion; what is cached among the prompt."""
    found = answered("google_ai", MODEL, body({"text": "Hm. ", "thought": True}, {"text": "Hello "}, {"text": "there"}))
    assert found == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello there",
                    "refusal": None,
                    "reasoning_content": "Hm. ",
                },
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "STOP",
            }
        ],
        "usage": {
            "prompt_tokens": 8,
            "completion_tokens": 12,
            "total_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
    }


def test_calls_have_ids_that_are_always_the_same_and_their_signatures() -> None:
    """Google's own where it gives one; ``content`` is null beside calls alone."""
    parts = (
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "now", "id": "own-1"}},
    )
    one, other = (answered("google_ai", MODEL, body(*parts))["choices"][0] for _ in range(2))
    assert one == other
    assert (one["message"]["content"], one["finish_reason"]) == (None, "tool_calls")
    first, second = one["message"]["tool_calls"]
    assert first["function"] == {"name": "weather", "arguments": '{"city":"Paris"}'}
    assert first["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert first["id"].startswith("call_")
    assert len(first["id"]) <= 40
    assert (second["id"], second["function"]["arguments"]) == ("own-1", "{}")


def test_ids_differ_between_answers_and_choices() -> None:
    """A conversation may hold many answers: none of their calls may be taken for another."""
    part = {"functionCall": {"name": "f", "args": {}}}
    several = body(part)
    several["candidates"].append({**several["candidates"][0], "index": 1})
    ids = [choice["message"]["tool_calls"][0]["id"] for choice in answered("google_ai", MODEL, several)["choices"]]
    ids.append(
        answered("google_ai", MODEL, body(part), completion_id="chatcmpl-2")["choices"][0]["message"]["tool_calls"][0][
            "id"
        ]
    )
    assert len(set(ids)) == 3


def test_a_signature_of_text_stays_with_the_message() -> None:
    """So that it can come back."""
    found = answered("google_ai", MODEL, body({"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}))
    assert found["choices"][0]["message"]["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def test_images_are_not_lost() -> None:
    """A model that makes some: parts with data URLs beside the text."""
    parts: list[dict[str, Any]] = [
        {"text": "Here"},
        *[{"inlineData": {"mimeType": "image/png", "data": data}} for data in ("YQ==", "Yg==")],
    ]
    images = answered("google_ai", MODEL, body(*parts))["choices"][0]["message"]["images"]
    assert [image["image_url"]["url"] for image in images] == [
        "data:image/png;base64,YQ==",
        "data:image/png;base64,Yg==",
    ]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("STOP", "stop"), ("MAX_TOKENS", "length"), ("CONTINUATION", "length"), ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"), ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"), ("MODEL_ARMOR", "content_filter"), ("BLOCKLIST", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"), ("OTHER", "stop"), ("OF_TOMORROW", "stop"), ("", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons_are_openai_s(native: str, reason: str) -> None:
    """Those that OpenAI has no word for are ``stop``, after calls ``tool_calls``."""
    assert reason_of(native, has_calls=False) == reason
    assert reason_of(native, has_calls=True) == ("tool_calls" if reason == "stop" else reason)


def test_a_filtered_answer_has_no_content() -> None:
    """The candidate says why and nothing else."""
    found = answered("google_ai", MODEL, {"candidates": [{"finishReason": "SAFETY"}], "usageMetadata": USAGE})
    choice = found["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")


def test_a_blocked_prompt_is_a_refusal() -> None:
    """With the vendor's reason and words."""
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no way"}
    choice = answered("google_ai", MODEL, {"promptFeedback": feedback})["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["refusal"] == "the vendor blocked the prompt: PROHIBITED_CONTENT (no way)"


def test_logprobs_are_openai_s() -> None:
    """Each token with the others that were likely."""
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}, {"token": "b"}],
        "topCandidates": [
            {"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "c", "logProbability": -2}]}
        ],
    }
    found = answered("google_ai", MODEL, body({"text": "ab"}, logprobsResult=result))["choices"][0]["logprobs"][
        "content"
    ]
    assert [(entry["token"], entry["logprob"]) for entry in found] == [("a", -0.5), ("b", 0.0)]
    assert [(top["token"], top["logprob"]) for top in found[0]["top_logprobs"]] == [("a", -0.5), ("c", -2.0)]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", b"{}", b'{"candidates": []}', b'{"candidates": [5]}', b'{"promptFeedback": 5}',
        orjson.dumps(body({"functionCall": {"name": 5}})), orjson.dumps(body(index="x")),
        orjson.dumps(body(logprobsResult={"chosenCandidates": [{"logProbability": "x"}]})),
    ],
)  # fmt: skip
def test_garbage_cannot_be_translated(raw: bytes) -> None:
    """It is said so, and nothing is made up."""
    with pytest.raises(Unreadable):
        answered("google_ai", MODEL, raw)


def test_a_signature_survives_openai_s_own_sdk() -> None:
    """An answer that the SDK read, sent back as the SDK writes it: Google gets its signature with its call."""
    part = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"}
    read = ChatCompletion.model_validate(answered("google_ai", MODEL, body(part)))
    message = read.choices[0].message.model_dump(exclude_none=True)
    call = message["tool_calls"][0]["id"]
    result = {"role": "tool", "tool_call_id": call, "content": "20"}
    made = sent("google_ai", "gemini-3-pro", {"messages": [{"role": "user", "content": "Hi"}, message, result]})
    assert made["contents"][1]["parts"] == [part]
    assert made["contents"][2]["parts"][0]["functionResponse"]["name"] == "weather"
