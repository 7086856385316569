"""Tests of ``gateway.upstreams.vendors.azure``: its key, its deployments, its SDK, its filter's frames."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.azure import Azure
from sluice.money.usage import Usage

DIALECT = Azure()
PATH = "/openai/deployments/my%20gpt/chat/completions"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([(b"api-key", b" k ")], "k"),
        ([(b"authorization", b"Bearer t")], "t"),
        ([(b"authorization", b"Bearer t"), (b"api-key", b"k")], "k"),
        ([], None),
    ],
)
def test_a_client_s_key_is_where_its_sdk_puts_it(headers: Headers, token: str | None) -> None:
    """In ``api-key``; a bearer token where there is none."""
    assert DIALECT.credential(headers) == token
    assert DIALECT.presented(headers)[0] == (token or "")


def test_ours_goes_out_as_a_key_or_a_token_of_entra() -> None:
    """A JSON web token is a bearer's."""
    assert DIALECT.authorize("0123abc") == [(b"api-key", b"0123abc")]
    assert DIALECT.authorize("eyJh.eyJi.sig") == [(b"authorization", b"Bearer eyJh.eyJi.sig")]
    assert DIALECT.authorize("") == []


def test_the_deployment_is_the_model() -> None:
    """Whatever the body says: Azure heeds the path alone; without one the body is asked."""
    body = b'{"model":"allowed","stream":true}'
    assert DIALECT.ask(body, PATH).model == "my gpt"
    assert DIALECT.ask(b"", PATH).model == "my gpt"
    assert DIALECT.ask(body, "/openai/v1/chat/completions").model == "allowed"
    assert DIALECT.with_model(body, PATH, "b/c") == (body, "/openai/deployments/b%2Fc/chat/completions")
    assert DIALECT.with_model(b"{}", "/v1/responses", "x") == (b'{"model":"x"}', "/v1/responses")
    assert DIALECT.with_maximum(b"{}", PATH, 5) == b'{"max_completion_tokens":5}'
    assert DIALECT.clean_query(b"api-version=2024-10-21&api-key=s") == b"api-version=2024-10-21"


@pytest.mark.parametrize(
    ("query", "asks"),
    [
        (b"api-version=2024-06-01", False),
        (b"api-version=2024-10-21", True),
        (b"api-version=preview", True),
        (b"", True),
    ],
)
def test_old_versions_are_not_asked_for_usage(query: bytes, asks: bool) -> None:
    """They refuse the member that asks; their streams are estimated."""
    assert DIALECT.ask(b'{"stream":true}', PATH, query).wants_usage is not asks


def test_the_filter_s_frames_pass_and_the_model_is_in_the_second() -> None:
    """Its first frame has neither a model nor choices, and is no usage to be hidden."""
    frames = [
        {"choices": [], "model": "", "prompt_filter_results": [{"prompt_index": 0}]},
        {"choices": [{"delta": {"role": "assistant"}, "index": 0}], "model": "gpt-4o-2024-08-06", "usage": None},
        {"choices": [{"index": 0, "content_filter_offsets": {"start_offset": 0}, "content_filter_results": {}}]},
        {"choices": [], "model": "gpt-4o-2024-08-06", "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
    ]
    chunks = [b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames]
    scanner = DIALECT.scanner(PATH, b"text/event-stream", hide_usage=True)
    assert scanner is not None
    assert [scanner.feed(chunk) for chunk in chunks] == [*chunks[:3], b""]
    assert scanner.feed(b"data: [DONE]\n\n") == b""
    assert (scanner.answer.usage, scanner.answer.model) == (Usage(9, 4), "gpt-4o-2024-08-06")


def test_the_real_sdk_is_understood() -> None:
    """What ``AzureOpenAI`` writes names its deployment, its version and its key where we read them."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(429, content=DIALECT.error_body(429, "slow down", "rate_limited"))

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = openai.AzureOpenAI(  # type: ignore[call-overload]
            api_key="tok", api_version="2024-10-21", azure_endpoint="http://gw.test", http_client=http, max_retries=0
        )
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="dep", messages=[])
    (request,) = seen
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    assert DIALECT.credential(headers) == "tok"
    assert DIALECT.ask(request.content, request.url.path, request.url.query).model == "dep"
    assert b"api-version" in DIALECT.clean_query(request.url.query)
