"""What brings in more than a request's own text is noticed wherever it stands, and nothing else is."""

from __future__ import annotations

import dataclasses
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


def block(**content: Any) -> InputCount:
    """Of one block of Anthropic's."""
    message = {"role": "user", "content": [content]}
    body = {"model": "claude", "max_tokens": 9, "system": [{"type": "text", "text": "s"}], "messages": [message]}
    return count_input(json.dumps(body).encode(), an_llm(vendor="anthropic"), "claude")


@pytest.mark.parametrize(
    "source",
    [
        {"type": "base64", "media_type": "image/png", "data": "A" * 1_000_000},
        {"type": "url", "url": "https://x/a.png"},
    ],
)
@pytest.mark.parametrize("kind", ["image", "tool_result"])
def test_a_block_of_an_image_is_one_image(source: dict[str, Any], kind: str) -> None:
    """Wherever it comes from: it is made as small as the model wants it. Also in the result of a tool."""
    image = {"type": "image", "source": source}
    counted = block(**(image if kind == "image" else {"type": kind, "content": [image]}))
    assert counted.is_bounded
    assert 4_784 < counted.tokens < 4_784 + 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "a stored file"),
        ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, "a document"),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}},
            "a document",
        ),
        ({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}, "a document"),
        ({"type": "document", "source": {}}, "a document"),
        ({"type": "container_upload", "file_id": "file_1"}, "a stored file"),
    ],
)
def test_blocks_without_a_bound(content: dict[str, Any], reason: str) -> None:
    """Stored files, and documents whose words are elsewhere or packed."""
    assert block(**content).unbounded_because.startswith(reason)


def test_blocks_whose_words_are_there_are_counted() -> None:
    """A document as text, or of blocks; and what a model wrote for a tool, whatever names are in it."""
    words = "word " * 1_000
    inner = {"type": "image", "source": {"type": "base64", "data": words}, "file_id": "mine", "speed": "fast"}
    for content in (
        {"type": "document", "source": {"type": "text", "data": words}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": words}]}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": inner},
    ):
        counted = block(**content)
        assert counted.is_bounded
        assert 5_000 < counted.tokens < 5_300


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"mcp_servers": [{"type": "url", "url": "https://x"}]}, "servers"),
        ({"container": "container_1"}, "a container"),
        ({"container": {"skills": []}}, "a container"),
        ({"fallbacks": [{"model": "other"}]}, "other models"),
        ({"speed": "fast"}, "a service tier"),
        ({"inference_geo": "us"}, "a place"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "a compaction"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}, 7]}}, "a compaction"),
        ({"context_management": [{"type": "compaction"}]}, "a compaction"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "the tool"),
        ({"tools": [{"type": "advisor_20260301", "model": "other"}]}, "the tool"),
        ({"tools": [{"type": "bash_20250124x"}]}, "the tool"),
        ({"requests": [{"params": {"tools": [{"type": "code_execution_20250825"}]}}]}, "the tool"),
        ({"requests": [{"params": {"messages": [{"content": [{"type": "document", "source": {}}]}]}}]}, "a document"),
    ],
)
def test_requests_of_anthropic_without_a_bound(request_: dict[str, Any], reason: str) -> None:
    """Tools of the vendor, other models, other prices; also in a request of a batch."""
    assert count(**request_).unbounded_because.startswith(reason)


@pytest.mark.parametrize(
    "request_",
    [
        {"mcp_servers": []},
        {"container": None},
        {"fallbacks": None},
        {"speed": "standard"},
        {"speed": 1.5},
        {"inference_geo": "global"},
        {"inference_geo": None},
        {"context_management": None},
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        {"tools": [{"name": "f", "input_schema": {"properties": {"file_id": {}, "container": {"type": "document"}}}}]},
        {"tools": [{"type": "custom", "name": "f", "input_schema": {}}, {"type": "bash_20250124", "name": "bash"}]},
    ],
)
def test_requests_of_anthropic_with_a_bound(request_: dict[str, Any]) -> None:
    """What changes nothing, and the client's own tools."""
    assert count(**request_).unbounded_because == ""


def test_what_the_vendor_writes_for_tools_is_counted() -> None:
    """Once for all, and for each tool whose description is its own."""
    plain = count(tools=[{"name": "f", "input_schema": {}}] * 2).tokens
    assert 1_000 < plain < 1_100
    known = count(tools=[{"type": "bash_20250124", "name": "bash"}, {"type": "text_editor_20250728"}]).tokens
    assert 1_000 + 2 * 1_500 < known < 4_200


