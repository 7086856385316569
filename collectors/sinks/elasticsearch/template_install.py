"""Installs the index templates: idempotent, and forward only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import structlog

from collectors.errors import Halt, Retryable
from collectors.sinks.elasticsearch.access import cause_of_silence
from collectors.sinks.elasticsearch.bulk_answer import cause_of_request
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from schemas.events import Kind
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError
from sluice.eventstore.templates import (
    TEMPLATE_VERSION,
    Template,
    installed_options,
    installed_version,
    templates,
)

_log = structlog.get_logger(__name__)


async def install_templates(
    http: ElasticsearchHttp, settings: ElasticsearchSettings, stems: Mapping[Kind, str], *, again: bool = False
) -> list[str]:
    """Install what is missing, older than ours or made with other options, with ``again`` also what is as old; returns
    the paths installed.

    Raises ``Retryable`` and ``Halt``.
    """
    installed = []
    for template in templates(stems, settings.shape()):
        version, options = await _installed(http, settings, template)
        if version > TEMPLATE_VERSION:
            _log.warning("newer template left alone", template=template.path, version=version, ours=TEMPLATE_VERSION)
        elif version < TEMPLATE_VERSION or options != template.options or again:
            await ask(http, settings, "PUT", template.path, template.body)
            installed.append(template.path)
    return installed


async def outdated_templates(
    http: ElasticsearchHttp, settings: ElasticsearchSettings, stems: Mapping[Kind, str]
) -> list[str]:
    """The paths of what ``install_templates`` would install; nothing is. Raises ``Retryable`` and ``Halt``."""
    found = []
    for template in templates(stems, settings.shape()):
        version, options = await _installed(http, settings, template)
        if version < TEMPLATE_VERSION or (version == TEMPLATE_VERSION and options != template.options):
            found.append(template.path)
    return found


async def _installed(
    http: ElasticsearchHttp, settings: ElasticsearchSettings, template: Template
) -> tuple[int, dict[str, Any]]:
    """The version that is there, 0 for none, and the options it was made with."""
    answer = await ask(http, settings, "GET", template.path)
    if answer is None:
        return 0, {}
    try:
        return installed_version(template, answer), installed_options(template, answer)
    except ValueError as error:
        raise Retryable(f"unreadable answer of Elasticsearch: {error}") from error


async def ask(
    http: ElasticsearchHttp,
    settings: ElasticsearchSettings,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """The parsed answer, ``None`` for 404."""
    try:
        answer = await http.request(method, path, None if body is None else orjson.dumps(body))
    except ElasticsearchUnreachableError as error:
        raise cause_of_silence(error, settings) from error
    if method == "GET" and answer.status == 404:
        return None
    if answer.status != 200:
        raise _refusal(path, answer)
    return _parsed(answer)


def _refusal(path: str, answer: Answer) -> Retryable | Halt:
    cause = cause_of_request(answer)
    if isinstance(cause, Retryable | Halt):
        return cause
    return Halt(f"{path} was refused: {cause}", "see the server's log, or set use_index_templates: false")


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise Retryable("unreadable answer of Elasticsearch") from error
    if not isinstance(found, dict):
        raise Retryable("unreadable answer of Elasticsearch")
    return found
