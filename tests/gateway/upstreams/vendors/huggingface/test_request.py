"""Tests of ``gateway.upstreams.vendors.huggingface.request``: what a request says, and our edits of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.huggingface.paths import place_of
from gateway.upstreams.vendors.huggingface.request import ask, with_maximum, with_model

GENERATE, STREAM, MODEL, ROOT = "/generate", "/generate_stream", "/models/owner/name", "/"


def asked(body: Any, path: str = GENERATE) -> Asked:
    """What a body says on a path."""
    return ask(json.dumps(body).encode(), place_of(path))


@pytest.mark.parametrize(
    ("path", "stream", "is_stream"),
    [
        (GENERATE, True, False),
        (STREAM, False, True),
        (ROOT, True, True),
        (ROOT, False, False),
        (ROOT, None, False),
        (MODEL, True, True),
        (MODEL, "yes", False),
    ],
)
def test_who_streams(path: str, stream: Any, is_stream: bool) -> None:
    """Two paths say it themselves; elsewhere a member does."""
    assert asked({"inputs": "x", "stream": stream}, path).is_stream is is_stream


@pytest.mark.parametrize(
    ("parameters", "maximum", "choices"),
    [
        (None, None, 1),
        ({}, None, 1),
        ({"max_new_tokens": 20}, 20, 1),
        ({"max_new_tokens": 0}, 0, 1),
        ({"max_new_tokens": -1}, None, 1),
        ({"max_new_tokens": 10**30}, (1 << 31) - 1, 1),
        ({"max_new_tokens": 20, "best_of": 4}, 20, 4),
        ({"best_of": -4}, None, 1),
        ({"num_return_sequences": 3}, None, 3),
        ({"best_of": 10**30}, None, 1 << 15),
    ],
)
def test_the_most_that_may_be_generated(parameters: Any, maximum: int | None, choices: int) -> None:
    """Of each sequence, whether it comes back or not."""
    for path in (GENERATE, MODEL):
        found = asked({"inputs": "x", "parameters": parameters}, path)
        assert (found.max_response_tokens, found.choices, found.wants_usage) == (maximum, choices, True)


def test_each_input_of_a_batch_has_its_output() -> None:
    """Times the sequences of each."""
    assert asked({"inputs": ["a", "b", "c"]}, MODEL).choices == 3
    assert asked({"inputs": ["a", "b"], "parameters": {"num_return_sequences": 5}}, MODEL).choices == 10
    assert asked({"inputs": []}, MODEL).choices == 1
    assert asked({"inputs": {"question": "a"}}, MODEL).choices == 1


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        (MODEL, {"model": "lie", "inputs": ""}, "owner/name"),
        (ROOT, {"model": "a"}, "a"),
        (ROOT, {"model_id": "b"}, "b"),
        (ROOT, {"model": "a", "model_id": "b"}, "a"),
        (ROOT, {"model": "", "model_id": None}, None),
        (GENERATE, {"inputs": ""}, None),
    ],
)
def test_the_model_is_the_path_s_or_the_body_s(path: str, body: Any, model: str | None) -> None:
    """A path is heeded alone."""
    assert asked(body, path).model == model


def test_a_body_may_be_a_sound() -> None:
    """Models of other tasks take any; nothing is read of it."""
    assert ask(b"RIFF\x00", place_of(MODEL)) == Asked(model="owner/name")
    assert ask(b"", place_of(MODEL)) == Asked(model="owner/name")
    assert ask(b"", place_of(GENERATE)) == Asked()
    assert ask(b'{"inputs":"x"}', place_of("/tokenize")) == Asked(wants_usage=True, max_response_tokens=0, is_free=True)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", MODEL),
        (b"{", GENERATE),
        (b"x", GENERATE),
        (b"[]", STREAM),
        (b'{"model":1}', ROOT),
        (b'{"parameters":[]}', GENERATE),
        (b'{"parameters":{"max_new_tokens":"9"}}', GENERATE),
        (b'{"inputs":' + b"[" * 100_000, MODEL),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(body: bytes, path: str) -> None:
    """As the server refuses it."""
    with pytest.raises(ValueError, match=r"JSON|Expected|truncated|recursion"):
        ask(body, place_of(path))


def test_other_tasks_have_parameters_of_their_own() -> None:
    """Whatever type they are of."""
    assert (
        asked({"inputs": "x", "parameters": {"best_of": "y", "max_new_tokens": 5}}, MODEL).max_response_tokens is None
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (MODEL, (b'{"inputs":"x"}', "/models/a/b")),
        (GENERATE, (b'{"inputs":"x"}', GENERATE)),
        (ROOT, (b'{"inputs":"x","model":"a/b"}', ROOT)),
    ],
)
def test_a_model_is_written_where_it_is_read(path: str, expected: tuple[bytes, str]) -> None:
    """A server that has only one is told none."""
    assert with_model(b'{"inputs":"x"}', path, place_of(path), "a/b") == expected


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"inputs":"x"}', b'{"inputs":"x","parameters":{"max_new_tokens":9}}'),
        (b'{"parameters":{"details": true}}', b'{"parameters":{"details": true,"max_new_tokens":9}}'),
        (b'{"parameters":{"max_new_tokens":null}}', b'{"parameters":{"max_new_tokens":9}}'),
        (b'{"parameters":null}', b'{"parameters":{"max_new_tokens":9}}'),
    ],
)
def test_a_maximum_is_written_among_the_parameters(body: bytes, edited: bytes) -> None:
    """Where text is generated; a model of another task may not take it."""
    assert with_maximum(body, place_of(GENERATE), 9) == edited
    assert with_maximum(body, place_of(STREAM), 9) == edited
    assert ask(edited, place_of(GENERATE)).max_response_tokens == 9
    assert with_maximum(body, place_of(MODEL), 9) is None
    assert with_maximum(b"", place_of(GENERATE), 9) is None


@given(st.binary(max_size=80))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """It is read, or refused."""
    for path in (GENERATE, MODEL, "/tokenize"):
        try:
            ask(body, place_of(path))
        except ValueError:
            continue
