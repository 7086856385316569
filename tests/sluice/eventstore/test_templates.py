"""Index templates: what every day's index is made from, and which version stands."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.events import KINDS, Kind
from sluice.eventstore.documents import ECS, properties
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.names import INDEX_NAMES, daily_index
from sluice.eventstore.templates import (
    PRIORITY,
    SETTINGS_NAME,
    TEMPLATE_VERSION,
    Template,
    installed_version,
    mapping_name,
    templates,
)
from tests.servers import Elasticsearch

ALL = templates(INDEX_NAMES)
COMPONENT = ALL[0]
INDEX = ALL[-1]


def test_what_is_composed_stands_before_what_composes_it() -> None:
    """A server refuses an index template whose components are missing, so the order is that of installation."""
    standing: set[str] = set()
    for template in ALL:
        for part in template.body.get("composed_of", ()):
            assert f"_component_template/{part}" in standing
        standing.add(template.path)
    assert len(standing) == len(ALL) == 1 + 2 * len(KINDS)


def test_each_event_has_its_index_template() -> None:
    """With the days' pattern, the alias that is read, and its own mapping; above all built-in templates."""
    for kind, template in zip(KINDS, ALL[-3:], strict=True):
        stem = INDEX_NAMES[kind]
        assert template.path == f"_index_template/{stem}"
        assert template.body["index_patterns"] == [f"{stem}-*"]
        assert template.body["template"] == {"aliases": {stem: {}}}
        assert template.body["composed_of"] == [SETTINGS_NAME, mapping_name(kind)]
        assert template.body["priority"] == PRIORITY > 100


def test_no_two_templates_match_one_index() -> None:
    """A server refuses two of one priority whose patterns overlap."""
    patterns = [template.body["index_patterns"][0].removesuffix("*") for template in ALL[-3:]]
    assert not [one for one in patterns for other in patterns if one != other and one.startswith(other)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_document_can_grow_the_mapping(kind: Kind) -> None:
    """Fields that nobody mapped are kept and not indexed."""
    (template,) = [found for found in ALL if found.path == f"_component_template/{mapping_name(kind)}"]
    mappings = template.body["template"]["mappings"]
    assert mappings == {"dynamic": False, "properties": properties(kind)}


def test_every_template_has_our_version() -> None:
    """An installer compares it, and operators see whose they are."""
    for template in ALL:
        assert template.body["_meta"] == {"version": TEMPLATE_VERSION, "managed_by": "sluice"}
    assert isinstance(TEMPLATE_VERSION, int)


def test_a_part_of_the_events_needs_only_its_own() -> None:
    """A collector of one event installs settings, one mapping and one index template, under its own stem."""
    paths = [template.path for template in templates({"budget": "acme-budget"})]
    assert paths == [
        "_component_template/microgateway-settings",
        "_component_template/microgateway-budget-mappings",
        "_index_template/acme-budget",
    ]
    assert mapping_name("proxy_log") == "microgateway-proxy-log-mappings"


def answer_with(template: Template, meta: Any) -> dict[str, Any]:
    """A server's answer to a GET of the template."""
    entry = template.path.split("/")[0].removeprefix("_")
    return {f"{entry}s": [{"name": "x", entry: {} if meta is None else {"_meta": meta}}]}


@pytest.mark.parametrize("template", [COMPONENT, INDEX], ids=["component", "index"])
@pytest.mark.parametrize("version", [1, 7, 10**9])
def test_the_installed_version_is_read(template: Template, version: int) -> None:
    """From the answer to a GET of that very template."""
    assert installed_version(template, answer_with(template, {"version": version})) == version


@pytest.mark.parametrize("template", [COMPONENT, INDEX], ids=["component", "index"])
@pytest.mark.parametrize("meta", [None, {}, {"version": None}, {"version": "7"}, {"version": 1.5}, {"other": 1}])
def test_a_template_without_a_version_is_older_than_any(template: Template, meta: Any) -> None:
    """Somebody's own, or a broken one: 0, so that ours is installed."""
    assert installed_version(template, answer_with(template, meta)) == 0
    nothing: list[dict[str, Any]] = [{}, {"index_templates": []}, {"component_templates": []}, {"status": 404}]
    assert [installed_version(template, answer) for answer in nothing] == [0, 0, 0, 0]


def test_the_other_collection_of_an_answer_is_not_looked_at() -> None:
    """A component's version is not an index template's."""
    assert installed_version(INDEX, answer_with(COMPONENT, {"version": 9})) == 0
    assert installed_version(COMPONENT, answer_with(INDEX, {"version": 9})) == 0


async def test_a_real_server_takes_them_and_makes_the_index_we_mean(
    elasticsearch_server: Elasticsearch, unique_name: str
) -> None:
    """Its mapping is ours, aliases answer queries, nothing unknown is indexed, and the version is read back."""
    kind: Kind = "analytics"
    http = ElasticsearchHttp(elasticsearch_server.url, timeout_seconds=30)
    made = templates({kind: unique_name})
    for template in made:
        put = await http.request("PUT", template.path, orjson.dumps(template.body))
        assert put.status == 200, put.body
        got = await http.request("GET", template.path)
        assert installed_version(template, orjson.loads(got.body)) == TEMPLATE_VERSION
    index = daily_index(unique_name, 1_700_000_000_000_000)
    document = {"event_id": "e1", "prompt_tokens": 7, "@timestamp": "2023-11-14T22:13:20.000000Z", "unknown": {"a": 1}}
    put = await http.request("PUT", f"{index}/_doc/e1?refresh=true", orjson.dumps(document))
    assert put.status == 201, put.body
    mapped = orjson.loads((await http.request("GET", f"{index}/_mapping")).body)[index]["mappings"]
    assert mapped["dynamic"] == "false"
    assert set(mapped["properties"]) == set(properties(kind))
    asked: list[tuple[str, dict[str, Any]]] = [
        ("event.id", {"term": {"event.id": "e1"}}),
        ("gen_ai.usage.input_tokens", {"range": {"gen_ai.usage.input_tokens": {"gte": 7, "lt": 8}}}),
        ("occurred_at", {"range": {"occurred_at": {"lt": "2023-11-15"}}}),
    ]
    for field, query in asked:
        assert field in ECS[kind]
        answer = await http.request("POST", f"{unique_name}/_search", orjson.dumps({"query": query}))
        assert [hit["_id"] for hit in orjson.loads(answer.body)["hits"]["hits"]] == ["e1"], field
    await http.request("DELETE", index)
    await http.request("DELETE", made[-1].path)
    await http.close()
