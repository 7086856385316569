"""Tests of ``gateway.upstreams.vendors.anthropic.request``: what a request asks, and the one edit of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.vendors.anthropic.request import ask, with_model
from gateway.upstreams.vendors.dialect import Asked

PATH, BATCHES = "/v1/messages", "/v1/messages/batches"


def asked(path: str = PATH, **body: Any) -> Asked:
    """Of a body."""
    return ask(json.dumps(body).encode(), path)


def batch(*params: Any) -> dict[str, Any]:
    """The body of a batch."""
    return {"requests": [{"custom_id": str(at), "params": each} for at, each in enumerate(params)]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "c", "max_tokens": 7}, Asked("c", max_response_tokens=7, wants_usage=True)),
        ({"model": "c", "stream": True}, Asked("c", is_stream=True, wants_usage=True)),
        ({"model": "", "stream": None, "max_tokens": None}, Asked(None, wants_usage=True)),
        ({"max_tokens": -1}, Asked(wants_usage=True)),
        ({"max_tokens": 0}, Asked(wants_usage=True, max_response_tokens=0)),
        ({"max_tokens": 10**12}, Asked(wants_usage=True, max_response_tokens=(1 << 31) - 1)),
        ({"messages": [{"content": {"stream": True}}]}, Asked(wants_usage=True)),
    ],
)
def test_a_request_says_model_stream_and_maximum(body: dict[str, Any], expected: Asked) -> None:
    """Usage comes unasked; a choice is all there is; what cannot be a maximum is none."""
    assert asked(**body) == expected


def test_the_older_completions_name_their_maximum_otherwise() -> None:
    """``max_tokens_to_sample``."""
    assert asked("/v1/complete", model="c", max_tokens_to_sample=9).max_response_tokens == 9


def test_counting_tokens_asks_for_no_output() -> None:
    """Nothing is generated, and no stream comes."""
    found = asked("/v1/messages/count_tokens", model="c", stream=True)
    assert found == Asked("c", wants_usage=True, max_response_tokens=0, is_free=True)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"model":"other"}', b"no JSON"])
@pytest.mark.parametrize("end", ["", "/cancel"])
def test_a_batch_that_is_cancelled_or_deleted_costs_nothing(body: bytes, end: str) -> None:
    """Whatever is sent along, which nobody reads: no model is asked for."""
    found = ask(body, f"{BATCHES}/msgbatch_01AbC{end}")
    assert found == Asked(wants_usage=True, max_response_tokens=0, is_free=True)


@pytest.mark.parametrize(
    ("body", "further"),
    [
        ({"fallbacks": [{"model": "d"}, {"model": "e", "max_tokens": 5}]}, ("d", "e")),
        ({"fallbacks": [{"model": "c"}, {"model": "d"}, {"model": "d"}]}, ("d",)),
        ({"fallbacks": "default"}, ("default",)),
        ({"fallbacks": None, "tools": None}, ()),
        ({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "opus"}]}, ("opus",)),
        ({"tools": [{"name": "t", "input_schema": {"properties": {"model": {"type": "string"}}}}]}, ()),
        ({"tools": ["odd", {"type": "advisor_20260301", "model": "opus"}]}, ("opus",)),
        ({"tools": [{"type": "advisor_20260301", "model": 5}], "fallbacks": [{"model": None}, 7, "d"]}, ("d",)),
        ({"fallbacks": [{"model": "d"}], "tools": [{"model": "e"}]}, ("e", "d")),
    ],
)
def test_further_models_are_those_of_fallbacks_and_tools(body: dict[str, Any], further: tuple[str, ...]) -> None:
    """Each once, but the one that is asked for; a schema's names are the client's own."""
    assert asked(model="c", **body).further_models == further
    assert asked(BATCHES, **batch({"model": "c", "max_tokens": 5, **body})).further_models == further


def test_an_escape_hides_no_further_model() -> None:
    """A name is what its vendor reads."""
    tools = b'"tools":[{"type":"advisor_20260301","mod\\u0065l":"opus"}]'
    body = b'{"model":"c",' + tools + b',"f\\u0061llbacks":[{"\\u006dodel":"d"}]}'
    assert ask(body, "/v1/messages").further_models == ("opus", "d")


def test_no_request_names_models_without_end() -> None:
    """Each is looked for in the allow-list."""
    with pytest.raises(ValueError, match="65 further models; at most 64"):
        asked(model="c", fallbacks=[{"model": f"m{at}"} for at in range(65)])


def test_a_batch_is_one_exchange_of_one_model() -> None:
    """At the batch price, with as much output as all its requests may have."""
    found = asked(BATCHES, **batch({"model": "c", "max_tokens": 5}, {"model": "c", "max_tokens": 6}))
    assert found == Asked("c", wants_usage=True, max_response_tokens=11, is_batch=True)
    assert asked(BATCHES, **batch()) == Asked(wants_usage=True, is_batch=True)
    assert asked(BATCHES, requests=None) == Asked(wants_usage=True, is_batch=True)
    assert asked(BATCHES, requests=[{}, {"params": None}]) == Asked(wants_usage=True, is_batch=True)
    huge = batch(*({"model": "c", "max_tokens": 1 << 30} for _ in range(4)))
    assert asked(BATCHES, **huge).max_response_tokens == (1 << 31) - 1


def test_a_batch_of_several_models_is_refused() -> None:
    """The second would pass the allow-list and the price list unseen."""
    with pytest.raises(ValueError, match=r"several models.*'a'.*'b'.*one batch for each"):
        asked(BATCHES, **batch({"model": "b"}, {"model": "a"}))


@pytest.mark.parametrize("path", [PATH, BATCHES, "/v1/messages/count_tokens"])
@pytest.mark.parametrize("body", [b"garbage", b"[]", b"{", b'{"requests":7,"model":7}', b"\xff", b"[" * 5_000])
def test_what_is_not_the_json_it_should_be_is_refused(path: str, body: bytes) -> None:
    """Also where only a field that matters is of the wrong type."""
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own words
        ask(body, path)


def test_other_bodies_ask_nothing() -> None:
    """Uploads of files are no JSON; nor is nothing."""
    assert ask(b"--boundary\r\n", "/v1/files") == Asked()
    assert ask(b"", PATH) == Asked()


def test_a_model_is_filled_in_but_not_into_a_batch() -> None:
    """No byte changes beside it; the requests of a batch keep theirs."""
    assert with_model(b'{"a": 1}', PATH, "c") == b'{"a": 1,"model":"c"}'
    assert with_model(b'{"model": null}', PATH, "c") == b'{"model": "c"}'
    assert with_model(b'{"requests": []}', BATCHES, "c") == b'{"requests": []}'
