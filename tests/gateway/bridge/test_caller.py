"""Step 6 over the bridge: what vendors are asked, who takes over, what is held and settled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.dev.vendor import MockVendor
from tests.gateway.bridge.house import CLAUDE, QUESTION, asked_of, bridge, chat, frames_of, text_of
from tests.gateway.flow import TOKEN


async def test_a_vendor_gets_its_own_path_key_and_headers(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Nothing that is OpenAI's alone, and nothing of the client's credential, under whatever name it came."""
    async with bridge(tmp_path, mock_vendor) as flow:
        headers = {
            "x-stainless-lang": "python",
            "openai-organization": "org",
            "openai-beta": "x",
            "accept": "text/event-stream",
            "content-type": "application/json; charset=utf-8",
            "x-own": "kept",
            "anthropic-version": "2020-01-01",
        }
        body = json.dumps({"model": CLAUDE, "messages": QUESTION})
        answer = await flow.client.post(
            "/ai/claude/v1/chat/completions?api-version=1&key=secret", content=body, headers=headers
        )
    assert answer.status_code == 200
    seen = mock_vendor.requests[-1]
    assert (seen.method, seen.path) == ("POST", "/v1/messages")
    sent = dict(seen.headers)
    assert (sent["x-api-key"], sent["anthropic-version"], sent["x-own"]) == ("claude-key", "2023-06-01", "kept")
    assert sent["content-type"] == "application/json"
    assert not [name for name in sent if name.startswith(("openai-", "x-stainless-")) or name == "accept"]
    assert TOKEN.encode() not in seen.head
    assert len([name for name, _ in seen.headers if name == "anthropic-version"]) == 1


