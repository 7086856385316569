"""OpenAI's own SDK against Google, Vertex, Bedrock, Ollama and Hugging Face through the bridge: one client code for
all, and what is recorded is each vendor's own count."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio

from sluice.dev.vendor import MockVendor
from tests.gateway.bridge.house import QUESTION, asked_of, sdk
from tests.gateway.flow import TOKEN, Flow, running

MODELS = {
    "google": "gemini-2.5-flash",
    "vertex": "gemini-2.5-pro",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "ollama": "qwen3:8b",
    "huggingface": "meta-llama/Llama-3.1-8B-Instruct",
}
EMBEDDERS = {
    "google": "gemini-embedding-001",
    "vertex": "text-embedding-005",
    "bedrock": "amazon.titan-embed-text-v2:0",
    "ollama": "all-minilm",
    "huggingface": "BAAI/bge-m3",
}
PATHS = {
    "google": f"/v1beta/models/{MODELS['google']}:generateContent",
    "vertex": f"/v1/projects/p/locations/eu/publishers/google/models/{MODELS['vertex']}:generateContent",
    "bedrock": "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
    "ollama": "/api/chat",
    "huggingface": "/v1/chat/completions",
}
NATIVE = ("google", "vertex", "bedrock", "ollama")
TEXT = "The mock vendor answers"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
ALL = pytest.mark.parametrize("slug", [*MODELS])
PRICE = {"prompt": "3", "response": "15", "cache_read": "0.3"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def served(folder: Path, vendor: MockVendor) -> AsyncIterator[Flow]:
    """One LLM of each vendor, all at the scripted one; ``lost`` is not there, and Google takes over."""
    bases = {"google": "", "vertex": "/v1/projects/p/locations/eu", "huggingface": "/v1"}
    kinds = {"google": "google_ai"}
    llms: list[dict[str, Any]] = [
        {"id": at, "slug": slug, "vendor": kinds.get(slug, slug), "base_url": vendor.origin + bases.get(slug, ""),
         "api_key": "vendorkey", "default_model": MODELS[slug],
         "allowed_models": [MODELS[slug], EMBEDDERS[slug]]}
        for at, slug in enumerate(MODELS, 1)
    ]  # fmt: skip
    llms.append({
        "id": 9, "slug": "lost", "vendor": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": "k",
        "failover": ["google"],
    })  # fmt: skip
    llms.append({
        "id": 10, "slug": "signed", "vendor": "bedrock", "base_url": vendor.origin, "api_key": "AKID:secret@eu-west-1",
    })  # fmt: skip
    apps = [
        {"id": 1, "name": "tests", "user_id": 7, "llms": [llm["slug"] for llm in llms]},
        {"id": 2, "name": "stranger"},
    ]
    prices = [
        {"id": f"{slug}-{model}", "vendor": kinds.get(slug, slug), "model": model, **PRICE}
        for slug in MODELS
        for model in (MODELS[slug], EMBEDDERS[slug])
    ]
    async with running(folder, vendor.origin, llms=llms, apps=apps, prices=prices, plugins=[]) as flow:
        yield flow


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="vendor")
async def shared_vendor() -> AsyncIterator[MockVendor]:
    """One for all tests."""
    vendor = MockVendor()
    await vendor.start()
    yield vendor
    await vendor.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="shared")
async def shared_flow(vendor: MockVendor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Flow]:
    """One gateway for all tests."""
    async with served(tmp_path_factory.mktemp("flow"), vendor) as flow:
        yield flow


@pytest.fixture(name="flow")
def flow_of_a_test(shared: Flow, vendor: MockVendor) -> Flow:
    """The same, with nothing recorded."""
    shared.log.exchanges.clear()
    vendor.requests.clear()
    vendor.served.clear()
    return shared


def script(**members: object) -> dict[str, str]:
    """What the vendor is to do."""
    return {"x-mock": ";".join(f"{name}={value}" for name, value in members.items())}


@ALL
async def test_a_whole_answer(slug: str, flow: Flow, vendor: MockVendor) -> None:
    """The vendor is asked in its own words at its own place; the client gets OpenAI's, the event the vendor's count."""
    async with sdk(flow, slug) as client:
        answer = await client.chat.completions.create(
            model=MODELS[slug], messages=QUESTION, extra_headers=script(prompt_tokens=120, response_tokens=34)
        )
    events = await flow.recorded()
    assert vendor.served[-1].path.partition("?")[0] == PATHS[slug]
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (TEXT, "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (120, 34, 154)
    row = events["analytics"]
    assert (row["prompt_tokens"], row["response_tokens"], row["cost_status"]) == (120, 34, "exact")
    assert row["cost_nanos"] == 120 * 3_000 + 34 * 15_000
    assert row["model_name"] == MODELS[slug]
    told, recorded = json.loads(vendor.served[-1].raw_usage), json.loads(row["raw_usage"])
    assert recorded.items() <= told.items()


@ALL
@pytest.mark.parametrize("drip", [0, 1, 7])
async def test_a_stream(slug: str, drip: int, flow: Flow) -> None:
    """Pieces with the role first and one id, however the vendor's bytes are cut; usage, and the end."""
    async with sdk(flow, slug) as client:
        stream = await client.chat.completions.create(
            model=MODELS[slug],
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=script(prompt_tokens=120, response_tokens=34, drip=drip),
        )
        chunks = [chunk async for chunk in stream]
    events = await flow.recorded()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (120, 34)
    row = events["analytics"]
    assert (row["prompt_tokens"], row["response_tokens"], row["is_stream"], row["outcome"]) == (120, 34, True, "ok")
    assert row["cost_status"] == "exact"


