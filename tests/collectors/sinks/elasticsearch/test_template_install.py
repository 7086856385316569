"""Templates are installed where they are missing or older, never over newer ones, and every failure says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.template_install import install_templates, outdated_templates
from schemas.events import KINDS
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.names import INDEX_NAMES
from sluice.eventstore.templates import TEMPLATE_VERSION, templates
from tests.collectors.scripted_elasticsearch import Reply, ScriptedElasticsearch, error_body

SETTINGS = ElasticsearchSettings()
STEMS = {kind: INDEX_NAMES[kind] for kind in KINDS}
PATHS = [template.path for template in templates(STEMS)]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedElasticsearch]:
    """A scripted server for one test."""
    scripted = ScriptedElasticsearch()
    await scripted.start()
    yield scripted
    await scripted.close()


@pytest.fixture
async def http(server: ScriptedElasticsearch) -> AsyncIterator[ElasticsearchHttp]:
    """A client of it."""
    client = ElasticsearchHttp(server.url, timeout_seconds=5.0)
    yield client
    await client.close()


def answer_to(server: ScriptedElasticsearch, method: str, reply: Reply, path: str = "") -> None:
    """Let each request of that method, whose path ends so, be answered with this."""
    server.guard = lambda request, _: reply if request.startswith(method) and request.endswith(path) else None


def set_version(server: ScriptedElasticsearch, path: str, version: Any) -> None:
    """Make an installed template another version."""
    server.templates[f"/{path}"]["_meta"] = {"version": version}


def puts(server: ScriptedElasticsearch) -> list[str]:
    """The paths that were installed, in order."""
    return [request.partition(" /")[2] for request in server.requests if request.startswith("PUT")]


async def test_everything_is_installed_in_order(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """Components before the templates that are composed of them, each as it is meant to be."""
    assert await install_templates(http, SETTINGS, STEMS) == PATHS
    assert puts(server) == PATHS
    assert server.templates == {f"/{template.path}": template.body for template in templates(STEMS)}


async def test_a_second_installation_changes_nothing(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """Whoever starts next only looks."""
    await install_templates(http, SETTINGS, STEMS)
    server.requests.clear()
    assert await install_templates(http, SETTINGS, STEMS) == []
    assert puts(server) == []


async def test_again_installs_what_is_there(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """Somebody may have broken a template and kept its version."""
    await install_templates(http, SETTINGS, STEMS)
    assert await install_templates(http, SETTINGS, STEMS, again=True) == PATHS


async def test_only_the_kinds_of_the_sink(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """A sink of budgets alone makes nothing for proxy logs; an own name is its template's."""
    installed = await install_templates(http, SETTINGS, {"budget": "money"})
    assert "_index_template/money" in installed
    assert len(installed) == 3
    assert server.templates["/_index_template/money"]["index_patterns"] == ["money-*"]
    assert await install_templates(http, SETTINGS, {}) == []


@pytest.mark.parametrize("again", [False, True])
async def test_a_newer_template_is_left_alone(
    server: ScriptedElasticsearch, http: ElasticsearchHttp, *, again: bool
) -> None:
    """During an upgrade the old service does not take the new one's template back, asked again or not."""
    await install_templates(http, SETTINGS, STEMS)
    for path in PATHS:
        set_version(server, path, TEMPLATE_VERSION + 1)
    assert await install_templates(http, SETTINGS, STEMS, again=again) == []


@pytest.mark.parametrize("version", [TEMPLATE_VERSION - 1, "1", None, [], {"a": 1}])
async def test_an_older_or_a_foreign_template_is_replaced(
    server: ScriptedElasticsearch, http: ElasticsearchHttp, version: Any
) -> None:
    """Only that one; a version that is no number is somebody else's, and as none."""
    await install_templates(http, SETTINGS, STEMS)
    set_version(server, PATHS[2], version)
    assert await install_templates(http, SETTINGS, STEMS) == [PATHS[2]]
    assert server.templates[f"/{PATHS[2]}"]["_meta"]["version"] == TEMPLATE_VERSION


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("reply", "expected", "part"),
    [
        (Reply(503, b"<html>"), Retryable, "503"),
        (Reply(429, b"", {"retry-after": "7"}), Retryable, "429"),
        (Reply(401, error_body("security_exception", "who?")), Halt, "username"),
        (Reply(403, b""), Halt, "rights"),
        (Reply(405, b""), Halt, "elasticsearch_url"),
        (Reply(302, b""), Halt, "elasticsearch_url"),
        (Reply(400, error_body("illegal_argument_exception", "conflicts")), Halt, "use_index_templates: false"),
        (Reply(200, b"<html>login</html>"), Retryable, "unreadable"),
        (Reply(200, b"[]"), Retryable, "unreadable"),
        (Reply(200, b""), Retryable, "unreadable"),
        (Reply(200, b"{}", cut_at=0), Retryable, "Error"),
    ],
)
async def test_what_a_refusal_means(
    server: ScriptedElasticsearch,
    http: ElasticsearchHttp,
    method: str,
    reply: Reply,
    expected: type[Exception],
    part: str,
) -> None:
    """Looking or installing: what passes is waited for, what somebody must change halts and says what."""
    answer_to(server, method, reply)
    with pytest.raises(expected, match=part):
        await install_templates(http, SETTINGS, STEMS)


