"""Tests of ``gateway.upstreams.vendors.openai.errors``: the vendor's own SDK raises its own errors of ours."""

from __future__ import annotations

import json

import openai
import pytest

from gateway.upstreams.vendors.openai import OpenAi

DIALECT = OpenAi()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (502, openai.InternalServerError),
    ],
)
def test_errors_wear_the_vendor_s_shape(status: int, kind: type[openai.APIStatusError]) -> None:
    """The vendor's own SDK makes its own error of ours, with our code and message; ``status`` and ``code`` are there
    for those without an SDK."""
    import httpx  # noqa: PLC0415 - the SDK's, for this test alone

    body = DIALECT.error_body(status, 'no "budget"', "budget_exceeded")
    parsed = json.loads(body)
    assert (parsed["status"], parsed["message"], parsed["code"]) == (status, 'no "budget"', "budget_exceeded")
    answer = httpx.Response(status, content=body, headers={"content-type": "application/json"})
    transport = httpx.MockTransport(lambda _: answer)
    with httpx.Client(transport=transport) as http:
        client = openai.OpenAI(api_key="k", base_url="http://vendor.test/v1", http_client=http, max_retries=0)  # type: ignore[arg-type]
        with pytest.raises(kind) as raised:
            client.models.list()
    assert raised.value.code == "budget_exceeded"
    assert 'no "budget"' in str(raised.value)


@pytest.mark.parametrize("message", ["not for you", "half a pair: \ud800", 'quotes " and\nlines'])
def test_an_error_in_mid_stream_is_raised_by_the_sdk(message: str) -> None:
    """Of chat and of the responses API; what came before it was given out, and no end follows."""
    import httpx  # noqa: PLC0415 - as above

    error = DIALECT.stream_error(403, message, "response_blocked")
    assert error.count(b"\n\n") == 1
    assert error.endswith(b"\n\n")
    chat = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
    answer = {"content": chat + error, "headers": {"content-type": "text/event-stream"}}
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, **answer))) as http:  # type: ignore[arg-type]
        client = openai.OpenAI(api_key="k", base_url="http://vendor.test/v1", http_client=http, max_retries=0)  # type: ignore[arg-type]
        for stream in (
            client.chat.completions.create(model="m", messages=[], stream=True),
            client.responses.create(model="m", input="x", stream=True),
        ):
            next(iter(stream))
            with pytest.raises(openai.APIError) as raised:
                list(stream)
            assert (raised.value.code, raised.value.type) == ("response_blocked", "permission_error")
            assert raised.value.message == message.replace("\ud800", "?")
