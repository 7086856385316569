"""Ollama's lines as ``chat.completion.chunk`` frames."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.gateway.bridge.telling import cuts, frames_of, joined, told, wanted_of

MODEL = "qwen3"
COUNTS = {"total_duration": 5, "prompt_eval_count": 26, "eval_count": 298}


def line(done: str = "", /, **message: Any) -> bytes:
    """One line, the last where it says why it is done."""
    body: dict[str, Any] = {
        "model": MODEL,
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", **message},
    }
    if done:
        body |= {"done": True, "done_reason": done, **COUNTS}
    else:
        body["done"] = False
    return orjson.dumps(body) + b"\n"


def call(name: str, arguments: Any, **members: Any) -> dict[str, Any]:
    """A call as the server writes it."""
    return {**members, "function": {"name": name, "arguments": arguments}}


STREAM = b"".join((
    line(content="", thinking="Let me "),
    line(content="", thinking="see."),
    line(content="Grüße "),
    line(content="aus 北京"),
    line(content="", tool_calls=[call("weather", {"city": "北京"}, id="call_own"), call("now", {})]),
    line("stop", content=""),
))  # fmt: skip


def asked(**members: Any) -> Any:
    """What the client wants."""
    return wanted_of(MODEL, is_stream=True, **members)


def frames(stream: bytes, **members: Any) -> list[Any]:
    """What the client gets."""
    return frames_of(told("ollama", [stream], asked(**members)))


def test_a_stream_says_role_thoughts_text_calls_and_its_end() -> None:
    """The server's ids are kept, calls without one get one; ``stop`` after calls is ``tool_calls``."""
    found = frames(STREAM, wants_usage=True)
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    said = joined(found)
    assert (said["content"], said["reasoning"], said["reasons"]) == ("Grüße aus 北京", "Let me see.", ["tool_calls"])
    assert [said["calls"][0]["id"], said["calls"][0]["arguments"]] == ["call_own", '{"city":"北京"}']
    assert said["calls"][1]["id"].startswith("call_")
    assert found[-2]["usage"] == {"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324}
    assert found[-1] == "[DONE]"


def test_however_a_stream_is_cut_its_frames_are_the_same() -> None:
    """Inside of lines and of UTF-8."""
    whole = told("ollama", [STREAM], asked(wants_usage=True))
    for pieces in cuts(STREAM):
        assert told("ollama", pieces, asked(wants_usage=True)) == whole


@pytest.mark.parametrize(("native", "reason"), [("stop", "stop"), ("length", "length"), ("of_tomorrow", "stop")])
def test_finish_reasons_are_openai_s(native: str, reason: str) -> None:
    """With the server's own beside it."""
    choice = frames(line(content="a") + line(native, content=""))[-2]["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (reason, native)


def test_an_error_in_a_stream_is_openai_s_and_the_last() -> None:
    """The server's words; no ``[DONE]``."""
    found = frames(line(content="a") + b'{"error":"model runner has unexpectedly stopped"}\n', wants_usage=True)
    assert found[-1]["error"]["message"] == "model runner has unexpectedly stopped"
    assert found[-1]["error"]["type"] == "server_error"


@pytest.mark.parametrize("end", [b"", b'{"model":"qw'])
def test_a_stream_that_stops_early_is_an_error(end: bytes) -> None:
    """Without ``done`` the answer is not whole."""
    found = frames(line(content="a") + end)
    assert found[-1]["error"]["type"] == "server_error"
    assert "[DONE]" not in found


@pytest.mark.parametrize(
    "garbage",
    [
        b"not json\n",
        b"[1]\n",
        b"{}\n",
        b'{"message":"text"}\n',
        b'{"message":{"tool_calls":{"function":{}}}}\n',
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}\n',
        b'{"message":{"tool_calls":[{"function":{"arguments":{}}}]}}\n',
    ],
)
def test_garbage_ends_a_stream_with_an_error(garbage: bytes) -> None:
    """Lines that are not as published."""
    found = frames(line(content="a") + garbage + line("stop", content=""))
    assert found[-1]["error"]["code"] == "answer_unreadable"
    assert "[DONE]" not in found


def test_logprobs_come_with_the_text_they_are_of() -> None:
    """Lists that the server leaves out are there."""
    token = {"token": "a", "logprob": -0.5, "bytes": [97]}
    body = {"message": {"role": "assistant", "content": "a"}, "done": False, "logprobs": [token]}
    found = frames(orjson.dumps(body) + b"\n" + line("stop", content=""))
    assert found[1]["choices"][0]["logprobs"]["content"] == [{**token, "top_logprobs": []}]