async def test_retry_after_is_passed_on(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """What the server asked for reaches whoever waits."""
    answer_to(server, "GET", Reply(429, b"", {"retry-after": "7"}))
    with pytest.raises(Retryable) as caught:
        await install_templates(http, SETTINGS, STEMS)
    assert caught.value.retry_after_seconds == 7.0


async def test_a_halt_names_the_template(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """Which of the seven it was is in the line, and the foreign message's values are not."""
    answer_to(server, "PUT", Reply(400, error_body("illegal_argument_exception", "bad value 'hunter2'")), PATHS[1])
    with pytest.raises(Halt) as caught:
        await install_templates(http, SETTINGS, STEMS)
    assert PATHS[1] in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_failure_half_way_is_gone_on_from(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """What was installed stays, and the next attempt installs the rest alone."""
    answer_to(server, "PUT", Reply(503), PATHS[3])
    with pytest.raises(Retryable):
        await install_templates(http, SETTINGS, STEMS)
    server.guard = lambda _request, _headers: None
    assert await install_templates(http, SETTINGS, STEMS) == PATHS[3:]


async def test_a_put_that_is_answered_with_404_is_no_success(
    server: ScriptedElasticsearch, http: ElasticsearchHttp
) -> None:
    """Only a look may find nothing: whoever has no such path is no Elasticsearch."""
    answer_to(server, "PUT", Reply(404, b"nginx"))
    with pytest.raises(Halt, match="elasticsearch_url"):
        await install_templates(http, SETTINGS, STEMS)


async def test_a_server_that_is_away_is_waited_for(server: ScriptedElasticsearch, http: ElasticsearchHttp) -> None:
    """Refused connections are no halt."""
    await server.close()
    with pytest.raises(Retryable):
        await install_templates(http, SETTINGS, STEMS)


@pytest.mark.parametrize(
    "found",
    [
        {"component_templates": None},
        {"component_templates": [7]},
        {"component_templates": {"component_template": {}}},
        {"component_templates": [{}]},
        {"component_templates": [{"component_template": None}]},
        {"component_templates": [{"component_template": []}]},
        {"component_templates": [{"component_template": {"_meta": "text"}}]},
    ],
)
async def test_an_answer_of_another_form_is_unreadable(
    server: ScriptedElasticsearch, http: ElasticsearchHttp, found: dict[str, Any]
) -> None:
    """JSON that is none of Elasticsearch's says nothing of the template: asked again, and nothing is installed."""
    answer_to(server, "GET", Reply(200, orjson.dumps(found)))
    with pytest.raises(Retryable, match="unreadable"):
        await install_templates(http, SETTINGS, STEMS)
    assert puts(server) == []


@pytest.mark.parametrize("meta", [None, {}])
async def test_a_template_without_meta_is_as_none(
    server: ScriptedElasticsearch, http: ElasticsearchHttp, meta: dict[str, Any] | None
) -> None:
    """Somebody's own: replaced."""
    await install_templates(http, SETTINGS, STEMS)
    server.templates[f"/{PATHS[0]}"]["_meta"] = meta
    assert await install_templates(http, SETTINGS, STEMS) == [PATHS[0]]


async def test_what_is_outdated_is_told_without_installing(
    server: ScriptedElasticsearch, http: ElasticsearchHttp
) -> None:
    """The same as would be installed: what is missing or older, and not what is newer."""
    assert await outdated_templates(http, SETTINGS, STEMS) == PATHS
    assert puts(server) == []
    await install_templates(http, SETTINGS, STEMS)
    assert await outdated_templates(http, SETTINGS, STEMS) == []
    set_version(server, PATHS[0], TEMPLATE_VERSION - 1)
    set_version(server, PATHS[1], TEMPLATE_VERSION + 1)
    assert await outdated_templates(http, SETTINGS, STEMS) == [PATHS[0]]
    assert await install_templates(http, SETTINGS, STEMS) == [PATHS[0]]
