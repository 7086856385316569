"""Bedrock's format, as the real ``boto3`` reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from sluice.dev.vendor import MockVendor

SESSION = boto3.Session()
ASK: Any = {"modelId": "mock.claude", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}


@pytest.fixture
def client(mock_vendor: MockVendor) -> Callable[[str], Any]:
    """Makes clients that sign with keys of nobody's and send a script."""

    def make(text: str) -> Any:
        made = SESSION.client(
            "bedrock-runtime", endpoint_url=mock_vendor.origin, region_name="eu-west-1", aws_access_key_id="AKIDMOCK",
            aws_secret_access_key="mock", config=Config(retries={"max_attempts": 0}),
        )  # fmt: skip

        def add(request: Any, **_: Any) -> None:
            request.headers["x-mock"] = text

        made.meta.events.register("before-sign.bedrock-runtime", add)
        return made

    return make


async def test_a_stream_counts_what_a_plain_answer_counts(
    client: Callable[[str], Any], mock_vendor: MockVendor
) -> None:
    """Each event with its checksum, the last one with the usage; the log says that both were signed."""
    text = "chunks=3;prompt_tokens=100;cached=60;cache_write=30;cache_write_1h=10"

    def ask() -> tuple[Any, list[Any]]:
        made = client(text)
        return made.converse(**ASK), list(made.converse_stream(**ASK)["stream"])

    plain, events = await asyncio.to_thread(ask)
    assert plain["usage"] == events[-1]["metadata"]["usage"]
    assert plain["usage"]["inputTokens"] == 10
    words = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(words) == plain["output"]["message"]["content"][0]["text"] == "The mock vendor"
    assert [served.signed for served in mock_vendor.served] == ["sigv4", "sigv4"]
    assert [served.prompt_tokens for served in mock_vendor.served] == [100, 100]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"authorization": "Bearer"}, 403),
        ({"authorization": "Bearer key"}, 200),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, 403),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/bedrock/aws4_request, "
                           "SignedHeaders=host;x-amz-date, Signature=" + "a" * 64}, 403),
    ],
)  # fmt: skip
async def test_a_request_must_prove_itself(mock_vendor: MockVendor, headers: dict[str, str], status: int) -> None:
    """By a bearer, or a signature with its date; it is refused in AWS's shape otherwise, and not logged."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{mock_vendor.origin}/model/m/converse", json={}, headers=headers)
    assert answer.status_code == status
    assert len(mock_vendor.served) == (status == 200)
    if status != 200:
        assert answer.json()["__type"] == "AccessDeniedException"


async def test_errors_and_calls(client: Callable[[str], Any]) -> None:
    """The SDK raises the class that the error names, in a stream too; calls have their arguments."""
    made = client("status=429")
    with pytest.raises(made.exceptions.ThrottlingException, match="status 429"):
        await asyncio.to_thread(lambda: made.converse(**ASK))
    called = await asyncio.to_thread(lambda: client("tool_calls=2").converse(**ASK))
    assert [block["toolUse"]["input"] for block in called["output"]["message"]["content"]] == [{"n": 1}, {"n": 1}]
    assert called["stopReason"] == "tool_use"
