"""How the cluster that a ``config`` names is reached: for the sink, and for whatever else works on its indices."""

from __future__ import annotations

from collectors.errors import Halt, Retryable
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.halving import UnansweredError
from sluice.eventstore.elasticsearch_http import (
    ElasticsearchDistrustError,
    ElasticsearchHttp,
    ElasticsearchUnreachableError,
)


def open_http(settings: ElasticsearchSettings, *, connections: int = 10) -> ElasticsearchHttp:
    """All of its nodes, with its credentials and certificates. Nothing is reached yet."""
    return ElasticsearchHttp(
        settings.urls(),
        authorization=settings.authorization(),
        tls=settings.tls(),
        flavour=settings.flavour,
        timeout_seconds=settings.timeout,
        connections=connections,
    )


def cause_of_silence(error: ElasticsearchUnreachableError, settings: ElasticsearchSettings) -> Retryable | Halt:
    """What to do where no answer came."""
    if isinstance(error, ElasticsearchDistrustError):
        return Halt(error.reason, error.remedy)
    return UnansweredError(f"{', '.join(settings.urls())} does not answer: {error}")
