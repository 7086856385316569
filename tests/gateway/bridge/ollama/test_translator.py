"""Ollama's translator as the bridge finds it."""

from __future__ import annotations

import pytest

from gateway.bridge.ollama.translator import OllamaTranslator
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.telling import asking, wanted_of


def test_it_is_found_by_the_dialect() -> None:
    """Its own paths, chat and embeddings."""
    translator = translator_of(dialect_of("ollama"))
    assert isinstance(translator, OllamaTranslator)
    assert translator.request(wanted_of("m"), asking()).path == "/api/chat"
    assert translator.request(wanted_of("m", "embeddings"), {"input": "a"}).path == "/api/embed"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "model \'x\' not found"}', "model 'x' not found"),
        (b"404 page not found", "the vendor refused with status 404 and said nothing"),
        (b'{"error": 5}', "the vendor refused with status 404 and said nothing"),
    ],
)
def test_errors_are_openai_s(body: bytes, message: str) -> None:
    """The server's words, whatever the body is."""
    error = translator_of(dialect_of("ollama")).error(404, body)
    assert (error.message, error.type) == (message, "not_found_error")
