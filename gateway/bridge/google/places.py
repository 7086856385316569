"""Where a method of a model is, on the Gemini API and on Vertex AI, whatever of it the endpoint has already."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from gateway.bridge.interface import Wanted

_VERSION: Final = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?(?=/|$)")
_RESOURCES: Final = ("tunedModels/", "endpoints/")
"""What a model's name may begin with that is no model of Google's own."""
_PUBLISHED: Final = "/publishers/google"


def path_of(wanted: Wanted, method: str, *, is_vertex: bool) -> str:
    """``/v1beta/models/<model>:<method>``; on Vertex below the endpoint's project and place, or below none of them with
    an API key."""
    base = wanted.base_path.rstrip("/")
    version = "" if _VERSION.search(base) else ("/v1" if is_vertex else "/v1beta")
    model = wanted.model.removeprefix("models/")
    for resource in _RESOURCES:
        if model.startswith(resource):
            return f"{version}/{resource}{quote(model.removeprefix(resource), safe='')}:{method}"
    published = _PUBLISHED if is_vertex and not base.endswith(_PUBLISHED) else ""
    return f"{version}{published}/models/{quote(model.removeprefix('google/'), safe='')}:{method}"
