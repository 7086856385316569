"""Counting of input: never less than the vendor counts, for any body; with the tokenizer if it fits, else by bytes."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import input_tokens
from gateway.access.input_tokens import MAX_PARTS, MAX_SEARCHED_BYTES, MAX_TOKENIZED_BYTES, InputCount, count_input
from gateway.access.tokenizer import counter_of
from tests.gateway.access.subjects import an_llm

LLM = an_llm()
MEMBERS = [name.encode() for name in input_tokens._Members.__struct_fields__]
TEXT = st.text(max_size=60) | st.sampled_from(
    ["", " ", "\n", "<|endoftext|>", "1 2 3", "😀👩‍👩‍👧", "\x00", "a" * 300, "\ud83d"]
)


def count(request: Any, model: str | None = "gpt-4o") -> InputCount:
    """Of a request as an object."""
    return count_input(json.dumps(request).encode(), LLM, model)


def chat(*texts: str, **more: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text} for text in texts], **more}


def tokens_of(text: str) -> int:
    """Of a text in which half a surrogate pair is what servers make of it."""
    tokens = counter_of("gpt-4o")
    assert tokens is not None, "install the extra: tokenizer"
    return tokens(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def vendor_count(request: dict[str, Any]) -> int:
    """What the vendor charges a chat request by its cookbook ("How to count tokens with tiktoken")."""
    total = 3
    for message in request["messages"]:
        total += 3 + sum(tokens_of(text) for text in message.values())
        total += "name" in message
    for tool in request.get("tools", ()):
        function = tool["function"]
        total += 7 + tokens_of(f"{function['name']}:{function['description']}")
        properties = function["parameters"]["properties"]
        total += 3 if properties else 0
        for name, value in properties.items():
            total += 3 + tokens_of(f"{name}:{value['type']}:{value['description']}")
            total += sum(3 + tokens_of(entry) for entry in value.get("enum", ()))
    return total + (12 if request.get("tools") else 0)


messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}, optional={"name": TEXT}
    ),
    max_size=6,
)
properties = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.fixed_dictionaries(
        {"type": st.just("string"), "description": TEXT}, optional={"enum": st.lists(TEXT, max_size=3)}
    ),
    max_size=4,
)
tools = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text(max_size=8),
            "description": TEXT,
            "parameters": st.fixed_dictionaries({"properties": properties}),
        }
    ).map(lambda function: {"type": "function", "function": function}),
    max_size=3,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "file_id", "image_url", "url", "tools", "input_audio", "data", "prompt", "audio", "id"]
            )
            | TEXT,
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(messages, tools)
def test_it_is_never_less_than_the_vendor_counts(parts: list[dict[str, str]], functions: list[dict[str, Any]]) -> None:
    """Messages, names and tools, in any language; with the tokenizer and by bytes."""
    request = {"model": "gpt-4o", "messages": parts, "tools": functions}
    expected = vendor_count(request)
    assert count(request).tokens >= expected
    assert count(request, "llama3").tokens >= expected
    assert count(request).is_bounded


@pytest.mark.parametrize(("model", "count_of"), [("gpt-4o", 1), ("gpt-4o", 50), ("llama3", 50)])
def test_the_least_request_is_not_less_than_the_vendor_counts(model: str, count_of: int) -> None:
    """Where there is hardly a name to outweigh what frames a request, a message, or tools without a description."""
    assert count({"input": "hi"}, model).tokens >= 1 + 7
    tool = {"type": "function", "function": {"name": "f"}}
    assert count(chat("hi", tools=[tool] * count_of), model).tokens >= 3 + 5 + 12 + 8 * count_of


def test_with_the_tokenizer_it_is_near() -> None:
    """An English page of 2,000 tokens is not counted as 2,200."""
    request = chat(*(["The quick brown fox jumps over the lazy dog, and it does so every single day. "] * 100))
    counted = count(request)
    assert counted.how == "tokenizer"
    assert vendor_count(request) <= counted.tokens <= vendor_count(request) * 1.2 + 20


@pytest.mark.parametrize(("model", "how"), [("gpt-4o", "tokenizer"), ("llama3", "bytes"), (None, "bytes")])
def test_it_says_which_way_it_counted(model: str | None, how: str) -> None:
    """An operator who sees large reservations finds out why."""
    assert count(chat("hello"), model).how == how


def test_another_vendor_s_model_is_counted_by_bytes() -> None:
    """Whatever it is called."""
    other = dataclasses.replace(LLM, vendor="other")
    assert count_input(orjson.dumps(chat("hello")), other, "gpt-4o").how == "bytes"


def test_by_bytes_it_is_a_token_for_each_byte_of_text() -> None:
    """The only true bound; escapes are not counted as they are written."""
    short, long = count(chat(""), "llama3").tokens, count(chat("é" * 100), "llama3").tokens
    assert long - short == 200


@pytest.mark.parametrize("body", [b"", b"{}", b'{"promptVariables":{"a":{"text":"b"}}}'])
def test_a_prompt_that_a_vendor_has_stored_has_no_bound(body: bytes) -> None:
    """Its words are in no request: Bedrock names it instead of a model."""
    for model, is_bounded in (
        ("arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1", False),
        ("arn:aws-cn:bedrock:cn-north-1:123456789012:prompt/ABCDEFGHIJ", False),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc", True),
        ("prompt-7b", True),
    ):
        found = count_input(body, LLM, model)
        assert found.is_bounded is is_bounded
        assert found.unbounded_because == ("" if is_bounded else "a stored prompt")


def test_no_body_is_no_tokens() -> None:
    """``GET /models``."""
    assert count_input(b"", LLM, None) == InputCount(0, "bytes", is_bounded=True, unbounded_because="")


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()),
    st.none() | st.just("gpt-4o") | TEXT,
)
def test_it_never_raises(body: bytes, model: str | None) -> None:
    """Garbage is counted too, and what says it is bounded has a count."""
    counted = count_input(body, LLM, model)
    assert counted.tokens >= 0
    assert counted.is_bounded == (counted.unbounded_because == "")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b"null", b'"text"', b"\xff\xfe", b"--boundary\r\n", b'{"messages":' + b"[" * 5000],
)
def test_what_cannot_be_read_has_no_bound(body: bytes) -> None:
    """A form with a file in it, say."""
    counted = count_input(body, LLM, "gpt-4o")
    assert not counted.is_bounded
    assert counted.tokens >= len(body)


def test_half_a_surrogate_pair_is_text() -> None:
    """JavaScript's ``JSON.stringify`` sends one where a program cut a text in the middle of an emoji."""
    counted = count_input(b'{"messages":[{"role":"user","content":"\\ud83d"}]}', LLM, "gpt-4o")
    assert counted.is_bounded
    assert counted.how == "bytes"


