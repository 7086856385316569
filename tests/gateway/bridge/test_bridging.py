"""What an exchange over the bridge knows beside the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from gateway.bridge.bridging import Bridging
from gateway.bridge.interface import Invalid, Operation, Unsupported
from gateway.bridge.legacy import Legacy
from gateway.exchange import Exchange
from gateway.snapshot import Llm
from gateway.upstreams.failover import Candidate
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import VENDORS, dialect_of
from tests.gateway.bridge.house import CLAUDE, QUESTION
from tests.gateway.test_exchange import a_snapshot, an_exchange

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PATH = "/v1/chat/completions"


class Bench:
    """An exchange and its bridge, and LLMs of several vendors."""

    def __init__(self, operation: Operation = "chat", **body: Any) -> None:
        llms = [
            {"id": at, "slug": slug, "vendor": vendor, "base_url": "http://x", "api_key": "k", "region": None}
            for at, (slug, vendor) in enumerate((("demo", "anthropic"), ("gpt", "openai"), ("ollama", "ollama")), 1)
        ]
        for llm in llms:
            llm.pop("region")
        apps = [{"id": 1, "name": "tests"}, {"id": 2, "name": "stranger"}]
        self.snapshot, _ = a_snapshot(llms=llms, apps=apps, plugins=[], prices=[])
        self.bridging = Bridging(operation, self.snapshot, 4096)
        sent = {"model": CLAUDE, "messages": QUESTION, **body}
        self.exchange: Exchange = an_exchange(
            path=PATH, body=json.dumps(sent).encode(), model=CLAUDE, is_stream=bool(sent.get("stream"))
        )
        self.exchange.bridge = self.bridging

    def llm(self, slug: str = "demo") -> Llm:
        """As the bridge sees it."""
        found = self.snapshot.llms_by_slug[slug].bridged
        assert found is not None
        return found


def test_a_request_is_translated_once() -> None:
    """Until its body, its model or who is asked changes."""
    bench = Bench()
    first = bench.bridging.ask(bench.exchange, bench.llm())
    assert bench.bridging.ask(bench.exchange, bench.llm()) is first
    assert bench.bridging.ask(bench.exchange, bench.llm(), "/other") is not first
    assert bench.bridging.ask(bench.exchange, bench.llm("ollama")).translated.path == "/api/chat"
    bench.exchange.body = bench.exchange.body.replace(b"How", b"Who")
    again = bench.bridging.ask(bench.exchange, bench.llm())
    assert b"Who" in again.translated.body
    assert b"How" in first.translated.body


def test_what_was_sent_is_not_kept() -> None:
    """A request may have megabytes, and its answer last for minutes."""
    bench = Bench()
    asking = bench.bridging.ask(bench.exchange, bench.llm())
    bench.bridging.sent(asking)
    assert (asking.body, asking.translated.body, asking.translated.path) == (b"", b"", "/v1/messages")
    assert bench.bridging.ask(bench.exchange, bench.llm()).translated.body, "who asks again gets it made again"


def test_what_was_wanted_is_told() -> None:
    """Ids, times, usage, the maximum that is held."""
    bench = Bench(stream=True, stream_options={"include_usage": True})
    wanted = bench.bridging.ask(bench.exchange, bench.llm()).wanted
    assert (wanted.completion_id, wanted.created) == (f"chatcmpl-{bench.exchange.exchange_id}", 1_700_000_000)
    assert (wanted.is_stream, wanted.wants_usage, wanted.max_tokens, wanted.vendor) == (True, True, 4096, "anthropic")
    for options in (None, {}, {"include_usage": False}, {"include_usage": None}):
        other = Bench(stream_options=options, stream=True)
        assert not other.bridging.ask(other.exchange, other.llm("gpt")).wanted.wants_usage


def test_what_passes_is_not_even_read() -> None:
    """A body of a vendor of OpenAI's dialect goes as it is."""
    bench = Bench()
    asking = bench.bridging.ask(bench.exchange, bench.llm("gpt"))
    assert asking.passes
    assert asking.translated.body is bench.exchange.body


