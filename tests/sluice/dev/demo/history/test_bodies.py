"""Bodies and usage of the demo's past."""

from __future__ import annotations

import orjson

from sluice.dev.demo.history.bodies import REFUSALS, chunk_count, raw_usage, request_body, response_body
from sluice.dev.demo.history.happening import Happened
from tests.sluice.dev.demo.history.samples import VENDORS, happened


def test_the_request_asks_what_the_exchange_says() -> None:
    """The model, the prompt, and whether to stream: OpenAI's dialect."""
    each = happened()
    asked = orjson.loads(request_body(each))
    assert (asked["model"], asked["stream"]) == (each.model.name, each.is_stream)
    assert asked["messages"] == [{"role": "user", "content": each.prompt}]


def test_a_stream_is_whole_unless_its_client_left() -> None:
    """With its end, in as many pieces as are counted; a client that left has the first."""
    whole, cut = response_body(happened(is_stream=True)), response_body(happened("client_closed", is_stream=True))
    assert whole.endswith(b"data: [DONE]\n\n")
    assert chunk_count(happened(is_stream=True)) == whole.count(b"data: ") == 3
    assert whole.startswith(cut)
    assert cut.count(b"data: ") == chunk_count(happened("client_closed", is_stream=True)) == 1


def test_a_refusal_says_why() -> None:
    """In the client's body, under the outcome's code, as in the event."""
    for outcome, refusal in REFUSALS.items():
        error = orjson.loads(response_body(happened(outcome)))["error"]
        assert error == {"message": refusal.message, "code": outcome}


def sums(each: Happened) -> tuple[int, int, int]:
    """Prompt, cached and response tokens, read as a vendor's own client reads them."""
    usage = orjson.loads(raw_usage(each))
    match each.model.llm.vendor:
        case "anthropic":
            cached = usage["cache_read_input_tokens"]
            return usage["input_tokens"] + cached, cached, usage["output_tokens"]
        case "google_ai":
            response = usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
            return usage["promptTokenCount"], usage["cachedContentTokenCount"], response
        case "ollama":
            return usage["prompt_eval_count"], each.cached_tokens, usage["eval_count"]
        case _:
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            return usage["prompt_tokens"], cached, usage["completion_tokens"]


def test_each_vendor_counts_its_own_way_and_comes_to_the_same() -> None:
    """What is recorded of tokens is what the vendor's own object says."""
    for model in VENDORS:
        each = happened(model=model)
        assert sums(each) == (each.prompt_tokens, each.cached_tokens, each.response_tokens)
