"""What is kept of a traced exchange: facts, within bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.routes import Route
from gateway.tracing.finished import MAX_PARTS, MAX_TEXT, finish, reasons_in
from gateway.tracing.trace import TimedList
from sluice.money.usage import Usage
from tests.gateway.test_exchange import an_exchange
from tests.gateway.tracing.making import a_trace


def timings(count: int) -> TimedList[Any]:
    """So many."""
    timed: TimedList[Any] = TimedList()
    for number in range(count):
        timed.append({"plugin": f"p{number}", "hook": "post_auth", "micros": 1, "decision": "allow"})
    return timed


def test_no_body_header_or_query_is_kept() -> None:
    """Whatever waits in the queue holds none of them, nor the exchange that does."""
    exchange = an_exchange(
        outcome="ok", body=b"the-prompt", query=b"key=secret", headers=[(b"x", b"header")],
        response_copy=[b"the-answer"], usage=Usage(3, 4), error_message="vendor said the-prompt",
    )  # fmt: skip
    kept = repr(finish(exchange, a_trace()))
    assert not any(secret in kept for secret in ("the-prompt", "secret", "header", "the-answer"))
    assert "input_tokens=3" in kept


def test_what_clients_choose_is_cut() -> None:
    """Models, paths, plugins and attempts: one exchange cannot fill the queue's memory."""
    exchange = an_exchange(
        outcome="ok", model="m" * 9_999, response_model="r" * 9_999, path="/" + "p" * 9_999,
        timings=timings(MAX_PARTS + 5), attempts=TimedList(),
    )  # fmt: skip
    done = finish(exchange, a_trace())
    assert max(len(text) for text in (done.model, done.response_model, done.path)) == MAX_TEXT
    assert (len(done.timings), len(done.timing_starts_ns), done.dropped) == (MAX_PARTS, MAX_PARTS, 5)


def test_the_endpoints_of_plugins_are_told_apart() -> None:
    """They have no LLM; a vendor's path that looks like one has."""
    endpoint = an_exchange(route=Route("call", "", "plugins/a/b"), path="/plugins/a/b")
    vendor = an_exchange(route=Route("call", "demo", "plugins/a/b"), path="/plugins/a/b")
    assert (finish(endpoint, a_trace()).intent, finish(vendor, a_trace()).intent) == ("plugin", "call")


def test_an_exchange_without_an_outcome_was_our_fault() -> None:
    """As everywhere else."""
    done = finish(an_exchange(), a_trace())
    assert done.outcome == "gateway_error"
    assert msgspec.structs.asdict(done)["llm_id"] is None


@pytest.mark.parametrize(
    ("copy", "reasons"),
    [
        ([], ()),
        ([b'[{"finish_reason":"stop"},{"finish_reason": "length"},{"finish_reason":"stop"}]'], ("stop", "length")),
        ([b'data: {"delta":{"stop_re', b'ason":"end_turn"}}\n\n'], ("end_turn",)),
        ([b'{"candidates":[{"finishReason":"MAX_TOKENS"}]}'], ("MAX_TOKENS",)),
        ([b'{"done_reason":"stop"}'], ("stop",)),
        ([b'{"finish_reason":"my secret words"}'], ()),
        ([b'{"content":"\\"finish_reason\\":\\"stop\\""}'], ()),
        ([b'{"finish_reason":null}'], ()),
        ([b'"finish_reason":"stop"' + b" " * 10_000], ()),
        ([b"\xff\x00" * 5_000], ()),
    ],
)  # fmt: skip
def test_reasons_are_vendors_words(copy: list[bytes], reasons: tuple[str, ...]) -> None:
    """Found at the end of what was kept, in every dialect; nothing else that stands there is told."""
    assert reasons_in(copy) == reasons
