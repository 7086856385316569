"""Vendors that break off, lie, explode and never end, through a whole gateway, in every dialect: each exchange ends in
time and within bounds, is recorded as an estimate with its reason, and the client has the bytes as they came."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sluice.dev.vendor.plan import plan_of
from sluice.dev.vendor.script import Script, parse_script
from tests.gateway.upstreams.vendors.recorded import FORMATS_APART, Way, recorded, whole
from tests.integration.vendor_bench import MAX_RESPONSE_BYTES, PRICES, Bench, open_bench, script

IDLE_SECONDS, TOTAL_SECONDS = 1.0, 2.0
"""Of the gateway that does not wait."""
PLAIN = tuple(way for way in FORMATS_APART if way.path != "/v1/completions" and "alt" not in way.query)
REASONS = {
    "negative": {"negative_tokens"},
    "huge": {"absurd_tokens", "wrong_type"},
    "text": {"wrong_type"},
    "list": {"wrong_type"},
    "object": {"wrong_type"},
    "float": {"wrong_type"},
    "null": {"missing", "prompt_missing", "wrong_type"},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="shared")
async def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A gateway that reads little of an answer."""
    gateway = {"drain_timeout_seconds": 0.3, "max_response_bytes": 1 << 20}
    async with open_bench(tmp_path_factory.mktemp("bench"), gateway=gateway) as made:
        yield made


@pytest.fixture(name="bench")
def bench_of_a_test(shared: Bench) -> Bench:
    """The same, with nothing recorded."""
    return shared.begin()


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="impatient")
async def impatient_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A gateway that does not wait for silent and slow vendors."""
    upstream = {"idle_timeout_seconds": IDLE_SECONDS, "total_timeout_seconds": TOTAL_SECONDS}
    async with open_bench(tmp_path_factory.mktemp("impatient"), gateway={"upstream": upstream}) as made:
        yield made


def ways(values: tuple[Way, ...]) -> pytest.MarkDecorator:
    """A parameter for each."""
    return pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in values])


async def ask(bench: Bench, way: Way, text: str, *, is_stream: bool = True, slug: str = "") -> tuple[int, bytes, bool]:
    """Status, the bytes that came, and whether they came to an end."""
    path = f"/llm/call/{slug or way.vendor.replace('_', '-')}{way.path if is_stream else way.plain_path}"
    body = way.body if is_stream else way.plain_body
    if is_stream and way.query:
        path += f"?{way.query}"
    received = bytearray()
    async with asyncio.timeout(60):
        async with bench.flow.client.stream("POST", path, json=body, headers=script(text)) as answer:
            try:
                async for chunk in answer.aiter_raw():
                    received += chunk
            except httpx.HTTPError:
                return answer.status_code, bytes(received), False
    return answer.status_code, bytes(received), True


async def estimate(bench: Bench, reasons: set[str], *, outcome: str = "ok", count: int = 1) -> dict[str, Any]:
    """The analytics event, which must say that its cost is an estimate and why, and charge it."""
    events = await bench.events(count)
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["cost_status"]) == (outcome, "estimated"), analytics
    assert analytics["labels"], analytics
    assert {label.removeprefix("usage:") for label in analytics["labels"]} <= reasons, analytics["labels"]
    prompt, response = analytics["prompt_tokens"] or 0, analytics["response_tokens"] or 0
    assert 0 <= prompt < 1 << 40
    assert 0 <= response < 1 << 40
    assert 0 < analytics["cost_nanos"] <= prompt * PRICES["cache_write_1h"] + response * PRICES["response"]
    assert events["budget"]["cost_nanos"] == analytics["cost_nanos"]
    return analytics


@ways(FORMATS_APART)
@pytest.mark.parametrize("figures", REASONS)
async def test_streams_that_lie_of_their_usage(bench: Bench, way: Way, figures: str) -> None:
    """Negative, absurd and mistyped counts are no usage; the bytes pass."""
    text = f"chunks=2;figures={figures}"
    status, received, is_whole = await ask(bench, way, text)
    assert (status, is_whole, received) == (200, True, recorded(way, text))
    await estimate(bench, REASONS[figures])


@ways(PLAIN)
@pytest.mark.parametrize("figures", REASONS)
async def test_answers_that_lie_of_their_usage(bench: Bench, way: Way, figures: str) -> None:
    """The same of whole answers; a count in a header that is no number is of the wrong type, whatever it is."""
    text = f"chunks=2;figures={figures}"
    status, received, is_whole = await ask(bench, way, text, is_stream=False)
    assert (status, is_whole) == (200, True)
    assert received == whole(way, text)
    in_headers = {"wrong_type"} if way.vendor == "bedrock" else set()
    await estimate(bench, REASONS[figures] | in_headers)


@ways(FORMATS_APART)
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_streams_that_break_off(bench: Bench, way: Way, how: str) -> None:
    """What came is passed on, that it is not whole is seen, and it is charged for what was made."""
    text = "chunks=6;prompt_tokens=50;response_tokens=60;pace_ms=2"
    status, received, is_whole = await ask(bench, way, f"{text};cut_after=3;cut={how}")
    assert (status, is_whole) == (200, False)
    assert recorded(way, text).startswith(received)
    assert received
    await estimate(bench, {"truncated"}, outcome="upstream_error")


@ways(FORMATS_APART)
async def test_streams_that_the_vendor_fails(bench: Bench, way: Way) -> None:
    """An error of the vendor's own in mid-stream passes as it came and ends the stream."""
    text = "chunks=6;fail_after=3"
    status, received, is_whole = await ask(bench, way, text)
    assert (status, is_whole, received) == (200, True, recorded(way, text))
    await estimate(bench, {"vendor_error", "truncated"})


