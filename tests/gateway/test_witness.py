"""Traces and lines of real exchanges, through the gateway's own server, to a real receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.tracing.trace import Trace
from gateway.witness import Witness
from sluice.dev.vendor import MockVendor
from tests.gateway.flow import Flow, chat_request, raw, running
from tests.gateway.test_exchange import an_exchange
from tests.gateway.tracing.otlp_receiver import OtlpReceiver, attributes_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    """One that takes everything."""
    async with OtlpReceiver().listening() as receiver:
        yield receiver


def tracing(receiver: OtlpReceiver, **more: Any) -> dict[str, Any]:
    """Everything is traced, and sent soon."""
    return {"tracing": {"endpoint": receiver.url, "sample": 1.0, "interval_seconds": 0.02, **more}}


def sent_upstream(vendor: MockVendor, name: str) -> str:
    """A header of the last request that the vendor saw."""
    return dict(vendor.requests[-1].headers).get(name, "")


def roots(spans: list[Any]) -> list[Any]:
    """The exchanges'."""
    return [span for span in spans if span.kind == 2]


def assert_a_tree(spans: list[Any]) -> None:
    """Every span but the root is below another of its exchange and within it in time; ids are unique."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert len({span.trace_id for span in spans}) == 1
    [root] = roots(spans)
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if span is not root:
            assert span.parent_span_id in by_id
            assert root.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= root.end_time_unix_nano


async def test_an_exchange_is_a_tree_of_spans(mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Its steps, its plugins and its attempts; tokens and cost as in its events; the record has the same trace."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        answer = await flow.post(slug="changerequest", script="delay_ms=30", body={"model": "gpt-x", "max_tokens": 9})
        events = await flow.recorded()
        spans = await receiver.got()
    assert_a_tree(spans)
    [root] = roots(spans)
    assert [span.name for span in spans if span.name != "admit"] == [  # which a busy machine may notice
        "chat gpt-changed", "accept", "respond", "record", "post_auth", "post_auth ChangeRequest",
        "upstream changerequest",
    ]  # fmt: skip
    said, analytics = attributes_of(root), events["analytics"]
    assert said["sluice.exchange_id"] == answer.headers["x-sluice-exchange-id"] == analytics["exchange_id"]
    assert said["gen_ai.usage.input_tokens"] == analytics["prompt_tokens"] > 0
    assert said["gen_ai.usage.output_tokens"] == analytics["response_tokens"] > 0
    assert said["sluice.cost.nanos"] == analytics["cost_nanos"] > 0
    assert said["gen_ai.response.finish_reasons"] == ["stop"]
    assert (said["gen_ai.provider.name"], said["gen_ai.system"]) == ("openai", "openai")
    assert (said["sluice.app.id"], said["sluice.outcome"], said["http.response.status_code"]) == (1, "ok", 200)
    assert events["proxy_log"]["trace_id"] == root.trace_id.hex()
    upstream = next(span for span in spans if span.kind == 3)
    assert upstream.end_time_unix_nano - upstream.start_time_unix_nano >= 25_000_000
    assert (upstream.parent_span_id, root.status.code, root.parent_span_id) == (root.span_id, 0, b"")
    assert sent_upstream(mock_vendor, "traceparent") == f"00-{root.trace_id.hex()}-{root.span_id.hex()}-01"


async def test_a_client_s_trace_is_continued(mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Its span is our parent, ours the vendor's; its state and its flags go along unchanged."""
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-03", "tracestate": "vendor=1,other=2"}
    async with running(tmp_path, mock_vendor.url, **tracing(receiver, sample=0.0)) as flow:
        await flow.post(headers=headers)
        [root] = roots(await receiver.got())
    assert (root.trace_id.hex(), root.parent_span_id.hex(), root.trace_state) == (TRACE, PARENT, "vendor=1,other=2")
    assert root.flags == 0x303
    assert sent_upstream(mock_vendor, "traceparent") == f"00-{TRACE}-{root.span_id.hex()}-03"
    assert sent_upstream(mock_vendor, "tracestate") == "vendor=1,other=2"


