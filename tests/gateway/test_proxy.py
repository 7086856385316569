"""The flow of one exchange: whatever happens ends in one outcome, is recorded as designed, and is said."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.access.admission import LimitedAdmission
from gateway.access.credentials import hash_token
from gateway.asgi import CONNECTION, Message
from gateway.exchange import Exchange
from gateway.recording.events import EventBuilder
from gateway.upstreams.caller import Caller
from schemas.codec import EncodedEvent
from schemas.events import KINDS, Kind
from sluice.clock import at_micros
from sluice.dev.vendor import MockVendor
from sluice.eventlog.interface import CommitFailedError
from tests.gateway.flow import SECONDS, STRANGER, TOKEN, Flow, chat_request, raw, running
from tests.gateway.test_exchange import Connection

ALL: tuple[Kind, ...] = KINDS
KNOWN: tuple[Kind, ...] = ("proxy_log", "analytics")
UNKNOWN: tuple[Kind, ...] = ("proxy_log",)
BAD_TOKEN = {"authorization": "Bearer wrong"}
OTHER_APP = {"authorization": f"Bearer {STRANGER}"}

SILENCE = {"script": "hang=head"}

CASES: list[Any] = [
    pytest.param({}, 200, "ok", ALL, id="ok"),
    pytest.param({"body": b"{broken"}, 400, "request_invalid", KNOWN, id="broken-json"),
    pytest.param({"body": b"[1"}, 400, "request_invalid", KNOWN, id="broken-array"),
    pytest.param({"path": "/llm/call/demo/%2e%2e/secret"}, 400, "request_invalid", UNKNOWN, id="climbing-path"),
    pytest.param({"path": "/llm/other/demo/x"}, 400, "request_invalid", UNKNOWN, id="unknown-route"),
    pytest.param({"body": b"x" * 70_000}, 413, "request_too_large", UNKNOWN, id="too-large"),
    pytest.param({"slug": "missing"}, 404, "llm_unknown", UNKNOWN, id="unknown-slug"),
    pytest.param({"headers": BAD_TOKEN}, 401, "auth_failed", UNKNOWN, id="bad-token"),
    pytest.param({"headers": {"authorization": ""}}, 401, "auth_failed", UNKNOWN, id="no-token"),
    pytest.param({"headers": OTHER_APP}, 403, "access_denied", KNOWN, id="another-app"),
    pytest.param({"body": {"model": "claude"}}, 403, "model_denied", KNOWN, id="model"),
    pytest.param({"slug": "blockpreauth"}, 418, "blocked_pre_auth", UNKNOWN, id="pre-auth"),
    pytest.param({"slug": "blockpostauth"}, 403, "blocked_post_auth", KNOWN, id="post-auth"),
    pytest.param({"slug": "answer"}, 200, "answered_by_plugin", KNOWN, id="answered"),
    pytest.param({"slug": "raise"}, 502, "plugin_failed", KNOWN, id="plugin-raises"),
    pytest.param({"slug": "blockheaders"}, 451, "response_blocked", ALL, id="response-blocked"),
    pytest.param({"slug": "nowhere"}, 502, "upstream_unreachable", KNOWN, id="unreachable"),
    pytest.param({"script": "status=429;retry_after=3"}, 429, "upstream_error", KNOWN, id="vendor-429"),
    pytest.param({"script": "status=500"}, 500, "upstream_error", KNOWN, id="vendor-500"),
    pytest.param({"script": "garbage=1"}, 502, "upstream_error", ALL, id="garbage"),
    pytest.param(SILENCE, 504, "upstream_timeout", ALL, id="silence"),
    pytest.param({"slug": "changebody", "body": {"model": "gpt-4o", "stream": True}}, 200, "ok", ALL,
                 id="body-hook-reads-streams-whole"),
    pytest.param({"path": "/llm/rest/demo/chat/completions", "body": {"model": "gpt-4o", "stream": True}}, 400,
                 "request_invalid", KNOWN, id="rest-does-not-stream"),
]  # fmt: skip

SMALL = {"max_request_bytes": 65_536}


@pytest.mark.parametrize(("request_of", "status", "outcome", "kinds"), CASES)
async def test_every_outcome(
    mock_vendor: MockVendor, tmp_path: Path, request_of: dict[str, Any], status: int, outcome: str, kinds: tuple[Kind]
) -> None:
    """Status, OpenAI's error shape, our ids in the answer, and exactly the events that this outcome has."""
    impatient = {"upstream": {"first_byte_timeout_seconds": 0.3}} if request_of is SILENCE else {}
    async with running(tmp_path, mock_vendor.url, gateway=SMALL | impatient) as flow:
        answer = await flow.post(**request_of)
        assert answer.status_code == status, answer.text
        events = await flow.recorded()
        assert set(events) == set(kinds)
        assert len(flow.log.exchanges) == 1
        for event in events.values():
            assert event["outcome"] == outcome
            assert event["exchange_id"] == answer.headers["x-sluice-exchange-id"]
        proxy_log = events["proxy_log"]
        assert proxy_log["response_code"] == status
        assert (proxy_log["app_id"] is None) == (kinds == UNKNOWN)
        if status >= 400 and outcome not in {"upstream_error", "upstream_timeout"}:
            error = answer.json()["error"]
            assert error["message"]
            assert error["code"]
        assert flow.metrics.exchanges.value(outcome) == 1