def test_what_lies_beyond_the_tokenizer_s_share_is_counted_by_bytes() -> None:
    """So that no request holds the event loop for long; and it is still a bound."""
    counted = count(chat("word " * (MAX_TOKENIZED_BYTES // 5), "word " * 1000))
    assert counted.how == "bytes"
    assert MAX_TOKENIZED_BYTES < counted.tokens < MAX_TOKENIZED_BYTES + 1_100  # the shorter text is tokenized


def test_an_image_in_the_body_is_not_counted_by_its_bytes() -> None:
    """Nine megabytes of base64 are one image."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9_000_000}}
    counted = count({"model": "gpt-4o", "messages": [{"role": "user", "content": [image]}]})
    assert counted.is_bounded
    assert 3_779 < counted.tokens < 4_000


@pytest.mark.parametrize(
    "more",
    [{"previous_response_id": "resp_1"}, {"conversation": {"id": "c"}}, {"prompt": {"id": "pmpt_1"}},
     {"tools": [{"type": "web_search"}]}, {"web_search_options": {}},
     {"input": [{"type": "input_file", "file_id": "f"}]},
     {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]}],
)  # fmt: skip
@pytest.mark.parametrize("padding", ["", "x, " * MAX_PARTS])
def test_what_has_no_bound_is_found_in_large_bodies_too(more: dict[str, Any], padding: str) -> None:
    """By the members that matter, each looked through by itself."""
    counted = count({"model": "gpt-4o", "instructions": padding, **more})
    assert not counted.is_bounded
    assert counted.unbounded_because


@pytest.mark.parametrize(
    "hidden", ['"file_id":"file-1"', '"\\u0066ile_id":"file-1"', '"image_url":"https://x"', '"type":"item_reference"']
)
def test_nothing_hides_behind_many_parts(hidden: str) -> None:
    """Names are searched for in what is too large to be decoded; an escaped letter is a reason by itself."""
    body = b'{"input":[' + b'{"a":1},' * MAX_PARTS + b"{" + hidden.encode() + b"}]}"
    assert not count_input(body, LLM, "gpt-4o").is_bounded


def test_members_are_decoded_up_to_a_bound_of_all_together() -> None:
    """What is beyond is searched: many large members take no longer than one."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    filling = [""] * (MAX_PARTS * 2 // 3)
    assert count({"instructions": "x, " * MAX_PARTS, "messages": [], "input": [*filling, part]}).is_bounded
    assert "large" in count({"messages": filling, "input": [*filling, part]}).unbounded_because


def test_an_image_in_a_large_body_is_counted() -> None:
    """Beside the bytes."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    body = json.dumps({"instructions": "x, " * MAX_PARTS, "messages": [{"content": [part]}]}).encode()
    assert count_input(body, LLM, "gpt-4o") == InputCount(len(body) + 3_779, "bytes")


def test_a_large_text_that_names_such_things_is_bounded() -> None:
    """Quotes within a text are escaped, so its words are no names."""
    counted = count(chat('he said "file_id", and "image_url": ' * MAX_PARTS))
    assert counted.is_bounded
    assert counted.tokens >= 30 * MAX_PARTS


def test_too_many_tools_to_look_through_have_no_bound() -> None:
    """One of them may be the vendor's."""
    assert not count(chat("x, " * MAX_PARTS, tools=[{"type": "function"}] * MAX_PARTS)).is_bounded
    assert count(chat("x, " * MAX_PARTS, tools=None)).is_bounded


def test_what_is_larger_than_models_read_has_no_bound() -> None:
    """It is not looked through at all."""
    assert not count(chat("x, " * (MAX_SEARCHED_BYTES // 3))).is_bounded


@pytest.mark.parametrize(
    ("model", "is_bounded"), [("gpt-4o-search-preview", False), ("o3-deep-research", False), ("research-7b", True)]
)
def test_models_that_search_have_no_bound(model: str, is_bounded: bool) -> None:
    """What they find is input."""
    assert count(chat("hello"), model).is_bounded is is_bounded


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps(chat("x, " * 3_000_000)),
        b'{"input":[' + b"[]," * 3_300_000 + b"1]}",
        b'{"input":' + b"[" * 9_000_000,
        b"{" + b",".join(b'"k%d":1' % number for number in range(700_000)) + b"}",
        orjson.dumps(chat('"' * 4_900_000)),
        b'{"input":"' + rb"\"" * 4_900_000 + rb'\ud83d"}',
        b'{"input":[' + b'{"a":""},' * 3_000 + b"1]}",
        b"{%s}" % b",".join(b'"%s":[%s1]' % (name, b'{"a":""},' * 4_900) for name in MEMBERS),
    ],
    ids=["text", "lists", "deep", "names", "escapes", "surrogate", "parts", "members"],
)
def test_no_body_takes_long(body: bytes) -> None:
    """The event loop waits meanwhile: 10 MB within 0.1 s; here three times that, for slow and busy machines."""
    count_input(b'{"input":"x"}', LLM, "gpt-4o")
    begun = time.thread_time()
    count_input(body, LLM, "gpt-4o")
    assert time.thread_time() - begun < 0.3


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        ({}, 1),
        ({"n": 3}, 3),
        ({"n": 1_000}, 1_000),
        ({"n": 0}, 1),
        ({"n": -5, "best_of": None}, 1),
        ({"n": "7"}, 1),
        ({"n": 2, "best_of": 5}, 5),
        ({"n": 5, "best_of": 2}, 5),
        ({"prompt": "one"}, 1),
        ({"prompt": ["one"]}, 1),
        ({"prompt": ["one", "two", "three"], "n": 2}, 6),
        ({"prompt": [[1, 2], [3]]}, 2),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": []}, 1),
        ({"prompt": {"id": "pmpt_1"}}, 1),
    ],
)
@pytest.mark.parametrize("padding", ["", "x, " * MAX_PARTS])
def test_the_most_output_may_be_generated_several_times(request_: dict[str, Any], answers: int, padding: str) -> None:
    """A batch of prompts has as many answers, and of ``best_of`` only one comes back: all are charged."""
    assert count({"model": "gpt-3.5-turbo-instruct", "user": padding, **request_}).answers == answers


def test_more_prompts_than_can_be_looked_through_have_no_bound() -> None:
    """Nobody knows how many answers there will be; one long prompt of token numbers has one."""
    assert not count({"prompt": ["x"] * (MAX_PARTS + 1)}).is_bounded
    assert not count({"prompt": [[1]] * (MAX_PARTS + 1)}).is_bounded
    assert count({"prompt": [7] * (MAX_PARTS + 1)}).is_bounded


def test_numbers_are_counted() -> None:
    """A prompt of token numbers has one token for each."""
    counted = count({"model": "text-embedding-3-small", "input": [[1, 22, 99_999]] * 100}, "text-embedding-3-small")
    assert 300 <= counted.tokens < 1200


def test_what_is_not_installed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By bytes then, and still a bound."""
    monkeypatch.setattr(input_tokens, "counter_of", lambda _: None)
    counted = count(chat("hello"))
    assert counted.how == "bytes"
    assert counted.tokens >= vendor_count(chat("hello"))
