"""Ollama and Hugging Face, which have formats and no SDK that everybody has, by httpx through the gateway: every figure
of every event against the vendor's log, bytes as they came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.formats import format_of
from sluice.dev.vendor.script import Script, parse_script
from tests.gateway.flow import STRANGER, TOKEN
from tests.integration.vendor_bench import POOR, SLOW, Bench, Expected, check, open_bench, script

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Native(NamedTuple):
    """One way of asking."""

    vendor: str
    path: str
    body: dict[str, Any]
    kind: str
    """In the format's own words."""
    choices: int = 1
    variant: str = ""
    changes: dict[str, Any] = {}  # noqa: RUF012 - never changed


OLLAMA, LLAMA = "ollama", "mock-llama"
TGI, TEXT = "huggingface", "mock-huggingface"
DETAILS = {"details": True, "max_new_tokens": 20}
CHAT = {"model": LLAMA, "messages": [{"role": "user", "content": "hello"}]}
PLAIN: list[Native] = [
    Native(OLLAMA, "/api/chat", {**CHAT, "stream": False}, "chat"),
    Native(OLLAMA, "/api/generate", {"model": LLAMA, "prompt": "hello", "stream": False}, "generate"),
    Native(OLLAMA, "/api/embed", {"model": LLAMA, "input": ["a", "b"]}, "embed", 0,
           changes={"response_tokens": None}),
    Native(TGI, "/generate", {"inputs": "hello", "parameters": DETAILS}, "generate", variant="object"),
    Native(TGI, "/models/mock/text", {"inputs": "hello", "parameters": DETAILS}, "generate", variant="list"),
]  # fmt: skip
STREAMS: list[Native] = [
    Native(OLLAMA, "/api/chat", CHAT, "chat"),
    Native(OLLAMA, "/api/generate", {"model": LLAMA, "prompt": "hello", "stream": True}, "generate"),
    Native(TGI, "/generate_stream", {"inputs": "hello", "parameters": DETAILS}, "generate"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="shared")
async def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A gateway before a scripted vendor."""
    async with open_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(name="bench")
def bench_of_a_test(shared: Bench) -> Bench:
    """The same, with nothing recorded."""
    return shared.begin()


async def ask(bench: Bench, native: Native, text: str, token: str = TOKEN, slug: str = "") -> httpx.Response:
    """One request, read to its end."""
    path = f"/llm/call/{slug or native.vendor}{native.path}"
    headers = {**script(text), "authorization": f"Bearer {token}"}
    return await bench.flow.client.post(path, json=native.body, headers=headers)


def as_served(native: Native, text: str, *, is_stream: bool) -> bytes:
    """The vendor's own bytes."""
    model = native.body.get("model", "mock/text" if "models" in native.path else "")
    asked = Asked(
        native.kind, model, is_stream, True, 2 if native.kind == "embed" else 1, native.vendor, native.variant
    )
    speaks, told = format_of(asked), parse_script(text, Script())
    return b"".join(speaks.stream_pieces(asked, told)) if is_stream else speaks.whole_body(asked, told)


@pytest.mark.parametrize("native", PLAIN, ids=lambda native: native.vendor + native.path.replace("/", "-"))
@pytest.mark.parametrize(
    "text", ["prompt_tokens=33;response_tokens=12", "prompt_tokens=3;response_tokens=0;reasoning=1", "tool_calls=2"]
)
async def test_plain_answers(bench: Bench, native: Native, text: str) -> None:
    """The client gets the vendor's bytes; the events have its counts."""
    answer = await ask(bench, native, text)
    assert answer.content == as_served(native, text, is_stream=False)
    calls = 2 if "tool_calls" in text and native.kind == "chat" else 0
    changes = {"tool_calls": calls, **native.changes}
    check(bench, await bench.events(), Expected(native.vendor, native.path, native.choices, changes=changes))


@pytest.mark.parametrize("native", STREAMS, ids=lambda native: native.vendor + native.path.replace("/", "-"))
@pytest.mark.parametrize("text", ["prompt_tokens=33;response_tokens=12", "drip=3", "chunks=300", "tool_calls=2"])
async def test_streams(bench: Bench, native: Native, text: str) -> None:
    """Line by line or event by event, cut wherever: the same bytes, the same counts."""
    answer = await ask(bench, native, text)
    assert answer.content == as_served(native, text, is_stream=True)
    calls = 2 if "tool_calls" in text and native.kind == "chat" else 0
    expected = Expected(native.vendor, native.path, native.choices, changes={"tool_calls": calls})
    check(bench, await bench.events(), expected)


@pytest.mark.parametrize("native", [*PLAIN[:1], *STREAMS], ids=lambda native: native.vendor + native.path)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_errors_of_the_vendor(bench: Bench, native: Native, status: int) -> None:
    """They pass as they came, ``retry-after`` too; they cost nothing, exactly."""
    answer = await ask(bench, native, f"status={status};retry_after=7")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert answer.json()["error"] == f"the script asked for status {status}"
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["cost_nanos"], analytics["cost_status"]) == ("upstream_error", 0, "exact")


