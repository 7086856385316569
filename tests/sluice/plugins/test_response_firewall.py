"""``response_firewall``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins.response_firewall import ResponseFirewall
from sluice.sdk.testing import make_context, make_frames, make_response, run_stream, start_plugin

EVENT_STREAM = {"content-type": "text/event-stream"}


async def firewall(**config: Any) -> ResponseFirewall:
    """One that forbids a word."""
    return await start_plugin(ResponseFirewall, make_context(), **{"patterns": ["launch code"], **config})


@pytest.mark.parametrize(
    ("body", "decision"),
    [
        (b'{"choices":[{"message":{"content":"the LAUNCH code is 7"}}]}', "block"),
        (b'{"content":[{"type":"text","text":"launch \\u0063ode"}]}', "block"),
        (b"launch code, not JSON", "block"),
        (b'{"choices":[{"message":{"content":"launch"}},{"message":{"content":"code"}}]}', "allow"),
        (b"", "allow"),
    ],
)
async def test_a_whole_answer_is_withheld(body: bytes, decision: str) -> None:
    """Wherever it says what it should not, and nothing of it goes out."""
    answer = await (await firewall()).on_before_write(make_context(), make_response(body))
    assert answer.decision == decision
    assert b"launch" not in (answer.body or b"")


async def test_what_cannot_be_read_is_withheld() -> None:
    """The gateway asks vendors for plain bytes; one that codes them all the same gets nothing past a firewall."""
    coded = make_response(b"\x1f\x8b...", headers={"content-encoding": "gzip"})
    assert (await (await firewall()).on_before_write(make_context(), coded)).decision == "block"
    plain = make_response(b"{}", headers={"content-encoding": "identity"})
    assert (await (await firewall()).on_before_write(make_context(), plain)).decision == "allow"


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
@pytest.mark.parametrize("texts", [["the launch code"], ["the lau", "nch", " co", "de"], list("the launch code")])
async def test_a_stream_ends_before_the_phrase(vendor: str, texts: list[str]) -> None:
    """Wherever the vendor cut it: nothing of the phrase is out."""
    run = await run_stream(await firewall(window_characters=11), make_frames([*texts, " is 7"], vendor))
    assert run.blocked is not None
    assert (run.blocked.status_code, run.blocked.message) == (403, "the answer is not allowed here")
    assert b"la" not in run.body.replace(b"role", b"")
    assert json.loads(run.blocked.body or b"")["error"]["type"] == "content_policy_violation"


async def test_another_stream_passes_with_all_of_its_text() -> None:
    """Held for a while, and flushed at its end."""
    run = await run_stream(await firewall(), make_frames(["launch", "ed the ", "code"]))
    assert run.blocked is None
    texts = [
        choice["delta"].get("content", "")
        for line in run.body.splitlines()
        if line.startswith(b"data: {")
        for choice in json.loads(line[6:])["choices"]
    ]
    assert "".join(texts) == "launched the code"


async def test_a_stream_that_was_gathered_is_read_as_one() -> None:
    """Where another plugin reads streams whole, a phrase that was cut is found too."""
    body = b"".join(make_frames(["launch ", "code"]))
    answer = await (await firewall()).on_before_write(make_context(), make_response(body, headers=EVENT_STREAM))
    assert answer.decision == "block"


@pytest.mark.parametrize(("watched", "blocked"), [(True, True), (False, False)])
async def test_arguments_of_tool_calls_are_read_unless_told_otherwise(watched: bool, blocked: bool) -> None:
    """A model says things there as well, also in the old way."""
    halves = [{"function_call": {"arguments": text}, "content": ""} for text in ("launch ", "code")]
    old = [f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode() for delta in halves]
    assert ((await run_stream(await firewall(watch_tool_calls=watched), old)).blocked is not None) is blocked
    calls = [{"index": 0, "function": {"arguments": text}} for text in ('{"text": "launch ', 'code"}')]
    frames = [f"data: {json.dumps({'choices': [{'delta': {'tool_calls': [call]}}]})}\n\n".encode() for call in calls]
    run = await run_stream(await firewall(watch_tool_calls=watched), frames)
    assert (run.blocked is not None) is blocked


async def test_exchanges_are_apart() -> None:
    """Two halves of a phrase in two answers are no phrase."""
    plugin = await firewall()
    for text in ("launch ", "code"):
        assert (await run_stream(plugin, make_frames([text]))).blocked is None


async def test_case_counts_where_the_operator_says_so() -> None:
    """As in ``firewall``."""
    plugin = await firewall(case_sensitive=True)
    assert (await plugin.on_before_write(make_context(), make_response(b"LAUNCH CODE"))).decision == "allow"


@pytest.mark.parametrize(
    "config",
    [
        {"patterns": []},
        {"patterns": ["("]},
        {"patterns": ["x*"]},
        {"window_characters": 0},
        {"patterns": ["launchcode"], "window_characters": 9},
    ],
)
async def test_a_firewall_that_could_not_hold_is_refused(config: dict[str, Any]) -> None:
    """Without patterns, with one that does not compile, with one that matches everywhere, with one whose beginning
    would be out before its end was seen."""
    with pytest.raises(ValidationError):
        await firewall(**config)