@pytest.mark.parametrize("hidden", ['"type":"document"', '"tools":[]', '"file_id":"x"', '"source":{"url":"https://x"}'])
def test_nothing_hides_in_a_large_batch(hidden: str) -> None:
    """Names are searched for in what is too large to be decoded."""
    body = b'{"requests":[' + b'{"a":1},' * 10_001 + b"{" + hidden.encode() + b"}]}"
    assert not count_input(body, LLM, "claude").is_bounded


def test_ollama_s_images_are_counted_as_images() -> None:
    """They are base64 and nothing else; of another vendor such a member is text, and so is what is no image."""
    ollama = dataclasses.replace(LLM, vendor="ollama")
    picture = "iVBORw0KGgo" * 10_000
    chat = {"messages": [{"role": "user", "content": "what is this?", "images": [picture, picture]}]}
    generate = {"prompt": "what is this?", "images": [picture]}
    bare, one, two = (
        count_input(json.dumps(body).encode(), ollama, "llava") for body in ({"prompt": "x"}, generate, chat)
    )
    assert bare.tokens + 48_169 < one.tokens < bare.tokens + 48_269
    assert one.tokens + 48_169 < two.tokens < one.tokens + 48_269
    assert two.is_bounded
    assert count_input(json.dumps(chat).encode(), LLM, "llava").tokens > 2 * len(picture)
    for images in (picture, [picture, 1]):
        assert count_input(json.dumps({"images": images}).encode(), ollama, "llava").tokens > len(picture)


@pytest.mark.parametrize("inputs", ["![](https://x/a.png) what?", ["what?", "![](data:image/png;base64,iVBORw0KGgo=)"]])
def test_images_in_hugging_face_s_inputs_are_counted(inputs: Any) -> None:
    """Their address says nothing of their size."""
    hugging = dataclasses.replace(LLM, vendor="huggingface")
    body = json.dumps({"inputs": inputs}).encode()
    assert count_input(body, hugging, "m").tokens > 48_169
    assert count_input(body, LLM, "m").tokens < 200
    large = json.dumps({"inputs": [*["x"] * 10_000, inputs]}).encode()
    assert "images" in count_input(large, hugging, "m").unbounded_because


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/x"}}]}]}, "a stored file"),
        ({"contents": [{"parts": [{"file_data": {"file_uri": "gs://b/x"}}]}]}, "a file"),
        ({"cachedContent": "cachedContents/x"}, "cached content"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AA"}}]}]}, "media of the type"),
        ({"contents": [{"parts": [{"inline_data": {"mime_type": "application/pdf", "data": "AA"}}]}]}, "media of the"),
        ({"contents": [], "tools": [{"googleSearch": {}}]}, "'googleSearch', which the vendor runs"),
        ({"contents": [], "tools": [{"url_context": {}}]}, "'url_context', which the vendor runs"),
        ({"contents": [], "serviceTier": "priority"}, "a service tier"),
        ({"contents": ["x"] * 20_000, "tools": [{"codeExecution": {}}]}, "'codeExecution', which the vendor runs"),
        ({"contents": [{"inlineData": {}}] * 20_000}, "in a body too large to be looked through"),
        ({"contents": ["x"] * 20_000, "cachedContent": "c"}, "cached content"),
    ],
)
def test_requests_of_google_without_a_bound(request_: dict[str, Any], reason: str) -> None:
    """What the vendor has stored, reads or searches for, and media that are longer than their bytes."""
    found = count_input(json.dumps(request_).encode(), an_llm(vendor="google_ai"), "gemini-2.5-flash")
    assert not found.is_bounded
    assert reason in found.unbounded_because


def test_requests_of_google_with_a_bound() -> None:
    """Texts, functions of the client's, an image and sound: each with the most it may cost."""
    parts = [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "A" * 99_000}}]
    tools = [{"functionDeclarations": [{"name": "f", "parameters": {"properties": {"fileData": {}}}}]}]
    body = {"contents": [{"role": "user", "parts": parts}], "tools": tools, "generationConfig": {"topP": 1}}
    found = count_input(json.dumps(body).encode(), an_llm(vendor="google_ai"), "gemini-2.5-flash")
    assert found.is_bounded
    assert 48_169 < found.tokens < 49_000
    body["contents"] = [{"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": "A" * 1600}}]}]
    found = count_input(json.dumps(body).encode(), an_llm(vendor="google_ai"), "gemini-2.5-flash")
    assert found.is_bounded
    assert 101 < found.tokens < 500