@ways(FORMATS_APART)
async def test_garbage_in_a_stream(bench: Bench, way: Way) -> None:
    """Frames that nobody can read pass; what is counted behind them is counted."""
    text = "chunks=6;garbage=body;prompt_tokens=50;response_tokens=60"
    status, received, is_whole = await ask(bench, way, text)
    assert (status, is_whole, received) == (200, True, recorded(way, text))
    analytics = (await bench.events())["analytics"]
    assert (analytics["outcome"], analytics["prompt_tokens"], analytics["response_tokens"]) == ("ok", 50, 60)


@ways(PLAIN)
async def test_garbage_as_an_answer(bench: Bench, way: Way) -> None:
    """A body that is not what its type says passes, and is an estimate."""
    status, received, is_whole = await ask(bench, way, "garbage=body", is_stream=False)
    assert (status, is_whole) == (200, True)
    assert b"\xff\xfe" in received
    await estimate(bench, {"missing", "no_details", "wrong_type"})


@ways(PLAIN)
@pytest.mark.parametrize("length", ["short", "long", "conflict"])
async def test_wrong_lengths(bench: Bench, way: Way, length: str) -> None:
    """A body that is shorter than it says is broken off; of one that is longer only what it says is passed; two lengths
    are no answer at all."""
    status, received, is_whole = await ask(bench, way, f"length={length}", is_stream=False)
    events = await bench.events()
    outcome = events["analytics"]["outcome"]
    expected = {
        "short": (200, True, "ok"),
        "long": (200, False, "upstream_error"),
        "conflict": (502, True, "upstream_error"),
    }
    assert (status, is_whole, outcome) == expected[length]
    assert events["analytics"]["cost_status"] == "estimated", "what was made may be billed, and nobody could read it"
    assert received


@ways(FORMATS_APART)
async def test_a_stream_that_never_ends_is_cut_at_the_bound_of_bytes(bench: Bench, way: Way) -> None:
    """As fast as it can, for ever: it ends at ``max_response_bytes``, its connection is given up, and it is charged."""
    slug = f"bounded-{way.vendor.replace('_', '-')}"
    status, received, is_whole = await ask(bench, way, "endless=1;chunks=50", slug=slug)
    assert (status, is_whole) == (200, False)
    assert len(received) <= MAX_RESPONSE_BYTES
    analytics = await estimate(bench, {"truncated", "missing"}, outcome="upstream_error")
    assert analytics["partial"]
    proxy_log = bench.flow.log.exchanges[-1]["proxy_log"]
    assert proxy_log["error_kind"] == "response_too_large"