async def test_bytes_pass_unchanged_where_the_vendor_speaks_openais_dialect(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Both ways, down to the spaces: also members that nobody here has heard of, and headers that are OpenAI's."""
    body = b'{ "model" : "gpt-4o", "brand_new": {"a": [1e3, null]} ,"messages":[] }'
    async with bridge(tmp_path, mock_vendor) as flow:
        headers = {"openai-beta": "x", "content-type": "application/json"}
        answer = await flow.client.post("/ai/gpt/v1/chat/completions?a=1&key=s", content=body, headers=headers)
        events = await flow.recorded()
        direct = await flow.client.post("/llm/call/gpt/v1/chat/completions", content=body, headers=headers)
    seen = mock_vendor.requests[0]
    assert (seen.body, seen.header("openai-beta")) == (body, "x")
    assert seen.head.startswith(b"POST /v1/chat/completions?a=1 HTTP/1.1")
    assert answer.content == direct.content == events["proxy_log"]["response_body"]
    assert events["proxy_log"]["request_body"] == body


async def test_azure_needs_a_version(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The client's own, else one that is no preview; the model is the deployment."""
    async with bridge(tmp_path, mock_vendor, gpt={"vendor": "azure", "base_url": mock_vendor.origin}) as flow:
        body = {"model": "gpt-4o", "messages": QUESTION}
        for query, version in (
            ("", b"2024-10-21"),
            ("?api-version=2025-01-01", b"2025-01-01"),
            ("?key=s", b"2024-10-21"),
        ):
            answer = await flow.client.post(f"/ai/gpt/v1/chat/completions{query}", json=body)
            assert answer.status_code == 200
            head = mock_vendor.requests[-1].head
            assert head.startswith(
                b"POST /openai/deployments/gpt-4o/chat/completions?api-version=" + version + b" HTTP"
            )
            assert mock_vendor.requests[-1].header("api-key") == "gpt-key"


async def test_the_log_keeps_what_the_client_sent_and_got(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Not what the vendor was sent and answered: OpenAI's request, OpenAI's answer, whole and streamed."""
    async with bridge(tmp_path, mock_vendor) as flow:
        for count, is_stream in enumerate((False, True), 1):
            answer = await chat(flow, stream=is_stream)
            log = (await flow.recorded(count))["proxy_log"]
            assert log["response_body"] == answer.content
            assert log["response_body_bytes"] == len(answer.content)
            assert json.loads(log["request_body"])["messages"] == QUESTION
            assert (log["path"], log["upstream_status"]) == ("/v1/chat/completions", 200)


@pytest.mark.parametrize(("asked", "served"), [("nowhere", "claude"), ("lost", "gpt")])
@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_llm_of_another_dialect_takes_over(
    asked: str, served: str, is_stream: bool, mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Both ways: the client sees OpenAI's dialect, the event what the vendor that answered counted, at its price."""
    model = CLAUDE if served == "claude" else "gpt-4o"
    async with bridge(tmp_path, mock_vendor) as flow:
        answer = await chat(flow, asked, model=model, stream=is_stream)
        events = await flow.recorded()
    assert answer.status_code == 200
    assert answer.headers["x-sluice-llm"] == served
    if is_stream:
        frames = frames_of(answer.content)
        assert (text_of(frames), frames[-1]) == ("The mock vendor answers", "[DONE]")
        assert not [frame for frame in frames[:-1] if frame.get("usage")], "usage that nobody asked for"
    else:
        assert answer.json()["choices"][0]["message"]["content"] == "The mock vendor answers"
    row = events["analytics"]
    assert (row["prompt_tokens"], row["response_tokens"], row["cost_status"]) == (11, 7, "exact")
    assert row["cost_nanos"] == (11 * 3_000 + 7 * 15_000 if served == "claude" else 11 * 150 + 7 * 600)
    assert list(dict.fromkeys(attempt["llm_slug"] for attempt in row["attempts"])) == [asked, served]
    assert ("input_tokens" in row["raw_usage"]) == (served == "claude")


async def test_who_cannot_be_asked_all_of_it_does_not_take_over(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A seed means nothing to Anthropic: better no answer than one to another request."""
    async with bridge(tmp_path, mock_vendor) as flow:
        answer = await chat(flow, "nowhere", seed=7)
        events = await flow.recorded()
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "server_error")
    assert events["analytics"]["outcome"] == "upstream_unreachable"
    assert not mock_vendor.requests


async def test_a_candidates_default_model_is_asked_in_its_dialect(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Where the model that was asked for is not allowed there."""
    other = {"default_model": "claude-haiku-4-5", "allowed_models": ["claude-.*"]}
    async with bridge(tmp_path, mock_vendor, claude=other) as flow:
        answer = await chat(flow, "nowhere", model="gpt-4o")
    assert (answer.status_code, asked_of(mock_vendor)["model"]) == (200, "claude-haiku-4-5")


async def test_what_is_reserved_without_a_maximum_is_what_the_vendor_is_told(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Anthropic demands ``max_tokens``: it gets the LLM's, else ``budget.default_output_tokens``; never more than was
    held."""
    sections = {"budget": {"default_output_tokens": 777}}
    async with bridge(tmp_path, mock_vendor, app={"monthly_budget": "5"}, **sections) as flow:
        await chat(flow)
        events = await flow.recorded()
        assert asked_of(mock_vendor)["max_tokens"] == 777
        assert events["budget"]["reserved_nanos"] >= 777 * 15_000
        assert events["budget"]["cost_nanos"] == 11 * 3_000 + 7 * 15_000
        await chat(flow, max_completion_tokens=50)
        assert asked_of(mock_vendor)["max_tokens"] == 50


async def test_a_cap_that_a_budget_writes_reaches_the_vendor(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """``no_maximum: cap``: what is left of the budget, in the vendor's own member."""
    sections = {"budget": {"default_output_tokens": 900, "no_maximum": "cap"}}
    async with bridge(tmp_path, mock_vendor, app={"monthly_budget": "0.012"}, **sections) as flow:
        answer = await chat(flow)
    assert answer.status_code == 200
    assert 0 < asked_of(mock_vendor)["max_tokens"] < 900


async def test_a_budget_that_is_spent_refuses_in_openais_dialect(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Before the vendor is asked."""
    async with bridge(tmp_path, mock_vendor, app={"monthly_budget": "0.000001"}) as flow:
        answer = await chat(flow, max_tokens=100_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "budget_exceeded")
    assert not mock_vendor.requests


async def test_models_are_listed_without_a_call(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Recorded as any exchange, without cost; HEAD has the same length and no body."""
    async with bridge(tmp_path, mock_vendor, claude={"default_model": CLAUDE}) as flow:
        listed = await flow.client.get("/ai/claude/v1/models")
        head = await flow.client.head("/ai/claude/v1/models")
        events = await flow.recorded(2)
        stranger = await flow.client.get("/ai/claude/v1/models", headers={"authorization": "Bearer nobody"})
    assert [model["id"] for model in listed.json()["data"]] == [CLAUDE]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(listed.content))
    assert events["proxy_log"]["outcome"] == "ok"
    assert not events.get("analytics", {}).get("cost_nanos")
    assert stranger.status_code == 401
    assert not mock_vendor.requests


async def test_a_plugin_may_choose_where_to_ask(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Below that base URL, in the vendor's dialect."""
    url = mock_vendor.origin + "/other"
    plugin = {"id": 1, "name": "route", "command": "python://tests.gateway.test_upstream_override:Route"}
    claude = {"plugins": ["route"], "allowed_upstreams": [url]}
    async with bridge(tmp_path, mock_vendor, plugins=[plugin], claude=claude) as flow:
        answer = await flow.client.post(
            "/ai/claude/v1/chat/completions",
            json={"model": CLAUDE, "messages": QUESTION},
            headers={"x-late": url},
        )
    assert answer.status_code == 200
    assert mock_vendor.requests[-1].path == "/other/v1/messages"
