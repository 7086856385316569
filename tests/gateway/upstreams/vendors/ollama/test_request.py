"""Tests of ``gateway.upstreams.vendors.ollama.request``: what a request says, and our edits of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.ollama.request import ask, check_names, with_maximum


def asked(body: Any, endpoint: Any = "chat") -> Asked:
    """What a body says."""
    return ask(json.dumps(body).encode(), endpoint)


@pytest.mark.parametrize(
    ("stream", "is_stream"),
    [({}, True), ({"stream": None}, True), ({"stream": True}, True), ({"stream": False}, False)],
)
def test_it_streams_unless_it_is_told_not_to(stream: dict[str, Any], is_stream: bool) -> None:
    """Chat, completions and work on models; embeddings never."""
    for endpoint in ("chat", "generate", "progress"):
        assert asked({"model": "llama3.2", **stream}, endpoint).is_stream is is_stream
    assert asked({"model": "all-minilm", "input": "x"}, "embed").is_stream is False
    assert asked({"model": "all-minilm"}, "free").is_stream is False


@pytest.mark.parametrize(
    ("options", "maximum"),
    [
        (None, None),
        ({}, None),
        ({"num_predict": None}, None),
        ({"num_predict": 100}, 100),
        ({"num_predict": 100.0}, 100),
        ({"num_predict": 1}, 1),
        ({"num_predict": 0}, None),
        ({"num_predict": -1}, None),
        ({"num_predict": -2}, None),
        ({"num_predict": 10**30}, (1 << 31) - 1),
    ],
)
def test_the_maximum_is_num_predict(options: Any, maximum: int | None) -> None:
    """What is not positive means no end, or until the context is full."""
    request = asked({"model": "m", "messages": [], "options": options})
    assert request == Asked(model="m", is_stream=True, wants_usage=True, max_response_tokens=maximum)
    assert asked({"model": "m", "input": "x", "options": options}, "embed").max_response_tokens == 0


def test_the_model_has_an_older_name_where_models_are_managed() -> None:
    """``name``; empty ones are none."""
    assert asked({"name": "m"}, "progress").model == "m"
    assert asked({"model": "a", "name": "b"}, "free").model == "a"
    assert asked({"model": ""}).model is None


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b"x", b'{"model":1}', b'{"stream":"no"}', b'{"options":[]}',
     b'{"options":{"num_predict":"9"}}', b'{"options":{"num_predict":1e400}}', b'{"model":' + b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_not_what_it_says_is_refused(body: bytes) -> None:
    """As Ollama itself refuses it."""
    with pytest.raises(ValueError, match=r"JSON|Expected|Number|recursion|truncated"):
        ask(body, "chat")


def test_an_upload_is_no_json() -> None:
    """A blob's bytes say nothing."""
    assert ask(b"GGUF\x00\x01", "free") == Asked(is_free=True)
    assert ask(b"", "chat") == Asked()


@pytest.mark.parametrize(
    "name", ["Model", "MODEL", "\\u004dodel", "Stream", "Options", "option\u017f", "Max_Tokens", "N", "Tool\u017f"]
)
def test_a_name_in_another_case_is_refused(name: str) -> None:
    """Ollama's server would take it for the member that we read: it gets past no allow-list."""
    with pytest.raises(ValueError, match="must be written"):
        check_names(f'{{"model":"allowed","{name}":"forbidden"}}'.encode())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model":"a","Extra":1,"keep_alive":0}', b'{"x":{"Model":1}}', b"\xff"])
def test_other_names_are_the_client_s(body: bytes) -> None:
    """Those that nobody reads, and those inside."""
    check_names(body)


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"model":"m"}', b'{"model":"m","options":{"num_predict":9}}'),
        (b'{"options": {"seed": 1}}', b'{"options": {"seed": 1,"num_predict":9}}'),
        (b'{"options":{"num_predict":-1}}', b'{"options":{"num_predict":9}}'),
        (b'{"options":null}', b'{"options":{"num_predict":9}}'),
    ],
)
def test_a_maximum_is_written_among_the_options(body: bytes, edited: bytes) -> None:
    """No byte changes but those it is for."""
    assert with_maximum(body, "chat", 9) == edited
    assert with_maximum(body, "generate", 9) == edited
    assert ask(edited, "chat").max_response_tokens == 9


def test_where_there_is_none_to_say_none_is_said() -> None:
    """Embeddings have no output; what is no object takes no member."""
    assert with_maximum(b"{}", "embed", 9) is None
    assert with_maximum(b"[]", "chat", 9) is None
    assert with_maximum(b"", "chat", 9) is None


@given(st.binary(max_size=80))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """It is read, or refused."""
    for endpoint in ("chat", "free", "other"):
        try:
            ask(body, endpoint)
        except ValueError:
            continue
