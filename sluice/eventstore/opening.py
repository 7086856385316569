"""The event store that settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

from sluice.eventstore.panels.interface import Panels
from sluice.eventstore.queries import TIME_LIMIT_SECONDS, EventStoreError


def open_store(
    *,
    database_url: str = "",
    elasticsearch_url: str = "",
    username: str = "",
    password: str = "",
    time_limit_seconds: float = TIME_LIMIT_SECONDS,
) -> Panels:
    """Elasticsearch where a URL of it is given, else the events database; connects with the first question.

    Raises EventStoreError, which names the setting, where neither can be asked.
    """
    if elasticsearch_url:
        return _open_elasticsearch(elasticsearch_url, username, password, time_limit_seconds)
    if database_url:
        return _open_database(database_url, time_limit_seconds)
    raise EventStoreError("control.events: neither database_url nor elasticsearch_url is set")


# What only one of the stores needs is imported when it is opened: an installation may lack the other's.


def _open_elasticsearch(url: str, username: str, password: str, time_limit_seconds: float) -> Panels:
    _check(url)
    try:
        from sluice.eventstore.elasticsearch_http import ElasticsearchHttp  # noqa: PLC0415
        from sluice.eventstore.panels.elasticsearch import ElasticsearchPanels  # noqa: PLC0415
    except ImportError as error:
        message = "Elasticsearch needs its transport: pip install 'sluice-gateway[collectors]'"
        raise EventStoreError(message) from error
    http = ElasticsearchHttp(url, username=username, password=password, timeout_seconds=time_limit_seconds)
    return ElasticsearchPanels(http, time_limit_seconds=time_limit_seconds)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        has_credentials = bool(parts.username or parts.password)
    except ValueError:
        is_good = has_credentials = False
    if has_credentials:
        message = "control.events.elasticsearch_url: must not hold credentials; use username and password"
        raise EventStoreError(message)
    if not is_good:
        message = "control.events.elasticsearch_url: must be an absolute URL, e.g. http://localhost:9200"
        raise EventStoreError(message)


def _open_database(url: str, time_limit_seconds: float) -> Panels:
    try:
        from sluice.eventstore.panels.database import DatabasePanels  # noqa: PLC0415
    except ImportError as error:
        message = "the events database needs SQLAlchemy: pip install 'sluice-gateway[gateway]'"
        raise EventStoreError(message) from error
    return DatabasePanels(url, time_limit_seconds)
