"""Tests of ``gateway.upstreams.vendors.anthropic.batches``: what the results of a batch add up to."""

from __future__ import annotations

import json

from gateway.upstreams.vendors.anthropic.batches import answer_of_results
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.anthropic.streams import USAGE, message

SUCCEEDED = {"custom_id": "a", "result": {"type": "succeeded", "message": message(usage={**USAGE, "output_tokens": 9})}}
PLAIN = {"custom_id": "b", "result": {"type": "succeeded", "message": message()}}
ERRORED = {"custom_id": "c", "result": {"type": "errored", "error": {"type": "error"}}}
EXPIRED = {"custom_id": "d", "result": {"type": "expired"}}


def lines(*results: object) -> bytes:
    """The body of results."""
    return b"".join(json.dumps(result).encode() + b"\n" for result in results)


def test_results_are_summed() -> None:
    """Those that succeeded; others cost nothing. The sum stands in the raw usage, in our words."""
    answer = answer_of_results(lines(SUCCEEDED, ERRORED, PLAIN, EXPIRED))
    total = Usage(365 + 2095, 512, 300, 40, cache_write_1h_prompt_tokens=30)
    assert (answer.usage, answer.choices, answer.problem) == (total, 2, "")
    assert answer.model == "claude-sonnet-4-5-20250929"
    assert json.loads(answer.raw_usage or "") == {
        "succeeded_requests": 2,
        "prompt_tokens": 2460,
        "response_tokens": 512,
        "cache_read_prompt_tokens": 300,
        "cache_write_prompt_tokens": 40,
        "cache_write_1h_prompt_tokens": 30,
    }


def test_a_line_that_cannot_be_read_is_said() -> None:
    """The others count."""
    broken = {"result": {"message": message(usage={"input_tokens": -1, "output_tokens": 1})}}
    for bad in (b"garbage\n", lines(broken), b'{"result":7}\n', lines(PLAIN)[:40]):
        answer = answer_of_results(lines(PLAIN) + bad)
        assert (answer.usage, answer.problem) == (Usage(2095, 503), "batch_results")


def test_nothing_is_nothing() -> None:
    """Empty results, and an error instead of results."""
    assert answer_of_results(b"") == Answer()
    assert answer_of_results(b"\n\r\n") == Answer()
    assert answer_of_results(b'{"type":"error","error":{}}') == Answer()