@pytest.mark.parametrize("native", [PLAIN[0], STREAMS[0], PLAIN[3], STREAMS[2]], ids=lambda native: native.path)
@pytest.mark.parametrize(
    ("token", "is_narrow", "status", "outcome"),
    [
        ("wrong", False, 401, "auth_failed"),
        (STRANGER, False, 403, "access_denied"),
        (TOKEN, True, 403, "model_denied"),
        (POOR, False, 403, "budget_exceeded"),
    ],
)
async def test_errors_of_the_gateway(
    bench: Bench, native: Native, token: str, is_narrow: bool, status: int, outcome: str
) -> None:
    """``error`` is text, as these vendors' clients expect it; the vendor is not asked."""
    slug = f"narrow-{native.vendor}" if is_narrow else native.vendor
    answer = await ask(bench, native, "", token, slug)
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)
    events = await bench.events()
    assert {event["outcome"] for event in events.values()} == {outcome}
    assert not bench.vendor.served


async def test_a_rate_limit_of_the_gateway(bench: Bench) -> None:
    """429 with the seconds until there is room."""
    await ask(bench, PLAIN[0], "", SLOW)
    answer = await ask(bench, PLAIN[0], "", SLOW)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 120


@pytest.mark.parametrize("native", STREAMS, ids=lambda native: native.vendor + native.path)
async def test_a_stream_that_its_client_leaves(bench: Bench, native: Native) -> None:
    """What is left of it is read for its usage, within a bound; so the bill is exact, or an estimate."""
    for text, status in (("chunks=20;pace_ms=5", "exact"), ("endless=1;pace_ms=5", "estimated")):
        bench.begin()
        async with bench.flow.client.stream(
            "POST", f"/llm/call/{native.vendor}{native.path}", json=native.body, headers=script(text)
        ) as answer:
            await anext(answer.aiter_raw())
        analytics = (await bench.events())["analytics"]
        assert (analytics["outcome"], analytics["partial"], analytics["cost_status"]) == ("client_closed", True, status)


@pytest.mark.parametrize("native", STREAMS, ids=lambda native: native.vendor + native.path)
async def test_a_stream_that_the_vendor_breaks_off(bench: Bench, native: Native) -> None:
    """With its own error, which passes and is the last there is, or without a word: an estimate, which says why."""
    answer = await ask(bench, native, "fail_after=2")
    assert b"the script ends this stream" in answer.content
    analytics = (await bench.events())["analytics"]
    assert (analytics["cost_status"], analytics["labels"]) == ("estimated", ["usage:vendor_error"])
    assert analytics["response_tokens"] >= 2
    with pytest.raises(httpx.HTTPError):
        await ask(bench, native, "cut_after=2;pace_ms=5")
    analytics = (await bench.events(2))["analytics"]
    assert (analytics["cost_status"], analytics["labels"]) == ("estimated", ["usage:truncated"])


@pytest.mark.parametrize("vendor", [OLLAMA, TGI])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_they_serve_of_openais_format(bench: Bench, vendor: str, stream: bool) -> None:
    """By the real ``openai`` SDK: their LLM is asked in OpenAI's format, and counted so."""
    async with AsyncOpenAI(base_url=bench.url(vendor) + "/v1", api_key=TOKEN, max_retries=0) as client:
        answer: Any = await client.chat.completions.create(
            model="mock-any", messages=[{"role": "user", "content": "hello"}], stream=stream,
            extra_headers=script("prompt_tokens=33;response_tokens=12;cached=8"),
        )  # fmt: skip
        if stream:
            assert [piece async for piece in answer]
    check(bench, await bench.events(), Expected(vendor, "/v1/chat/completions", asks=not stream))
