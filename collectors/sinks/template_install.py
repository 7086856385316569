"""Installs the index templates: idempotent, and forward only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import structlog

from collectors.errors import Halt, Retryable
from collectors.sinks.bulk_answer import cause_of_request
from schemas.events import Kind
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError
from sluice.eventstore.templates import TEMPLATE_VERSION, Template, installed_version, templates

_log = structlog.get_logger(__name__)


async def install_templates(http: ElasticsearchHttp, stems: Mapping[Kind, str], *, again: bool = False) -> list[str]:
    """Install what is missing or older than ours, with ``again`` also what is as old; returns the paths installed.

    Raises ``Retryable`` and ``Halt``.
    """
    installed = []
    for template in templates(dict(stems)):
        version = await _version(http, template)
        if version > TEMPLATE_VERSION:
            _log.warning("newer template left alone", template=template.path, version=version, ours=TEMPLATE_VERSION)
        elif version < TEMPLATE_VERSION or again:
            await _request(http, "PUT", template.path, template.body)
            installed.append(template.path)
    return installed


async def _version(http: ElasticsearchHttp, template: Template) -> int:
    answer = await _request(http, "GET", template.path)
    try:
        return 0 if answer is None else installed_version(template, answer)
    except ValueError as error:
        raise Retryable(f"unreadable answer of Elasticsearch: {error}") from error


async def _request(
    http: ElasticsearchHttp, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """The parsed answer, ``None`` for 404."""
    try:
        answer = await http.request(method, path, None if body is None else orjson.dumps(body))
    except ElasticsearchUnreachableError as error:
        raise Retryable(str(error)) from error
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