def test_older_completions_are_made_chat_where_there_is_chat_alone() -> None:
    """And passed where the vendor has them; embeddings are refused where there are none."""
    bench = Bench("completions", prompt="hi", messages=None)
    assert isinstance(bench.bridging.ask(bench.exchange, bench.llm()).translator, Legacy)
    assert bench.bridging.ask(bench.exchange, bench.llm("gpt")).translated.path == "/v1/completions"
    bench = Bench("embeddings", input="hi", messages=None)
    with pytest.raises(Unsupported, match="anthropic has no embeddings"):
        bench.bridging.ask(bench.exchange, bench.llm())


def test_a_request_without_a_model_is_refused() -> None:
    """Every vendor needs one; so is a body that is no object."""
    bench = Bench()
    bench.exchange.model = None
    with pytest.raises(Invalid) as caught:
        bench.bridging.ask(bench.exchange, bench.llm("gpt"))
    assert caught.value.param == "model"
    for body in (b"", b"[1]", b"{", b"null"):
        other = Bench()
        other.exchange.body = body
        with pytest.raises(Invalid):
            other.bridging.ask(other.exchange, other.llm())


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "model", ["..", "../../x", "a/../b", "a?key=1", "a#b", "a b", "ü", "a\r\nx: y", "%2e%2e", "..\\x"]
)
def test_a_models_name_goes_nowhere_else(vendor: str, model: str) -> None:
    """Where it stands in the vendor's path it is a name, or refused; it never climbs, and adds no query or header."""
    bench = Bench()
    llm = replace(bench.llm(), spoken=dialect_of(vendor), vendor=vendor, base_path="")
    bench.exchange.model = model
    path, refusal = "/", Unsupported("model", "")
    try:
        path = bench.bridging.ask(bench.exchange, llm).translated.path
    except Unsupported as error:
        refusal = error
    assert (refusal.param, len(refusal.message) < 300) == ("model", True)
    assert path.isascii()
    assert not {*"?# \r\n"} & {*path}
    assert ".." not in unquote(path).replace("\\", "/").split("/")


def test_a_candidate_suits_that_can_be_asked_all_of_it() -> None:
    """With its own model; what it has not keeps it out."""
    bench = Bench(seed=7)
    claude, gpt = (Candidate(bench.llm(slug), "other", True, None) for slug in ("demo", "gpt"))
    assert not bench.bridging.suits(bench.exchange, claude)
    assert bench.bridging.suits(bench.exchange, gpt)


def test_input_is_counted_as_the_vendor_reads_it() -> None:
    """Anthropic writes instructions into a prompt that has tools; the largest of who may answer is held; and an image
    by URL has a bound at Anthropic's alone."""
    plain, tools = Bench(), Bench(tools=[TOOL])
    counts = [bench.bridging.largest_input(bench.exchange, bench.llm()).tokens for bench in (plain, tools)]
    assert counts[1] > counts[0] + 1000
    gpt = tools.bridging.largest_input(tools.exchange, tools.llm("gpt")).tokens
    tools.exchange.failover = (Candidate(tools.llm("demo"), CLAUDE, False, None),)
    assert gpt < tools.bridging.largest_input(tools.exchange, tools.llm("gpt")).tokens == counts[1]
    image = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    bench = Bench(messages=[{"role": "user", "content": image}])
    assert bench.bridging.largest_input(bench.exchange, bench.llm()).is_bounded
    bench.exchange.failover = (Candidate(bench.llm("gpt"), "gpt-4o", False, None),)
    assert not bench.bridging.largest_input(bench.exchange, bench.llm()).is_bounded


def test_the_vendors_count_is_what_counts() -> None:
    """Of a stream its scanner's, of a whole answer what was read of it; where bytes pass, what the flow reads."""
    bench = Bench()
    clients, vendors = Answer(model="client's"), Answer(model="vendor's")
    assert bench.bridging.counted(clients) is clients
    bench.bridging.answer = vendors
    assert bench.bridging.counted(clients) is vendors
    scanner = dialect_of("anthropic").scanner("/v1/messages", b"text/event-stream", hide_usage=False)
    bench.bridging.scanner = scanner
    assert scanner is not None
    assert bench.bridging.counted(clients) is scanner.answer
