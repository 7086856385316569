"""Tests of ``gateway.upstreams.vendors.ollama.paths``."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.ollama.paths import endpoint_of


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/chat", "chat"),
        ("/api/chat/", "chat"),
        ("/ollama/api/chat?x=1", "chat"),
        ("/%61pi/cha%74", "chat"),
        ("/chat", "chat"),
        ("/api/generate", "generate"),
        ("/generate", "generate"),
        ("/api/embed", "embed"),
        ("/api/embeddings", "embed"),
        ("/api/pull", "progress"),
        ("/api/push", "progress"),
        ("/api/create", "progress"),
        ("/api/tags", "free"),
        ("/tags", "free"),
        ("/api/ps", "free"),
        ("/api/show", "free"),
        ("/api/version", "free"),
        ("/api/copy", "free"),
        ("/api/delete", "free"),
        ("/api/blobs/sha256:29fd", "free"),
        ("/api/web_search", "other"),
        ("/api/chat/x", "other"),
        ("/blobs/sha256:29fd", "free"),
        ("/api/", "compatible"),
        ("/v1/chat/completions", "compatible"),
        ("/api/v1/chat/completions", "compatible"),
        ("/chat/completions", "compatible"),
        ("/v1/embeddings", "compatible"),
        ("/embeddings", "compatible"),
        ("/v1/models", "compatible"),
        ("/v1/messages", "messages"),
        ("/v1/messages/count_tokens", "messages"),
        ("", "compatible"),
        ("/", "compatible"),
    ],
)
def test_whose_path_it_is(path: str, endpoint: str) -> None:
    """Wherever the base URL ends; an escaped letter hides nothing."""
    assert endpoint_of(path) == endpoint
