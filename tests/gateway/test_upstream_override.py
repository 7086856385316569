"""``upstream_override``: a plugin may choose where a call goes, among what its LLM lists; the vendor key goes along."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sluice.dev.vendor import MockVendor
from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
)
from tests.contracts.scripted_upstream import ScriptedUpstream
from tests.gateway.flow import Flow, running
from tests.gateway.plugged import Plugins, plugged_sections
from tests.gateway.test_respond import PLAIN, Vendor

DEAD = "http://127.0.0.1:1/v1"


class Route(BasePlugin, PreAuthHandler, PostAuthHandler):
    """Sends exchanges where their headers say; the second hook takes back or overrules."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return self.chosen(request, "x-early")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return self.chosen(request, "x-late")

    def chosen(self, request: PluginRequest, name: str) -> PluginResponse:
        if name not in request.headers:
            return PluginResponse.allow()
        return PluginResponse.modify(context_updates={"upstream_override": request.headers[name]})


class Bystander(BasePlugin, PostAuthHandler):
    """Leaves metadata of its own."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(context_updates={"seen": ctx.metadata.get("upstream_override", "")})


@contextlib.asynccontextmanager
async def routed(
    folder: Path, mock_vendor: MockVendor, plugins: Plugins | None = None, **llm: Any
) -> AsyncIterator[tuple[Flow, Vendor, str]]:
    """A gateway with a second vendor; its base URL too."""
    other = Vendor()
    other.answer(PLAIN, "content-type: application/json", framing="length")
    async with ScriptedUpstream(other.serve) as upstream:
        url = f"http://{upstream.origin.host}:{upstream.origin.port}/other/v2"
        given = {"allowed_upstreams": [url + "/", DEAD], **llm}
        sections = plugged_sections(mock_vendor.url, plugins or {Route: {}, Bystander: {}}, **given)
        async with running(folder, mock_vendor.url, **sections) as flow:
            yield flow, other, url


@pytest.mark.parametrize("name", ["x-early", "x-late"])
async def test_a_call_goes_where_a_plugin_sends_it(mock_vendor: MockVendor, tmp_path: Path, name: str) -> None:
    """Below that base URL, with the vendor's key and that host; a slash at its end does not matter."""
    async with routed(tmp_path, mock_vendor) as (flow, other, url):
        heads: list[bytes] = []

        async def serve(peer: Any) -> None:
            while asked := await peer.request():
                heads.append(asked.head)
                await peer.send(*other.pieces)

        other.script = serve
        for text in (url, url + "/"):
            answer = await flow.post(headers={name: text})
            assert (answer.status_code, answer.content) == (200, PLAIN)
        events = await flow.recorded(2)
        host = url.split("/")[2]
        assert heads[0].startswith(b"POST /other/v2/chat/completions HTTP/1.1\r\n")
        assert f"host: {host}".encode() in heads[0].lower()
        assert b"authorization: Bearer vendor-key" in heads[0]
        assert {tuple(event["labels"]) for event in events.values()} == {
            (f"upstream:{host}", "priced:model=gpt-4o-mini")
        }
        assert [attempt["llm_slug"] for attempt in events["analytics"]["attempts"]] == ["demo"]
    assert not mock_vendor.requests


@pytest.mark.parametrize(
    "chosen",
    [
        "http://127.0.0.1:9/v1", "https://evil.example/v1", "nonsense", "{url}/more", "{url}?x=1", "{url}#x",
        "http://user@{host}/other/v2", "{url}/../v2", "HTTP://{host}/other/v2", "file:///etc/passwd", "{url}\t",
    ],
)  # fmt: skip
async def test_what_the_llm_does_not_list_is_the_plugin_s_failure(
    mock_vendor: MockVendor, tmp_path: Path, chosen: str
) -> None:
    """By the letter: named, with its reason in the event alone; neither vendor is called, nothing is charged."""
    async with routed(tmp_path, mock_vendor, {Route: {"on_failure": "open"}}) as (flow, _, url):
        text = chosen.format(url=url, host=url.split("/")[2])
        if text.endswith("\t"):
            text = text.rstrip() + "%09"
        answer = await flow.post(headers={"x-late": text})
        events = await flow.recorded()
    assert (answer.status_code, answer.json()["code"]) == (502, "plugin_failed")
    assert "plugin 'Route' failed" in answer.text
    assert text not in answer.text
    log = events["proxy_log"]
    assert text[:200] in log["error_message"]
    assert "allowed_upstreams" in log["error_message"]
    assert (set(events), events["analytics"]["attempts"]) == ({"proxy_log", "analytics"}, [])
    assert not mock_vendor.requests


async def test_without_a_list_nothing_may_be_chosen(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Not even what the LLM has as its own."""
    async with routed(tmp_path, mock_vendor, allowed_upstreams=[]) as (flow, _, url):
        for text in (url, mock_vendor.url):
            assert (await flow.post(headers={"x-late": text})).status_code == 502
    assert not mock_vendor.requests


async def test_the_last_choice_counts(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The LLM's own endpoint may be chosen too; an empty one takes the choice back."""
    async with routed(tmp_path, mock_vendor) as (flow, _, url):
        for at, text in enumerate((mock_vendor.url, ""), 1):
            answer = await flow.post(headers={"x-early": url, "x-late": text})
            assert answer.status_code == 200
            assert len(mock_vendor.requests) == at
        assert (await flow.recorded(2))["proxy_log"]["labels"] == []
        assert (await flow.post(headers={"x-early": "http://127.0.0.1:9/v1", "x-late": url})).content == PLAIN


async def test_retries_stay_there_and_failover_leaves(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The choice holds for every attempt at the LLM that was asked; the LLM after it is asked where it is."""
    sections = plugged_sections(mock_vendor.url, {Route: {}}, allowed_upstreams=[DEAD], retry_count=1, failover=["two"])
    sections["llms"].append({"id": 2, "slug": "two", "base_url": mock_vendor.url})
    sections["apps"][0]["llms"].append("two")
    async with running(tmp_path, mock_vendor.url, **sections) as flow:
        answer = await flow.post(headers={"x-late": DEAD})
        events = await flow.recorded()
    assert (answer.status_code, answer.headers["x-sluice-llm"]) == (200, "two")
    attempts = [(each["llm_slug"], each["error_kind"]) for each in events["analytics"]["attempts"]]
    assert attempts == [("demo", "unreachable"), ("demo", "unreachable"), ("two", "")]
    assert events["proxy_log"]["labels"] == ["upstream:127.0.0.1:1", "priced:vendor=openai"]
