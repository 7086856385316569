"""Tests of ``gateway.upstreams.vendors.bedrock.chunks``."""

from __future__ import annotations

import msgspec
import pytest

from gateway.upstreams.vendors.bedrock.chunks import ChunkEvent, read_chunk
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
    ],
)  # fmt: skip
def test_a_chunk_tells_of_models_and_calls(event: object, expected: ChunkEvent) -> None:
    """In each family's way; of another shape it tells nothing."""
    assert read_chunk(dumps(event))[0] == expected


@pytest.mark.parametrize("data", [b"{", b"[]", b"1"])
def test_what_is_no_json_object_is_an_error(data: bytes) -> None:
    """Its caller knows what to do."""
    with pytest.raises(msgspec.DecodeError):
        read_chunk(data)


def test_counts_are_read_where_the_event_is_of_no_known_shape() -> None:
    """What a chunk is worth does not depend on what else is in it."""
    event, counts = read_chunk(dumps({"choices": "x", "usage": NOVA_USAGE}))
    assert (event, bytes(counts.usage)) == (ChunkEvent(), dumps(NOVA_USAGE))
