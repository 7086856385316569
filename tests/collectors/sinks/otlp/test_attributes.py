"""Names of the conventions, from what events hold."""

from __future__ import annotations

import pytest

from collectors.sinks.otlp.attributes import (
    attributes,
    fill,
    nanos_of,
    operation_of,
    provider_of,
    resource,
    trace_id_of,
)
from tests.collectors.sinks.otlp.receiver import attributes_of


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/chat/completions/?x=/v1/embeddings", "chat"),
        ("/v1/responses", "chat"),
        ("/v1/messages", "chat"),
        ("/model/anthropic.claude-3/converse-stream", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/embeddings", "embeddings"),
        ("/v1beta/models/gemini-2.0-flash:streamGenerateContent", "generate_content"),
        ("/v1beta/models/e:batchEmbedContents", "embeddings"),
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/v1/images/generations", "generations"),
        ("/", "unknown"),
        ("", "unknown"),
        ("/" + "x" * 500, "x" * 64),
    ],
)
def test_the_operation_is_read_from_the_path(path: str, operation: str) -> None:
    """The conventions' names where they have one; else the endpoint's own, short."""
    assert operation_of(path) == operation


def test_vendors_under_the_names_of_the_conventions() -> None:
    """Those that differ; all others are as we call them."""
    assert provider_of("bedrock") == "aws.bedrock"
    assert provider_of("vertex") == "gcp.vertex_ai"
    assert provider_of("openai") == "openai"


@pytest.mark.parametrize(
    ("text", "length"), [("0af7651916cd43dd8448eb211c80319c", 16), ("", 0), ("zz" * 16, 0), ("ab", 0), ("ab" * 17, 0)]
)
def test_only_a_trace_id_is_one(text: str, length: int) -> None:
    """Receivers refuse a whole request for an id of another length."""
    assert len(trace_id_of(text)) == length


def test_times_stay_within_what_a_receiver_can_hold() -> None:
    """Before 1970 and after 2262 are the ends."""
    assert nanos_of(-1) == 0
    assert nanos_of(1_764_000_000_000_001) == 1_764_000_000_000_001_000
    assert nanos_of(253_402_300_799_999_999) == 2**63 - 1


def test_what_is_absent_is_left_out() -> None:
    """Zero and false are values, and no flag is a number."""
    found = resource("s", "i", ())
    found.attributes.extend(attributes((("a", None), ("b", ""), ("c", 0), ("d", False), ("e", "x"))))
    values = attributes_of(found)
    filled = resource("s", "i", ())
    fill(filled.attributes, (("a", None), ("b", ""), ("c", 0), ("d", False), ("e", "x")))
    assert filled == found
    assert values == {"service.name": "s", "service.instance.id": "i", "c": 0, "d": False, "e": "x"}
    assert values["d"] is False