@ALL
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tools(slug: str, is_stream: bool, flow: Flow, vendor: MockVendor) -> None:
    """Calls have ids, names and arguments that are JSON; results find their calls at the vendor."""
    ask: dict[str, Any] = {"model": MODELS[slug], "messages": QUESTION, "tools": TOOLS}
    async with sdk(flow, slug) as client:
        if is_stream:
            async with client.chat.completions.stream(**ask, extra_headers=script(tool_calls=2)) as stream:
                answer: Any = await stream.get_final_completion()
        else:
            answer = await client.chat.completions.create(**ask, extra_headers=script(tool_calls=2))
        events = await flow.recorded()
        calls = answer.choices[0].message.tool_calls or []
        message = answer.choices[0].message.model_dump(exclude_none=True, exclude={"parsed"})
        for call in message["tool_calls"]:
            call["function"].pop("parsed_arguments", None)
        results = [{"role": "tool", "tool_call_id": call.id, "content": f'{{"at": "{call.id}"}}'} for call in calls]
        await client.chat.completions.create(**ask | {"messages": [*QUESTION, message, *results]})
    assert answer.choices[0].finish_reason == "tool_calls"
    assert len({call.id for call in calls}) == len(calls) == 2
    assert all(isinstance(json.loads(call.function.arguments), dict) for call in calls)
    assert events["analytics"]["tool_calls"] == 2
    sent = json.dumps(asked_of(vendor))
    assert all(sent.count(call.id) for call in calls)
    assert all(call.function.name in sent for call in calls)


@pytest.mark.parametrize("slug", NATIVE)
async def test_reasoning_is_shown(slug: str, flow: Flow) -> None:
    """As ``reasoning_content``, which comes back without harm."""
    effort: Any = "low"
    async with sdk(flow, slug) as client:
        ask: dict[str, Any] = {"model": MODELS[slug], "reasoning_effort": effort, "extra_headers": script(reasoning=5)}
        answer = await client.chat.completions.create(messages=QUESTION, **ask)
        message: Any = answer.choices[0].message.model_dump(exclude_none=True)
        again = await client.chat.completions.create(messages=[*QUESTION, message, *QUESTION], **ask)
        stream = await client.chat.completions.create(messages=QUESTION, stream=True, **ask)
        pieces = [getattr(chunk.choices[0].delta, "reasoning_content", None) or "" async for chunk in stream]
    assert message["reasoning_content"]
    assert again.choices[0].message.content == TEXT
    assert "".join(pieces)


@ALL
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_a_vendor_s_refusal_raises_the_right_class(
    slug: str, status: int, kind: type[openai.APIStatusError], flow: Flow
) -> None:
    """With the vendor's message and ``retry-after``; it costs nothing."""
    async with sdk(flow, slug) as client:
        with pytest.raises(kind) as caught:
            await client.chat.completions.create(
                model=MODELS[slug], messages=QUESTION, extra_headers=script(status=status, retry_after=3)
            )
    events = await flow.recorded()
    assert caught.value.status_code == status
    assert f"status {status}" in caught.value.message
    assert caught.value.response.headers["retry-after"] == "3"
    assert (events["analytics"]["outcome"], events["analytics"]["cost_nanos"]) == ("upstream_error", 0)


@ALL
async def test_a_vendor_s_error_inside_a_stream_raises(slug: str, flow: Flow) -> None:
    """What came before it is there; nothing says that the answer is complete."""
    seen: list[str] = []
    async with sdk(flow, slug) as client:
        stream = await client.chat.completions.create(
            model=MODELS[slug], messages=QUESTION, stream=True, extra_headers=script(fail_after=2)
        )
        with pytest.raises(openai.APIError):  # noqa: PT012 - the loop raises
            async for chunk in stream:
                seen += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    events = await flow.recorded()
    assert "".join(seen) == "The mock"
    assert b"[DONE]" not in events["proxy_log"]["response_body"]


@ALL
@pytest.mark.parametrize("fault", [{"cut_after": 2}, {"cut_after": 2, "cut": "close"}, {"garbage": "body"}])
async def test_a_stream_that_breaks_raises(slug: str, fault: dict[str, Any], flow: Flow) -> None:
    """Cut off, or garbage: no client takes half an answer for a whole one."""
    reasons: list[str | None] = []
    async with sdk(flow, slug) as client:
        stream = await client.chat.completions.create(
            model=MODELS[slug], messages=QUESTION, stream=True, extra_headers=script(**fault)
        )
        with pytest.raises(openai.APIError):  # noqa: PT012 - the loop raises
            async for chunk in stream:
                reasons += [choice.finish_reason for choice in chunk.choices]
    events = await flow.recorded()
    assert set(reasons) <= {None}
    assert b"[DONE]" not in events["proxy_log"]["response_body"]


