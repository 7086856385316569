"""Chunks of several choices."""

from __future__ import annotations

from gateway.bridge.choices import Choices, message_of
from tests.gateway.bridge.telling import frames_of, wanted_of


def test_each_choice_has_one_role_and_one_end() -> None:
    """However often they are said."""
    chunks = Choices(wanted_of("m"))
    out = chunks.open() + chunks.open() + chunks.delta({"content": "a"}, 1) + chunks.close("stop", "END", 1)
    out += chunks.close("length", "MAX") + chunks.close("stop", "again")
    choices = [frame["choices"][0] for frame in frames_of(out + chunks.end(None))[:-1]]
    assert [(choice["index"], choice["finish_reason"]) for choice in choices] == [
        (0, None), (1, None), (1, None), (1, "stop"), (0, "length"),
    ]  # fmt: skip
    assert choices[-1]["native_finish_reason"] == "MAX"


def test_choices_that_go_on_are_no_end() -> None:
    """One that finished does not make the answer whole."""
    chunks = Choices(wanted_of("m"))
    out = chunks.close("stop", "END") + chunks.delta({"content": "b"}, 1)
    assert "error" in frames_of(out + chunks.end(None))[-1]


def test_a_message_that_only_calls_has_no_content() -> None:
    """As OpenAI's have it; one that says nothing has an empty one."""
    assert message_of("", calls=[{"id": "a"}])["content"] is None
    assert message_of("")["content"] == ""
    assert "reasoning_content" not in message_of("a")
