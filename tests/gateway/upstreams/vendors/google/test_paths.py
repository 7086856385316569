"""Tests of ``gateway.upstreams.vendors.google.paths``: no way of writing a path hides its model."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.google.paths import Place, place_of

VERTEX = "/v1/projects/p/locations/us-central1/publishers"


@pytest.mark.parametrize(
    ("path", "kind", "model", "is_stream"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "generate", "gemini-2.5-flash", False),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "stream", "gemini-2.5-flash", True),
        ("/models/g:STREAMGENERATECONTENT", "stream", "g", True),
        ("/v1beta/tunedModels/mine:generateContent", "generate", "mine", False),
        ("/v1beta/models/g%3AgenerateContent", "generate", "g", False),
        ("/v1beta/models%2Fg%3agenerateContent", "generate", "g", False),
        ("/v1beta//models//g:generate%43ontent", "generate", "g", False),
        ("/v1beta/%6dodels/%67:generateContent", "generate", "g", False),
        ("/v1beta/models/:generateContent", "generate", "", False),
        ("/v1beta/models/g:countTokens", "count", "g", False),
        ("/v1beta/models/e:embedContent", "embed", "e", False),
        ("/v1beta/models/e:batchEmbedContents", "embed", "e", False),
        ("/v1beta/models/g:batchGenerateContent", "batch", "g", False),
        ("/v1beta/models/g:somethingNew", "other", "g", False),
        (f"{VERTEX}/google/models/g-2@001:generateContent", "generate", "g-2@001", False),
        (f"{VERTEX}/google/models/text-embedding-005:predict", "predict", "text-embedding-005", False),
        (f"{VERTEX}/anthropic/models/claude@1:rawPredict", "anthropic", "claude@1", False),
        (f"{VERTEX}/anthropic/models/claude%401:streamRawPredict", "anthropic", "claude@1", True),
        (f"{VERTEX}/mistralai/models/codestral:streamRawPredict", "mistral", "codestral", True),
        ("/v1/projects/p/locations/l/endpoints/77:generateContent", "generate", "77", False),
        ("/v1beta/cachedContents", "cache", "", False),
        ("/v1beta/cachedContents/abc", "other", "", False),
        ("/v1beta/batches/abc:cancel", "cancel", "", False),
        ("/v1beta/batches/abc:cancel/", "cancel", "", False),
        ("/v1/projects/p/locations/l/batchPredictionJobs/7:cancel", "cancel", "", False),
        ("/v1/projects/p/locations/l/operations/7:CANCEL", "cancel", "", False),
        ("/v1beta/batches/abc:canceled", "other", "", False),
        ("/v1beta/batches/abc:delete", "other", "", False),
        ("/v1beta/models/g:cancel", "other", "g", False),
        ("/v1beta/interactions", "interactions", "", False),
        ("/v1beta/models/gemini-2.5-flash", "other", "", False),
        ("/upload/v1beta/files", "other", "", False),
        ("/", "other", "", False),
        ("", "other", "", False),
    ],
)
def test_what_a_path_says(path: str, kind: str, model: str, is_stream: bool) -> None:
    """Its kind, its model decoded, and whether it streams; where the model stands is where it is cut out."""
    place = place_of(path)
    assert (place.kind, place.model, place.is_stream) == (kind, model, is_stream)
    if place.span is not None:
        begin, end = place.span
        assert path[end] == ":" or path[end : end + 3].lower() == "%3a"
        assert (not path[begin:end]) == (not model)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1beta/openai/chat/completions", Place("compatible", path="/v1/chat/completions")),
        ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions?x=y",
         Place("compatible", path="/v1/chat/completions")),
        (f"{VERTEX}/anthropic/models/count-tokens:rawPredict", Place("anthropic", path="/v1/messages/count_tokens")),
    ],
)  # fmt: skip
def test_paths_of_other_dialects(path: str, place: Place) -> None:
    """They are called there what that dialect calls them; the body names the model."""
    assert place_of(path) == place