async def test_an_ok_exchange_in_full(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Bodies, headers without credentials, usage, price, charges, timings: what the three events say."""
    async with running(tmp_path, mock_vendor.url) as flow:
        answer = await flow.post(script="prompt_tokens=1000;response_tokens=100;cached=400;tool_calls=2")
        events = await flow.recorded()
    proxy_log, analytics, budget = (events[kind] for kind in KINDS)
    assert proxy_log["response_body"] == answer.content
    assert proxy_log["request_body"] == b'{"model":"gpt-4o-mini","messages":[]}'
    assert "authorization: Bearer ***" in proxy_log["request_headers"]
    assert "flow-token" not in str(events)
    assert "vendor-key" not in str(events)
    assert (analytics["prompt_tokens"], analytics["response_tokens"], analytics["total_tokens"]) == (1000, 100, 1100)
    assert analytics["cache_read_prompt_tokens"] == 400
    assert analytics["tool_calls"] == 2
    cost = 600 * 150 + 400 * 75 + 100 * 600
    assert (analytics["cost_nanos"], analytics["cost_status"]) == (cost, "exact")
    assert budget["cost_nanos"] == cost
    assert [charge["scope"] for charge in budget["charges"]] == ["app", "llm", "app_llm"]
    assert (budget["app_id"], budget["user_id"]) == (1, 7)
    assert budget["reserved_nanos"] > cost
    assert proxy_log["total_micros"] >= proxy_log["upstream_micros"] > 0


async def test_a_stream_passes_and_its_asked_for_usage_is_hidden(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A client that did not ask for usage does not see it; the events have it, exactly."""
    async with running(tmp_path, mock_vendor.url) as flow:
        answer = await flow.post(body={"model": "gpt-4o-mini", "stream": True, "messages": []}, script="chunks=5")
        events = await flow.recorded()
        assert answer.text.endswith("data: [DONE]\n\n")
        assert '"usage":{' not in answer.text
        assert events["analytics"]["cost_status"] == "exact"
        assert events["analytics"]["response_tokens"] == 7
        assert events["proxy_log"]["is_stream"]
        asked = {"model": "gpt-4o-mini", "stream": True, "messages": [], "stream_options": {"include_usage": True}}
        answer = await flow.post(body=asked)
        assert '"usage":{' in answer.text


async def test_plugins_change_requests_and_answers(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The vendor sees the changed request, the client the changed answer; the events say who did it."""
    async with running(tmp_path, mock_vendor.url) as flow:
        await flow.post("changerequest")
        events = await flow.recorded()
        seen = mock_vendor.requests[-1]
        assert dict(seen.headers)["x-added"] == "by a plugin"
        assert events["proxy_log"]["model_name"] == "gpt-changed"
        assert [(timing["hook"], timing["decision"]) for timing in events["proxy_log"]["plugins"]] == [
            ("post_auth", "modify")
        ]
        answer = await flow.post("changebody")
        assert answer.content == b"changed:{"
        assert answer.headers["x-changed"] == "yes"
        assert (await flow.recorded(2))["analytics"]["cost_status"] == "exact", (
            "usage is the vendor's, not the plugin's"
        )


async def test_a_failing_plugin_tells_the_client_nothing(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Its name, not its reason; the reason is in the proxy log."""
    async with running(tmp_path, mock_vendor.url) as flow:
        answer = await flow.post("raise")
        events = await flow.recorded()
    assert "secret" not in answer.text
    assert "Raise" in answer.text
    assert "the plugin's own secret" in events["proxy_log"]["error_message"]


async def test_headers_of_one_connection_stay_there(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The client's token never reaches the vendor, the vendor's key never the client; ids and trace go through."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {"connection": "keep-alive, x-hop", "x-hop": "1", "cookie": "session=1", "x-api-key": "flow-token",
            "x-request-id": "mine-1", "traceparent": traceparent, "x-forwarded-for": "10.0.0.1"}  # fmt: skip
    async with running(tmp_path, mock_vendor.url) as flow:
        answer = await flow.post(headers=sent)
        events = await flow.recorded()
    seen = dict(mock_vendor.requests[-1].headers)
    assert seen["authorization"] == "Bearer vendor-key"
    assert not {"x-hop", "cookie", "x-api-key", "x-forwarded-for"} & set(seen)
    assert (seen["x-request-id"], seen["traceparent"]) == ("mine-1", traceparent)
    assert seen["x-sluice-exchange-id"] == answer.headers["x-sluice-exchange-id"]
    assert answer.headers["x-request-id"] == "mine-1"
    assert "vendor-key" not in str(answer.headers)
    assert events["proxy_log"]["request_id"] == "mine-1"
    assert events["proxy_log"]["trace_id"] == traceparent[3:35]


async def test_a_full_event_log_refuses_before_the_vendor_is_called(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """503 with Retry-After; counted, not recorded."""
    async with running(tmp_path, mock_vendor.url) as flow:
        flow.log.has_room = False
        answer = await flow.post()
        assert (answer.status_code, answer.json()["code"]) == (503, "eventlog_unavailable")
        assert "retry-after" in answer.headers
        assert not mock_vendor.served
        assert flow.log.exchanges == []
        assert flow.metrics.exchanges.value("eventlog_unavailable") == 1


async def test_refusals_without_an_app_are_capped_and_hold_no_bodies(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A flood of bad tokens leaves a few proxy logs without body and query, and a count of the rest."""
    async with running(tmp_path, mock_vendor.url, record={"unauthenticated_per_second": 3}) as flow:
        answers = [await flow.post(headers=BAD_TOKEN, params={"key": "secret"}) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {401}
        events = await flow.recorded()
        assert 3 <= len(flow.log.exchanges) < 10
        assert events["proxy_log"]["request_body"] is None
        assert "secret" not in str(events)
        assert flow.metrics.exchanges.value("auth_failed") == 20
        unrecorded = sum(count for _, count in flow.metrics.unrecorded.series())
        assert unrecorded == 20 - len(flow.log.exchanges)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_byte_waits_for_the_record(mock_vendor: MockVendor, tmp_path: Path, stream: bool) -> None:
    """Until the commit returns the client lacks the end of the body, or the terminal event; then it gets it."""
    async with running(tmp_path, mock_vendor.url) as flow:
        flow.log.released.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(raw(flow, chat_request(stream=stream, more="connection: close\r\n")))
            await _until_waiting(flow)
            assert not asking.done()
            flow.log.released.set()
        answer, _, writer = asking.result()
        assert answer.endswith(b"0\r\n\r\n" if stream else b"}")
        assert (b"[DONE]" in answer) == stream
        writer.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_commit_closes_without_the_last_byte(
    mock_vendor: MockVendor, tmp_path: Path, stream: bool
) -> None:
    """The client sees a broken connection, never a complete answer; the slot stays for the next boot."""
    async with running(tmp_path, mock_vendor.url) as flow:
        flow.log.error = CommitFailedError("disk full")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await flow.post(body={"model": "gpt-4o-mini", "stream": stream, "messages": []})
        assert len(list(flow.inflight.open_slots())) == 1
        assert flow.metrics.commit_failures.value("CommitFailedError") == 1
        assert flow.log.reserved == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_of_ours_at_the_record_is_as_a_failed_commit(
    mock_vendor: MockVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """Counted, no last byte, its room given back; then the log has it all the same, and the next exchange is served."""

    def build_all(_: EventBuilder, exchanges: Sequence[Exchange]) -> list[list[EncodedEvent]]:
        raise OverflowError(exchanges[0].exchange_id)

    async with running(tmp_path, mock_vendor.url) as flow:
        with monkeypatch.context() as faulty:
            faulty.setattr(EventBuilder, "build_all", build_all)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await flow.post(body={"model": "gpt-4o-mini", "stream": stream, "messages": []})
        assert flow.metrics.exchanges.value("ok") == 1
        assert flow.metrics.commit_failures.value("OverflowError") == 1
        assert flow.log.reserved == 0
        await flow.parts.backlog.settle()
        assert (await flow.recorded())["proxy_log"]["outcome"] == "interrupted"
        assert (await flow.post()).status_code == 200


async def test_a_refusal_that_fails_too_is_counted(
    mock_vendor: MockVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no answer left to give: the connection is closed, the exchange recorded by what it was."""

    def refuse(*_: object) -> list[Message]:
        raise RuntimeError

    monkeypatch.setattr("gateway.proxy.refuse", refuse)
    async with running(tmp_path, mock_vendor.url) as flow:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await flow.post(headers=BAD_TOKEN)
        assert (await flow.recorded())["proxy_log"]["outcome"] == "gateway_error"
        assert flow.metrics.exchanges.value("gateway_error") == 1


async def test_a_client_that_lacked_only_the_end_is_ok(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """It left while the terminal event was held: it has the whole answer, and so it is no ``client_closed``."""
    async with running(tmp_path, mock_vendor.url) as flow:
        flow.log.released.clear()
        _, _, writer = await raw(flow, chat_request(stream=True), until=b"data: ")
        await _until_waiting(flow)
        writer.transport.abort()
        flow.log.released.set()
        assert (await flow.recorded())["proxy_log"]["outcome"] == "ok"


async def test_a_client_that_leaves_early_is_drained_and_settled(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """``client_closed``; where the vendor's usage still arrives it is exact."""
    async with running(tmp_path, mock_vendor.url) as flow:
        _, _, writer = await raw(flow, chat_request(stream=True, script="chunks=20;pace_ms=10"), until=b"data: ")
        writer.transport.abort()
        events = await flow.recorded()
        assert events["proxy_log"]["outcome"] == "client_closed"
        assert events["analytics"]["cost_status"] == "exact"
        assert mock_vendor.served[-1].complete


async def test_a_client_that_leaves_a_slow_vendor_is_not_drained_for_ever(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """After the drain's time the upstream call ends; partial and estimated, charged for what was seen."""
    async with running(tmp_path, mock_vendor.url, gateway={"drain_timeout_seconds": 0.2}) as flow:
        _, _, writer = await raw(flow, chat_request(stream=True, script="chunks=500;pace_ms=50"), until=b"data: ")
        writer.transport.abort()
        events = await flow.recorded()
        assert events["proxy_log"]["outcome"] == "client_closed"
        assert events["proxy_log"]["partial"]
        assert events["analytics"]["cost_status"] == "estimated"
        assert set(events) == set(ALL)


async def test_a_client_that_leaves_before_the_head_is_settled_too(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The vendor was called and may charge."""
    async with running(tmp_path, mock_vendor.url, gateway={"drain_timeout_seconds": 0.2}) as flow:
        host, port = flow.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(chat_request(script="hang=head"))
        async with asyncio.timeout(SECONDS):
            while not mock_vendor.requests:  # noqa: ASYNC110 - the vendor is a server of its own
                await asyncio.sleep(0.005)
        writer.transport.abort()
        events = await flow.recorded()
        assert events["proxy_log"]["outcome"] == "client_closed"
        assert events["analytics"]["cost_status"] == "estimated"


async def test_a_stream_that_is_cut_never_ends_well(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The vendor's connection breaks inside a stream: so does the client's; partial, estimated, charged."""
    async with running(tmp_path, mock_vendor.url) as flow:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await flow.post(
                body={"model": "gpt-4o-mini", "stream": True, "messages": []}, script="chunks=9;cut_after=3"
            )
        events = await flow.recorded()
        assert events["proxy_log"]["outcome"] == "upstream_error"
        assert events["proxy_log"]["partial"]
        assert events["analytics"]["cost_status"] == "estimated"


async def test_a_missing_model_is_filled_in(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """With the LLM's default; the vendor sees it."""
    async with running(tmp_path, mock_vendor.url) as flow:
        await flow.post(body={"messages": []})
        events = await flow.recorded()
        assert events["analytics"]["model_name"] == "gpt-4o-mini"
        assert mock_vendor.served[-1].model == "gpt-4o-mini"


async def test_too_many_at_once_are_refused(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Beyond gateway.max_in_flight: 503, while those under way go on."""
    async with running(tmp_path, mock_vendor.url, gateway={"max_in_flight": 2}) as flow:
        async with asyncio.TaskGroup() as tasks:
            flow.log.released.clear()  # who waits for a record is under way
            slow = [tasks.create_task(flow.post()) for _ in range(2)]
            async with asyncio.timeout(SECONDS):
                while flow.log.waiting < 2:  # noqa: ASYNC110 - other tasks' records
                    await asyncio.sleep(0.005)
                late = tasks.create_task(flow.post())
                while flow.log.waiting < 3 and not late.done():  # noqa: ASYNC110 - its own record
                    await asyncio.sleep(0.005)
            flow.log.released.set()
        refused = late.result()
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert {task.result().status_code for task in slow} == {200}


async def test_whoever_came_together_is_admitted_before_the_first_calls(
    mock_vendor: MockVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 1-5 of all whose requests were read in one turn, then step 6 of all: none of them waits for a vendor."""
    steps: list[str] = []

    def told(kind: type, name: str) -> None:
        method = getattr(kind, name)

        async def step(self: Any, exchange: Exchange, *arguments: Any) -> Any:
            steps.append(name)
            return await method(self, exchange, *arguments)

        monkeypatch.setattr(kind, name, step)

    async with running(tmp_path, mock_vendor.url) as flow:
        host, port = flow.url.removeprefix("http://").split(":")
        connections = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        for _, writer in connections:
            writer.write(chat_request())
        await flow.recorded(3)  # so each of the connections is accepted
        told(LimitedAdmission, "admit")
        told(Caller, "call")
        for count in range(6, 33, 3):  # what the kernel brings in two turns is not together
            steps.clear()
            for _, writer in connections:
                writer.write(chat_request())
            await flow.recorded(count)
            if steps == [*["admit"] * 3, *["call"] * 3]:
                break
        else:
            pytest.fail(f"never together: {steps}")
        for _, writer in connections:
            writer.close()


async def test_a_llm_is_reached_by_its_id_too(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The form that the reference's own examples show."""
    async with running(tmp_path, mock_vendor.url) as flow:
        answer = await flow.post(path="/api/v1/llms/1/proxy/chat/completions")
        assert answer.status_code == 200
        assert (await flow.recorded())["proxy_log"]["llm_slug"] == "demo"


async def test_answers_without_a_body_have_their_head_as_the_last_byte(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """HEAD: nothing is out before the record, then the head is."""
    async with running(tmp_path, mock_vendor.url) as flow:
        flow.log.released.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(flow.client.head("/llm/call/demo/models"))
            await _until_waiting(flow)
            assert not asking.done()
            flow.log.released.set()
        assert asking.result().status_code == 404, "what the vendor says to it"


async def _until_waiting(flow: Flow) -> None:
    async with asyncio.timeout(SECONDS):
        while not flow.log.waiting:  # noqa: ASYNC110 - the exchange is another task's
            await asyncio.sleep(0.002)


async def test_a_client_that_does_not_take_its_last_byte_is_given_up(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """It would hold its place in flight, its room and its slot for as long as it likes."""
    connection, stuck = Connection(), asyncio.Event()
    head, _, body = chat_request().partition(b"\r\n\r\n")
    headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
    scope = {
        "type": "http", "method": "POST", "raw_path": b"/llm/call/demo/chat/completions", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), CONNECTION: connection,
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Message) -> None:
        stuck.set()
        await asyncio.Event().wait()

    async with running(tmp_path, mock_vendor.url) as flow, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(flow.parts.app(scope, receive, send))
        async with asyncio.timeout(SECONDS):
            await stuck.wait()
        flow.parts.sweep.run_once(time.monotonic() + 3_600)
        assert connection.aborted == 1
        serving.cancel()


async def test_plugins_of_an_app_see_its_exchanges_alone(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """On the very same LLM, with the next request after they are attached; another app's go on as before."""
    apps = [{"id": at, "name": f"app {at}", "llms": ["demo"]} for at in (1, 2)]
    async with running(tmp_path, mock_vendor.url, apps=apps) as flow:
        snapshot = flow.parts.snapshots.get()
        demo = snapshot.llms_by_slug["demo"]
        own = dataclasses.replace(demo, chains=snapshot.llms_by_slug["blockpostauth"].chains)
        seen = dataclasses.replace(demo, by_app={2: own})
        flow.parts.snapshots.replace(dataclasses.replace(snapshot, llms_by_slug={"demo": seen}, llms_by_id={1: seen}))
        assert (await flow.post()).status_code == 200
        assert (await flow.post(headers=OTHER_APP)).status_code == 403
        events = await flow.recorded(2)
    assert (events["proxy_log"]["outcome"], events["proxy_log"]["app_id"]) == ("blocked_post_auth", 2)
    assert len(mock_vendor.requests) == 1


async def test_an_llm_without_its_key_is_not_called(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """502, which says that its configuration is not complete; where the key was looked for is no client's business."""
    llm = {"id": 1, "slug": "demo", "base_url": mock_vendor.url, "api_key": "env:NOBODY_SETS_THIS"}
    apps = [{"id": 1, "name": "tests", "llms": ["demo"]}]
    tokens = [{"app": 1, "sha256": hash_token(TOKEN)}]
    async with running(tmp_path, mock_vendor.url, llms=[llm], apps=apps, tokens=tokens, plugins=[]) as flow:
        answer = await flow.post()
        events = await flow.recorded()
    assert (answer.status_code, events["proxy_log"]["outcome"]) == (502, "upstream_unreachable")
    assert "LLM 'demo' cannot be called" in answer.text
    assert "NOBODY_SETS_THIS" not in answer.text
    assert len(mock_vendor.requests) == 0


async def test_a_token_s_last_use_is_remembered(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """By the worker, for whoever writes it down."""
    async with running(tmp_path, mock_vendor.url) as flow:
        await flow.post()
        events = await flow.recorded()
        token = flow.parts.snapshots.get().tokens[hash_token(TOKEN)]
        used = {token_id: at_micros(micros) for token_id, micros in flow.credentials.take_used().items()}
        assert used == {token.id: events["proxy_log"]["occurred_at"]}
