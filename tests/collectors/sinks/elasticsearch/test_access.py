"""A config's nodes, credentials and certificates reach the server; silence is waited for, distrust is not."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.elasticsearch.access import cause_of_silence, open_http
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from sluice.eventstore.elasticsearch_http import ElasticsearchDistrustError, ElasticsearchUnreachableError
from tests.collectors.sinks.scripted_http import ScriptedHttp


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        ({}, None),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
        ({"bearer_token": "t0ken"}, "Bearer t0ken"),
    ],
)
async def test_who_we_are(config: dict[str, Any], sent: str | None) -> None:
    """Each way to log in is the header it should be, with the flavour's media types."""
    server = ScriptedHttp()
    await server.start()
    http = open_http(ElasticsearchSettings.model_validate({"elasticsearch_url": server.url, **config}))
    await http.request("GET", "_cluster/health")
    [request] = server.requests
    assert request.headers.get("authorization") == sent
    assert "compatible-with=8" in request.headers["accept"]
    await http.close()
    await server.close()


def test_silence_and_distrust() -> None:
    """One is waited for, and says which nodes; the other needs somebody."""
    settings = ElasticsearchSettings.model_validate({"elasticsearch_url": ["http://a:1", "http://b:2"]})
    silent = cause_of_silence(ElasticsearchUnreachableError("timeout"), settings)
    assert isinstance(silent, Retryable)
    assert str(silent) == "http://a:1, http://b:2 does not answer: timeout"
    distrusted = cause_of_silence(ElasticsearchDistrustError("bad", "mend it"), settings)
    assert isinstance(distrusted, Halt)
    assert distrusted.remedy == "mend it"
