"""Tests of ``gateway.upstreams.vendors.google.request``: what is asked, and our edits, which touch nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.google import request
from gateway.upstreams.vendors.google.paths import place_of
from tests.gateway.upstreams.vendors.google.streams import GENERATE, MODEL, STREAM


def ask(body: bytes, path: str = GENERATE, query: bytes = b"") -> Asked:
    """What a request asks."""
    return request.ask(body, place_of(path), query)


@pytest.mark.parametrize(
    ("body", "maximum", "choices"),
    [
        (b"{}", None, 1),
        (b'{"generationConfig":null}', None, 1),
        (b'{"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}', 9, 2),
        (b'{"generation_config":{"max_output_tokens":9,"candidate_count":3}}', 9, 3),
        (b'{"generationConfig":{"maxOutputTokens":"9"}}', 9, 1),
        (b'{"generationConfig":{"maxOutputTokens":1e2}}', 100, 1),
        (b'{"generationConfig":{"maxOutputTokens":1},"generation_config":{"max_output_tokens":8}}', 8, 1),
        (b'{"generationC\\u006fnfig":{"maxOutputTokens":7}}', 7, 1),
        (b'{"generationConfig":{"maxOutputTokens":0}}', None, 1),
        (b'{"generationConfig":{"maxOutputTokens":-4,"candidateCount":-1}}', None, 1),
        (b'{"generationConfig":{"maxOutputTokens":' + b"9" * 19 + b"}}", (1 << 31) - 1, 1),
    ],
)
def test_maximum_and_choices(body: bytes, maximum: int | None, choices: int) -> None:
    """However they are written; zero and less are as good as none."""
    assert ask(body) == Asked(MODEL, wants_usage=True, max_response_tokens=maximum, choices=choices)


def test_counting_and_cancelling_are_free() -> None:
    """A count has a model, which must be allowed; to cancel work asks for none."""
    count = ask(b'{"contents":[]}', f"/v1beta/models/{MODEL}:countTokens")
    assert (count.model, count.is_free, count.max_response_tokens) == (MODEL, True, 0)
    cancel = ask(b"{}", "/v1beta/batches/b-1:cancel")
    assert cancel == Asked(wants_usage=True, max_response_tokens=0, is_free=True)
    assert not ask(b"{}", "/v1beta/batches/b-1").is_free


@pytest.mark.parametrize(
    ("path", "query", "is_stream"),
    [
        (GENERATE, b"", False),
        (STREAM, b"", True),
        (GENERATE, b"alt=sse", True),
        (GENERATE, b"x=1&%61lt=SSE", True),
        (GENERATE, b"$alt=sse", True),
        (GENERATE, b"alt=json", False),
        ("/v1beta/models/x:streamgeneratecontent", b"", True),
    ],
)
def test_streams(path: str, query: bytes, is_stream: bool) -> None:
    """By the method in any case, or by the query."""
    assert ask(b"{}", path, query).is_stream is is_stream


@pytest.mark.parametrize(
    "body",
    [b"x", b"[1]", b"null", b'{"generationConfig":[]}', b'{"generationConfig":{"maxOutputTokens":[1]}}',
     b'{"generationConfig":{"maxOutputTokens":1.5}}', b'{"generationConfig":{"maxOutputTokens":"many"}}',
     b'{"generationConfig":{"maxOutputTokens":"' + b"9" * 5000 + b'"}}', b'{"a":' + b"[" * 100_000],
)  # fmt: skip
def test_garbage_is_a_value_error(body: bytes) -> None:
    """With a reason, and never anything else."""
    with pytest.raises(ValueError, match=r"."):
        ask(body)


@given(st.binary(max_size=60))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """An answer or a ``ValueError``; where the path is not known, nothing is read."""
    assert ask(body, "/upload/v1beta/files") == Asked(wants_usage=True)
    with contextlib.suppress(ValueError):
        assert isinstance(ask(body), Asked)


def test_what_gives_no_text_asks_for_none() -> None:
    """Counts and embeddings hold no budget for an answer; a batch is one."""
    assert ask(b"{}", "/v1beta/models/e:embedContent").max_response_tokens == 0
    assert ask(b"{}", "/v1beta/models/g:countTokens").max_response_tokens == 0
    assert ask(b"{}", "/v1beta/models/g:batchGenerateContent").is_batch
    assert ask(b'{"model":"models/g"}', "/v1beta/cachedContents").model == "g"
    asked = ask(b'{"model":"g","stream":true,"generation_config":{"max_output_tokens":5}}', "/v1beta/interactions")
    assert asked == Asked("g", is_stream=True, wants_usage=True, max_response_tokens=5)


def test_with_model() -> None:
    """In the path, escaped where it must be; the parts of a batch say the same; a body that names none is untouched."""
    body = b'{"contents": [ ],"n":1e400}'
    assert request.with_model(body, GENERATE, place_of(GENERATE), "a b@1") == (
        body, "/v1beta/models/a%20b@1:generateContent",
    )  # fmt: skip
    empty = "/models/:generateContent"
    assert request.with_model(body, empty, place_of(empty), "g")[1] == "/models/g:generateContent"
    path = "/v1beta/models/old:batchEmbedContents"
    batch = b'{ "requests": [{"model":"models/old","content":{ "x":1}}, {"model":"models/old"}] }'
    assert request.with_model(batch, path, place_of(path), "new") == (
        b'{ "requests": [{"model":"models/new","content":{ "x":1}},{"model":"models/new"}] }',
        "/v1beta/models/new:batchEmbedContents",
    )
    path = "/v1beta/cachedContents"
    assert request.with_model(b"{}", path, place_of(path), "g") == (b'{"model":"models/g"}', path)
    assert request.with_model(b"\x00", "/files", place_of("/files"), "g") == (b"\x00", "/files")


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b'{"contents":[ ]}', b'{"contents":[ ],"generationConfig":{"maxOutputTokens":7}}'),
        (b'{ "generationConfig" : { "topP":1e400 } , "x":1}',
         b'{ "generationConfig" : { "topP":1e400 ,"maxOutputTokens":7} , "x":1}'),
        (b'{"generationConfig":null}', b'{"generationConfig":{"maxOutputTokens":7}}'),
        (b'{"generationConfig":{"maxOutputTokens":0}}', b'{"generationConfig":{"maxOutputTokens":7}}'),
        (b'{"generation_config":{"max_output_tokens":0}}', b'{"generation_config":{"max_output_tokens":7}}'),
        (b'{"generation_config":{"maxOutputTokens":null}}', b'{"generation_config":{"maxOutputTokens":7}}'),
    ],
)  # fmt: skip
def test_with_maximum(body: bytes, changed: bytes) -> None:
    """In the configuration that is there, in its own way of writing; no other byte changes."""
    assert request.with_maximum(body, place_of(GENERATE), 7) == changed
    assert ask(changed).max_response_tokens == 7


def test_no_maximum_where_none_can_be_named() -> None:
    """Embeddings, counts, what is no JSON."""
    assert request.with_maximum(b"{}", place_of("/v1beta/models/e:embedContent"), 7) is None
    assert request.with_maximum(b"--form", place_of(GENERATE), 7) is None
    assert request.with_maximum(b"{}", place_of("/v1beta/interactions"), 7) == (
        b'{"generation_config":{"max_output_tokens":7}}'
    )
