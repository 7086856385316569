"""Tests of ``gateway.upstreams.vendors.bedrock.chunks``."""

from __future__ import annotations

import msgspec
import pytest

from gateway.upstreams.vendors.bedrock.chunks import ChunkEvent, read_event
from tests.gateway.upstreams.vendors.bedrock.streams import CLAUDE_CALL, CLAUDE_START, CLAUDE_USAGE, dumps

NOVA_USAGE = {"inputTokens": 4, "outputTokens": 9}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (CLAUDE_START, ChunkEvent("claude-3-5-sonnet-20241022", 1, 0, dumps(CLAUDE_USAGE))),
        (CLAUDE_CALL, ChunkEvent(None, 0, 1, is_final=True)),
        ({"contentBlockStart": {"start": {"toolUse": {"name": "x"}}}}, ChunkEvent(None, 0, 1, is_final=True)),
        ({"contentBlockStart": {"contentBlockIndex": 0}}, ChunkEvent(None, 0, 0, is_final=True)),
        ({"metadata": {"usage": NOVA_USAGE}}, ChunkEvent(None, 0, 0, dumps(NOVA_USAGE), is_final=True)),
        ({"model": "m", "choices": [{"delta": {"tool_calls": [{"id": "a"}, {"index": 0}]}}]},
         ChunkEvent("m", 0, 1, is_final=True)),
        ({"choices": [{"message": {"tool_calls": [{"id": "a"}]}}]}, ChunkEvent(None, 0, 1, is_final=True)),
        ({"choices": "x"}, ChunkEvent()),
        ([], ChunkEvent()),
    ],
)  # fmt: skip
def test_a_chunk_tells_of_models_and_calls(event: object, expected: ChunkEvent) -> None:
    """In each family's way; of another shape it tells nothing."""
    assert read_event(dumps(event)) == expected


def test_what_is_no_json_is_an_error() -> None:
    """Its caller knows what to do."""
    with pytest.raises(msgspec.DecodeError):
        read_event(b"{")
