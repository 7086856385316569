"""What brings in more than a request's own text is noticed wherever it stands, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.access.input_tokens import InputCount, count_input
from gateway.access.input_watch import Watch
from tests.gateway.access.subjects import an_llm

LLM = an_llm()
PNG = "data:image/png;base64,iVBORw0KGgo="


def count(model: str = "gpt-4o", **request: Any) -> InputCount:
    """Of a request."""
    return count_input(json.dumps(request).encode(), LLM, model)


def part(**content: Any) -> InputCount:
    """Of one part of a message."""
    return count(messages=[{"role": "user", "content": [content]}])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"type": "file", "file": {"file_id": "file-1"}}, "a stored file"),
        ({"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0="}, "a file"),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, "a file by URL"),
        ({"type": "input_image", "file_id": "file-1"}, "a stored file"),
        ({"type": "input_image", "image_url": "https://x/a.png"}, "an image by URL"),
        ({"type": "image_url", "image_url": {"url": "http://x/a.png"}}, "an image by URL"),
        ({"type": "image_url", "image_url": {"url": ["data:"]}}, "an image by URL"),
        ({"type": "image_url", "image_url": "gs://bucket/a.png"}, "an image by URL"),
        ({"type": "input_audio", "input_audio": {"id": "audio-1"}}, "audio that is not in the request"),
        ({"type": "video_url", "video_url": {"url": "https://x"}}, "a video"),
        ({"type": "audio_url", "audio_url": "https://x"}, "audio by URL"),
    ],
)
def test_parts_without_a_bound(content: dict[str, Any], reason: str) -> None:
    """Each names what it is, for the client to remove."""
    assert part(**content).unbounded_because == reason


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1", "variables": {}}}, "stored prompt"),
        ({"assistant_id": "asst_1"}, "assistant"),
        ({"input_file_id": "file-1"}, "file"),
        ({"training_file": "file-1"}, "training"),
        ({"background": True}, "background"),
        ({"service_tier": "priority"}, "service tier"),
        ({"web_search_options": {}}, "search"),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, "audio"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_reference"),
        ({"input": [{"type": "image_generation_call", "id": "ig_1"}]}, "image_generation_call"),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "reasoning"),
        ({"input": [{"type": "computer_call_output", "output": {"image_url": "https://x"}}]}, "image"),
    ],
)
def test_requests_without_a_bound(request_: dict[str, Any], reason: str) -> None:
    """What the vendor has stored, and what it looks up."""
    counted = count(**request_)
    assert not counted.is_bounded
    assert reason in counted.unbounded_because


@pytest.mark.parametrize(
    "kind",
    ["web_search", "web_search_preview", "file_search", "code_interpreter", "computer_use_preview", "mcp",
     "image_generation", "something_new", 7, ["function"], {}],
)  # fmt: skip
def test_tools_that_the_vendor_runs_have_no_bound(kind: Any) -> None:
    """Also those that nobody knows yet; among the client's own, and in a namespace."""
    function = {"type": "function", "function": {"name": "f"}}
    assert not count(tools=[function, {"type": kind}, function]).is_bounded
    assert not count(tools=[{"type": "namespace", "tools": [function, {"type": kind}]}]).is_bounded


@pytest.mark.parametrize(
    "request_",
    [
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"properties": {"file_id": {"type": "string"}}}},
                }
            ]
        },
        {"tools": [{"type": "custom", "name": "f"}, {"name": "old"}, "nonsense", None]},
        {"functions": [{"name": "f", "parameters": {"file_id": "x"}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"properties": {"file_id": "x"}}}}},
        {"text": {"format": {"type": "json_schema", "schema": {"conversation": "x"}}}},
        {"metadata": {"file_id": "x", "conversation": "y"}},
        {"audio": {"voice": "alloy", "format": "wav"}, "modalities": ["text", "audio"]},
        {"previous_response_id": None, "conversation": None, "web_search_options": None, "tools": None},
        {"previous_response_id": ""},
        {"prompt": "complete me"},
        {"prompt": ["a", "b"]},
        {"reasoning": {"effort": "low"}},
        {"input": [{"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAA"}]},
        {"messages": [{"role": "user", "content": 'say "file_id": "file-1" and "image_url": "https://x"'}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": '{"file_id":"x"}'}}]}]},
        {"tool_choice": {"type": "file_search"}},
        {"background": False, "service_tier": "auto"},
        {"tools": [{"type": "custom", "background": "transparent"}]},
    ],
)
def test_names_of_the_client_s_own_are_no_references(request_: dict[str, Any]) -> None:
    """A bounded request is not refused for a word in it."""
    assert count(**request_).unbounded_because == ""


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o", 3_779), ("gpt-4o-2024-08-06", 3_779), ("gpt-4.1-nano", 3_779), ("o3", 3_779), ("gpt-5-mini", 3_779),
        ("gpt-4o-mini", 48_169), ("gpt-5.4", 48_169), ("gpt-4o-audio-preview", 48_169), ("llava", 48_169),
        (None, 48_169),
    ],
)  # fmt: skip
def test_an_image_is_counted_as_the_most_it_may_cost(model: str | None, tokens: int) -> None:
    """By the vendor's guide, whatever its size and detail; where the model is not known, the most of all."""
    watch = Watch(model)
    assert watch.takes("image_url", {"url": PNG, "detail": "low"})
    assert watch.takes("image_url", PNG.upper())
    assert (watch.tokens, watch.reason) == (2 * tokens, "")


def test_images_add_up() -> None:
    """Each of them."""
    one, two = (part_tokens(number) for number in (1, 2))
    assert 3_779 < two - one < 3_820


def part_tokens(images: int) -> int:
    """Of a message with so many images."""
    content = [{"type": "image_url", "image_url": {"url": PNG}}] * images
    return count(messages=[{"role": "user", "content": content}]).tokens


def test_audio_is_counted_by_its_bytes() -> None:
    """A tenth of a second is a token, and takes more than sixteen bytes of base64 at any bit rate in use."""
    second_of_worst_mp3 = "A" * 1_333
    counted = part(type="input_audio", input_audio={"data": second_of_worst_mp3 * 60, "format": "mp3"})
    assert counted.is_bounded
    assert 600 <= counted.tokens < 6_000


def test_the_first_reason_is_kept() -> None:
    """A client removes one after the other."""
    watch = Watch("gpt-4o")
    watch.note("the first")
    watch.note("the second")
    assert watch.reason == "the first"


def test_what_is_seen_may_be_anything() -> None:
    """A type that is no text is no reason, and no fault."""
    watch = Watch("gpt-4o")
    kinds: tuple[Any, ...] = (None, 1, [], {}, "message")
    for kind in kinds:
        watch.see({"type": kind})
    assert watch.reason == ""


@pytest.mark.parametrize("request_", [{"background": True}, {"service_tier": "priority"}, {"training_file": "file-1"}])
def test_a_large_body_hides_none_of_it(request_: dict[str, Any]) -> None:
    """One that is not walked through is looked through for what stands beside its texts."""
    many = [{"role": "user", "content": "x"}] * 5_000
    assert count(messages=many).is_bounded
    assert not count(messages=many, **request_).is_bounded