@pytest.mark.parametrize("parent", [f"00-{TRACE}-{PARENT}-00", f"00-{TRACE}-{PARENT}-fe"])
async def test_what_a_client_does_not_trace_is_not_traced(
    mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver, parent: str
) -> None:
    """Whatever the share is; its header goes to the vendor as it came."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        await flow.post(headers={"traceparent": parent})
        await flow.post()
        assert len(roots(await receiver.got())) == 1
    assert dict(mock_vendor.requests[0].headers)["traceparent"] == parent


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"00", b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01", b"ff-" + TRACE.encode() + b"-" + b"1" * 16 + b"-01",
        SAMPLED.upper().encode(), SAMPLED.encode() + b"-more", b"\xff" * 60, b"x" * 20_000,
    ],
)  # fmt: skip
async def test_a_header_that_is_garbage_begins_a_trace(
    mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver, garbage: bytes
) -> None:
    """As if there were none (W3C Trace Context, 3.2.2.3); its ``tracestate`` is dropped with it."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        head = chat_request(more="connection: close\r\ntracestate: a=1\r\ntraceparent: %\r\n").split(b"%")
        host, port = flow.url.removeprefix("http://").split(":")
        answer = await _sent(flow, head[0] + garbage + head[1])
        assert answer.startswith(b"HTTP/1.1 200"), (host, port, answer[:200])
        [root] = roots(await receiver.got())
    assert root.trace_id.hex() not in {TRACE, "0" * 32}
    assert (root.parent_span_id, root.trace_state, root.flags) == (b"", "", 0x101)
    assert sent_upstream(mock_vendor, "tracestate") == ""


async def _sent(flow: Flow, request: bytes) -> bytes:
    answer, _, writer = await raw(flow, request)
    writer.close()
    return answer


CASES: list[Any] = [
    ({"script": "status=500"}, "upstream_error", 2, "chat gpt-4o-mini"),
    ({"slug": "nowhere"}, "upstream_unreachable", 2, "chat gpt-4o-mini"),
    ({"slug": "raise"}, "plugin_failed", 2, "POST /llm/call/{slug}"),
    ({"slug": "blockpreauth"}, "blocked_pre_auth", 0, "POST /llm/call/{slug}"),
    ({"headers": {"authorization": "Bearer wrong"}}, "auth_failed", 0, "POST /llm/call/{slug}"),
    ({"body": {"model": "<script>"}}, "model_denied", 0, "POST /llm/call/{slug}"),
    ({"slug": "missing"}, "llm_unknown", 0, "POST /llm/call/{slug}"),
    ({"path": "/plugins/none/of/them"}, "request_invalid", 0, "POST /plugins/{slug}"),
]


@pytest.mark.parametrize(("request_of", "outcome", "status", "name"), CASES)
async def test_what_fails_is_traced_too(
    mock_vendor: MockVendor,
    tmp_path: Path,
    receiver: OtlpReceiver,
    request_of: dict[str, Any],
    outcome: str,
    status: int,
    name: str,
) -> None:
    """Faults are errors, refusals are not; a name never holds what a client chose unless a vendor was called for it."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        await flow.post(**request_of)
        spans = await receiver.got()
    assert_a_tree(spans)
    [root] = roots(spans)
    said = attributes_of(root)
    assert (root.name, said["sluice.outcome"], root.status.code) == (name, outcome, status)
    assert said["error.type"]


async def test_retries_and_failover_are_attempts(
    mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """Each with its own status and LLM, one behind the other; the exchange says who answered."""
    llms = [
        {"id": 1, "slug": "demo", "base_url": "http://127.0.0.1:1/v1", "failover": ["other"], "retry_count": 1},
        {"id": 2, "slug": "other", "base_url": mock_vendor.url, "api_key": "k"},
    ]
    apps = [{"id": 1, "name": "tests", "llms": ["demo", "other"]}, {"id": 2, "name": "stranger"}]
    async with running(tmp_path, mock_vendor.url, llms=llms, apps=apps, **tracing(receiver)) as flow:
        assert (await flow.post()).status_code == 200
        spans = await receiver.got()
    attempts = [span for span in spans if span.kind == 3]
    said = [attributes_of(span) for span in attempts]
    assert [each["sluice.llm.slug"] for each in said] == ["demo", "demo", "other"]
    assert [each.get("error.type") for each in said] == ["unreachable", "unreachable", None]
    assert [each.get("http.request.resend_count", 0) for each in said] == [0, 1, 2]
    assert [span.status.code for span in attempts] == [2, 2, 0]
    ends = [span.end_time_unix_nano for span in attempts]
    assert all(end <= later.start_time_unix_nano for end, later in zip(ends, attempts[1:], strict=False))
    assert attributes_of(roots(spans)[0])["sluice.served_by"] == "other"


async def test_no_span_holds_a_body_a_query_or_a_credential(
    mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """Nor an answer, nor a header of a client's own."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "the-prompt finish_reason stop"}]}
        answer = await flow.post(body=body, headers={"x-own": "own-header"}, params={"key": "query-secret"})
        await receiver.got()
    sent = b"".join(request.SerializeToString() for _, request in receiver.requests)
    text = answer.json()["choices"][0]["message"]["content"]
    for secret in ("the-prompt", "own-header", "query-secret", "flow-token", "vendor-key", text):
        assert secret.encode() not in sent