@ALL
@pytest.mark.parametrize("coding", ["float", "base64"])
async def test_embeddings(slug: str, coding: Any, flow: Flow) -> None:
    """Vectors, and the vendor's count where it counts."""
    async with sdk(flow, slug) as client:
        raw = await client.embeddings.with_raw_response.create(
            model=EMBEDDERS[slug], input="Hi", encoding_format=coding, extra_headers=script(prompt_tokens=9)
        )
        found = await client.embeddings.create(model=EMBEDDERS[slug], input="Hi")
        events = await flow.recorded(2)
    shown = json.loads(raw.content)["data"][0]["embedding"]
    assert isinstance(shown, str if coding == "base64" else list)
    assert found.data[0].embedding
    assert all(isinstance(number, float) for number in found.data[0].embedding)
    assert (events["analytics"]["prompt_tokens"], events["analytics"]["cost_nanos"]) == (11, 33_000)


async def test_several_choices_are_candidates(flow: Flow, vendor: MockVendor) -> None:
    """Google alone has them: whole and streamed, each with its own end."""
    async with sdk(flow, "google") as client:
        whole = await client.chat.completions.create(model=MODELS["google"], messages=QUESTION, n=2)
        stream = await client.chat.completions.create(model=MODELS["google"], messages=QUESTION, n=2, stream=True)
        ends = [(c.index, c.finish_reason) async for chunk in stream for c in chunk.choices if c.finish_reason]
    assert [(choice.index, choice.message.content) for choice in whole.choices] == [(0, TEXT), (1, TEXT)]
    assert ends == [(0, "stop"), (1, "stop")]
    assert asked_of(vendor)["generationConfig"] == {"candidateCount": 2}


async def test_bedrock_s_requests_are_signed_as_they_go_out(flow: Flow, vendor: MockVendor) -> None:
    """The signature is of the translated body at the translated path."""
    async with sdk(flow, "signed") as client:
        answer = await client.chat.completions.create(model=MODELS["bedrock"], messages=QUESTION)
        stream = await client.chat.completions.create(model=MODELS["bedrock"], messages=QUESTION, stream=True)
        pieces = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
    assert (answer.choices[0].message.content, "".join(pieces)) == (TEXT, TEXT)
    assert [served.signed for served in vendor.served] == ["sigv4", "sigv4"]


async def test_structured_output(flow: Flow, vendor: MockVendor) -> None:
    """The schema reaches each vendor that has a place for one."""
    wish: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    for slug, model in MODELS.items():
        async with sdk(flow, slug) as client:
            await client.chat.completions.create(model=model, messages=QUESTION, response_format=wish)
        assert "city" in json.dumps(asked_of(vendor)), slug


async def test_older_completions_are_made_of_chat(flow: Flow) -> None:
    """Whole and streamed, with every vendor."""
    for slug in NATIVE:
        async with sdk(flow, slug) as client:
            whole = await client.completions.create(model=MODELS[slug], prompt="Hi", max_tokens=5)
            stream = await client.completions.create(model=MODELS[slug], prompt="Hi", max_tokens=5, stream=True)
            pieces = [chunk.choices[0].text async for chunk in stream if chunk.choices]
        assert whole.choices[0].text == "".join(pieces) == TEXT, slug


async def test_what_a_vendor_lacks_is_refused_before_it_is_asked(flow: Flow, vendor: MockVendor) -> None:
    """By the member's path, with what to do."""
    for slug, model in MODELS.items():
        async with sdk(flow, slug) as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model=model, messages=QUESTION, logit_bias={"5": 1})
        assert caught.value.param == "logit_bias", slug
        assert caught.value.code == "unsupported_parameter"
    assert not vendor.requests


async def test_another_vendor_takes_over(flow: Flow, vendor: MockVendor) -> None:
    """Whose words are other words: the bridge translates for who answers."""
    async with sdk(flow, "lost") as client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert answer.choices[0].message.content == TEXT
    assert vendor.served[-1].path.partition("?")[0] == PATHS["google"]


async def test_the_blocking_client(flow: Flow) -> None:
    """In a thread of its own."""

    def ask(slug: str) -> tuple[str | None, str]:
        with openai.OpenAI(api_key=TOKEN, base_url=f"{flow.url}/ai/{slug}/v1", max_retries=0) as client:
            whole = client.chat.completions.create(model=MODELS[slug], messages=QUESTION)
            stream = client.chat.completions.create(model=MODELS[slug], messages=QUESTION, stream=True)
            pieces = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
        return whole.choices[0].message.content, "".join(pieces)

    for slug in MODELS:
        assert await asyncio.to_thread(ask, slug) == (TEXT, TEXT)