@pytest.mark.parametrize("way", [FORMATS_APART[0], FORMATS_APART[3], FORMATS_APART[6]], ids=lambda way: way.vendor)
async def test_a_stream_that_never_ends_is_cut_in_time(impatient: Bench, way: Way) -> None:
    """Slowly, for ever: it ends at ``total_timeout_seconds``."""
    bench = impatient.begin()
    status, received, is_whole = await ask(bench, way, "endless=1;pace_ms=20;chunks=50")
    assert (status, is_whole) == (200, False)
    assert received
    await estimate(bench, {"truncated"}, outcome="upstream_timeout")


@pytest.mark.parametrize("way", [FORMATS_APART[0], FORMATS_APART[3], FORMATS_APART[6]], ids=lambda way: way.vendor)
@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_vendor_that_falls_silent(impatient: Bench, way: Way, is_stream: bool) -> None:
    """In the middle of an answer: it ends at ``idle_timeout_seconds``, and is charged."""
    bench = impatient.begin()
    _, _, is_whole = await ask(bench, way, "hang=body;chunks=6", is_stream=is_stream)
    assert not is_whole
    events = await bench.events()
    assert (events["analytics"]["outcome"], events["analytics"]["cost_status"]) == ("upstream_timeout", "estimated")


@ways(PLAIN)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
async def test_bombs(bench: Bench, way: Way, coding: str) -> None:
    """A few kilobytes that stand for 64 MiB pass as they came; they are expanded no further than the bound, which costs
    no memory, and are an estimate."""
    text = f"coding={coding};bomb_mib=64"
    before = _peak_kilobytes()
    status, received, is_whole = await ask(bench, way, text, is_stream=False)
    assert (status, is_whole) == (200, True)
    assert len(received) < 1 << 20
    await estimate(bench, {"expanded_too_large", "coding_broken"})
    assert _peak_kilobytes() - before < 48 << 10


@pytest.mark.parametrize("way", [FORMATS_APART[0], FORMATS_APART[3], FORMATS_APART[7]], ids=lambda way: way.vendor)
async def test_bombs_in_streams(bench: Bench, way: Way) -> None:
    """The same of a compressed stream."""
    text = "coding=gzip;bomb_mib=64;chunks=3"
    before = _peak_kilobytes()
    status, received, is_whole = await ask(bench, way, text)
    assert (status, is_whole) == (200, True)
    assert received == b"".join(_payloads(way, text))
    await estimate(bench, {"expanded_too_large", "coding_broken", "broken_frame"})
    assert _peak_kilobytes() - before < 48 << 10


@pytest.mark.parametrize("way", [FORMATS_APART[0], FORMATS_APART[3], FORMATS_APART[7]], ids=lambda way: way.vendor)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
async def test_compressed_streams_are_counted(bench: Bench, way: Way, coding: str) -> None:
    """They pass as they came and are exact all the same."""
    text = f"coding={coding};chunks=3;prompt_tokens=50;response_tokens=60"
    status, received, is_whole = await ask(bench, way, text)
    assert (status, is_whole, received) == (200, True, b"".join(_payloads(way, text)))
    analytics = (await bench.events())["analytics"]
    assert (analytics["prompt_tokens"], analytics["response_tokens"], analytics["cost_status"]) == (50, 60, "exact")


def _peak_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _payloads(way: Way, text: str) -> list[bytes]:
    chunks = plan_of(way.asked(), parse_script(text, Script())).pieces
    return [rest[: int(size, 16)] for size, _, rest in (chunk.partition(b"\r\n") for chunk in chunks)]
