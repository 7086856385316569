"""Tests of ``gateway.upstreams.vendors.huggingface.paths``."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.huggingface.paths import place_of, with_model_in_path


@pytest.mark.parametrize(
    ("path", "endpoint", "model"),
    [
        ("/generate", "generate", None),
        ("/generate/", "generate", None),
        ("/generate_stream", "generate_stream", None),
        ("/tgi/generate_stream?x=1", "generate_stream", None),
        ("/%67enerate", "generate", None),
        ("/", "inference", None),
        ("", "inference", None),
        ("/invocations", "inference", None),
        ("/embed", "inference", None),
        ("/models/gpt2", "inference", "gpt2"),
        ("/models/owner/name", "inference", "owner/name"),
        ("/models/owner%2Fname", "inference", "owner/name"),
        ("/models/owner/generate", "inference", "owner/generate"),
        ("/hf-inference/models/owner/name", "inference", "owner/name"),
        ("/hf-inference/models/owner/name/pipeline/feature-extraction", "inference", "owner/name"),
        ("/pipeline/feature-extraction/owner/name", "inference", "owner/name"),
        ("/pipeline/feature-extraction", "inference", None),
        ("/models/owner/name/v1/chat/completions", "compatible", "owner/name"),
        ("/v1/chat/completions", "compatible", None),
        ("/chat/completions", "compatible", None),
        ("/together/v1/chat/completions", "compatible", None),
        ("/v1/models", "compatible", None),
        ("/v1/models/owner/name", "compatible", "owner/name"),
        ("/v1/unknown", "compatible", None),
        ("/tokenize", "free", None),
        ("/chat_tokenize", "free", None),
        ("/info", "free", None),
    ],
)
def test_what_a_path_says(path: str, endpoint: str, model: str | None) -> None:
    """Whatever the base URL leaves of it."""
    place = place_of(path)
    assert (place.endpoint, place.model) == (endpoint, model)
    assert place.is_text is endpoint.startswith("generate")


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/models/gpt2", "/models/a/b"),
        ("/models/x/y/v1/chat/completions", "/models/a/b/v1/chat/completions"),
        ("/pipeline/t/x/y", "/pipeline/t/a/b"),
        ("/models/x%2Fy/pipeline/t", "/models/a/b/pipeline/t"),
    ],
)
def test_a_model_is_exchanged_where_it_stands(path: str, other: str) -> None:
    """And nothing else of the path."""
    assert with_model_in_path(path, place_of(path), "a/b") == other
    assert with_model_in_path(path, place_of(path), "é ?").isascii()
