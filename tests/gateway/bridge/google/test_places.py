"""Where a method is, below any endpoint."""

from __future__ import annotations

import pytest

from gateway.bridge.google.places import path_of
from gateway.upstreams.vendors.google.paths import place_of
from tests.gateway.bridge.telling import wanted_of

PROJECT = "/v1/projects/p/locations/eu"


@pytest.mark.parametrize(
    ("base", "model", "is_vertex", "path"),
    [
        ("", "gemini-2.5-pro", False, "/v1beta/models/gemini-2.5-pro:m"),
        ("/v1beta", "models/gemini-2.5-pro", False, "/models/gemini-2.5-pro:m"),
        ("/proxy/v1/", "gemini-2.5-pro", False, "/models/gemini-2.5-pro:m"),
        ("", "tunedModels/mine", False, "/v1beta/tunedModels/mine:m"),
        ("", "gemini-2.5-pro", True, "/v1/publishers/google/models/gemini-2.5-pro:m"),
        (PROJECT, "google/gemini-2.5-pro", True, "/publishers/google/models/gemini-2.5-pro:m"),
        (PROJECT + "/publishers/google", "gemini-2.5-pro", True, "/models/gemini-2.5-pro:m"),
        (PROJECT, "endpoints/123", True, "/endpoints/123:m"),
        ("", "../../evil?x#y", False, "/v1beta/models/..%2F..%2Fevil%3Fx%23y:m"),
    ],
)
def test_paths_complete_what_the_endpoint_has(base: str, model: str, is_vertex: bool, path: str) -> None:
    """Version, publisher and model once each; a model's name cannot lead elsewhere."""
    assert path_of(wanted_of(model, base_path=base), "m", is_vertex=is_vertex) == path


def test_the_dialect_reads_what_the_bridge_writes() -> None:
    """The model that is asked is the one that is counted and allowed."""
    place = place_of(path_of(wanted_of("gemini-2.5-pro"), "streamGenerateContent", is_vertex=True))
    assert (place.kind, place.model) == ("stream", "gemini-2.5-pro")