async def test_exemplars_name_traces_that_were_sent(
    mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """To those who ask for OpenMetrics; the plain format stays as it is."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        await flow.post()
        [root] = roots(await receiver.got())
        plain = await flow.client.get("/metrics")
        rich = await flow.client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert rich.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "trace_id" not in plain.text
    exemplars = [line for line in rich.text.splitlines() if f'# {{trace_id="{root.trace_id.hex()}"}}' in line]
    assert [line.split("{")[0] for line in exemplars] == ["sluice_exchange_duration_seconds_bucket"]
    assert rich.text.endswith("# EOF\n")


async def test_the_access_log_has_a_line_for_each_exchange(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Whatever its outcome, with the figures of its events, in one line of JSON each."""
    file = tmp_path / "logs" / "access.log"
    async with running(tmp_path, mock_vendor.url, access_log={"to": "file", "file": str(file)}) as flow:
        answer = await flow.post(params={"key": "query-secret"})
        events = await flow.recorded()
        await flow.post(body={"model": 'x"\n{"outcome":"ok"}\x1b[31m\u2028'})
        await flow.post(headers={"authorization": "Bearer wrong"})
        await flow.recorded(3)
    text = file.read_text()
    lines = [orjson.loads(line) for line in text.splitlines()]
    assert [line["outcome"] for line in lines] == ["ok", "model_denied", "auth_failed"]
    first, analytics = lines[0], events["analytics"]
    assert first["exchange_id"] == answer.headers["x-sluice-exchange-id"]
    for ours, theirs in (("prompt_tokens",) * 2, ("response_tokens",) * 2, ("cost_nanos",) * 2):
        assert first[ours] == analytics[theirs] > 0
    assert (first["path"], first["status"], first["app_id"], first["llm"]) == ("/chat/completions", 200, 1, "demo")
    assert first["response_bytes"] == len(answer.content)
    assert first["total_micros"] >= first["first_byte_micros"] > 0
    assert not any(secret in text for secret in ("query-secret", "flow-token", "vendor-key", "\x1b", "\u2028"))
    assert flow.metrics.access_lines.value("written") == 3


async def test_nobody_is_told_where_both_are_off(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """No witness, no outlet: what is left is a comparison."""
    async with running(tmp_path, mock_vendor.url) as flow:
        assert flow.parts.outlets == ()
        await flow.post(headers={"traceparent": SAMPLED})
        assert (await flow.recorded())["proxy_log"]["trace_id"] == TRACE
    assert sent_upstream(mock_vendor, "traceparent") == SAMPLED


def test_a_fault_of_a_witness_fails_no_exchange() -> None:
    """It is said once, however many there are."""
    calls = []

    def breaks(_: object) -> None:
        calls.append(1)
        raise RuntimeError("a fault of ours")

    witness = Witness(write=breaks)
    for _ in range(3):
        witness.ended(an_exchange(outcome="ok"))
    assert len(calls) == 3
    traced = an_exchange(outcome="ok", trace=Trace(TRACE, PARENT))
    Witness(export=breaks).ended(traced)


@pytest.mark.parametrize(
    ("path", "route"),
    [("/llm/stream/demo/chat/completions", "/llm/stream/{slug}"), ("/ai/demo/v1/chat/completions", "/ai/{slug}/v1")],
)
async def test_streams_and_the_bridge_are_traced(
    mock_vendor: MockVendor, tmp_path: Path, receiver: OtlpReceiver, path: str, route: str
) -> None:
    """As any exchange: how it ended, what it cost, and a respond that lasts as long as the stream did."""
    async with running(tmp_path, mock_vendor.url, **tracing(receiver)) as flow:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        assert (await flow.post(path=path, body=body, script="chunks=5;pace_ms=10")).status_code == 200
        analytics = (await flow.recorded())["analytics"]
        spans = await receiver.got()
    assert_a_tree(spans)
    said = attributes_of(roots(spans)[0])
    assert (said["http.route"], said["sluice.is_stream"], said["gen_ai.operation.name"]) == (route, True, "chat")
    assert said["gen_ai.response.finish_reasons"] == ["stop"]
    assert said["sluice.cost.nanos"] == analytics["cost_nanos"] > 0
    [respond] = [span for span in spans if span.name == "respond"]
    assert respond.end_time_unix_nano - respond.start_time_unix_nano > 10_000_000
