"""Google's translator as the bridge finds it."""

from __future__ import annotations

import pytest

from gateway.bridge.google.translator import GoogleTranslator
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of


@pytest.mark.parametrize("vendor", ["google_ai", "vertex"])
def test_both_places_have_it(vendor: str) -> None:
    """Chat and embeddings; the older completions are made of chat by others."""
    translator = translator_of(dialect_of(vendor))
    assert isinstance(translator, GoogleTranslator)
    assert translator.operations == {"chat", "embeddings"}
    assert translator.error(404, b"{}").type == "not_found_error"
