"""Bedrock's translator as the bridge finds it."""

from __future__ import annotations

from gateway.bridge.bedrock.translator import BedrockTranslator
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of


def test_it_is_found_by_the_dialect() -> None:
    """Chat and embeddings; the older completions are made of chat by others."""
    translator = translator_of(dialect_of("bedrock"))
    assert isinstance(translator, BedrockTranslator)
    assert translator.operations == {"chat", "embeddings"}
    assert translator.error(403, b"{}").type == "permission_error"
