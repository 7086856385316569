"""Azure OpenAI: OpenAI's dialect, its key in ``api-key``, its model often in the path (``deployments/<name>``).

``api-version`` is the client's own and goes to the vendor as it is.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.openai import OpenAi
from gateway.upstreams.vendors.openai import request as requests
from gateway.upstreams.vendors.openai.auth import bearer_header, key_of
from gateway.upstreams.vendors.queries import parameter

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)")
_FIRST_WITH_USAGE = "2024-09-01"
"""Versions before it refuse ``stream_options``, so that their streams cannot be asked for usage."""
_ENTRA_PREFIX = "eyJ"
"""Of every JSON web token: the beginning of its header in base64. Azure's keys are hex or letters and digits."""


class Azure(OpenAi):
    """The dialect of Azure OpenAI."""

    name = "azure"

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:
        """``api-key``, where its SDK puts it; else a bearer token, as with Entra ID."""
        return key_of(headers) or super().credential(headers, query)

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:
        """A key in ``api-key``; else a bearer token."""
        key = key_of(headers)
        return (key, "api_key") if key else super().presented(headers, query)

    def authorize(self, api_key: str) -> Headers:
        """``api-key: <key>``; a token of Entra ID as a bearer."""
        if api_key.startswith(_ENTRA_PREFIX) and api_key.count(".") == 2:
            return bearer_header(api_key)
        return [(b"api-key", api_key.encode())] if api_key else []

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """The deployment in the path is the model, whatever the body says: Azure heeds that alone."""
        asked = super().ask(body, path, query)
        deployment = _DEPLOYMENT.search(path)
        model = unquote(deployment[1]) if deployment else asked.model
        version = parameter(query, b"api-version") or _FIRST_WITH_USAGE
        wants_usage = asked.wants_usage or version < _FIRST_WITH_USAGE
        return msgspec.structs.replace(asked, model=model, wants_usage=wants_usage)

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """In the path where that names a deployment, else in the body."""
        deployment = _DEPLOYMENT.search(path)
        if deployment is None:
            return requests.with_model(body, model), path
        return body, path[: deployment.start(1)] + quote(model, safe="") + path[deployment.end(1) :]
