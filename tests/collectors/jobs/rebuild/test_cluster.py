"""Every answer of a server is one of three things: what was asked for, not now, or no; and no is never half."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.errors import Halt, Retryable
from collectors.jobs.rebuild.cluster import MARK, Cluster, RefusedError
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchUnreachableError
from tests.collectors.jobs.rebuild.told import error, said, told
from tests.servers import Elasticsearch


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (ElasticsearchUnreachableError("refused"), Retryable),
        (error(401, "security_exception"), Halt),
        (error(403, "security_exception"), Halt),
        (error(403, "cluster_block_exception"), RefusedError),
        (error(400, "illegal_argument_exception"), RefusedError),
        (error(404, "aliases_not_found_exception"), RefusedError),
        (error(429, "es_rejected_execution_exception"), Retryable),
        (error(500, "anything"), Retryable),
        (Answer(502, b"<html>"), Retryable),
        (Answer(404, b"<html>"), RefusedError),
        (Answer(400, b"\xff"), RefusedError),
        (Answer(400, b"[" * 100_000), RefusedError),
        (said({"error": "text"}, 400), RefusedError),
        (Answer(200, b"<html>"), Retryable),
    ],
)
async def test_an_answer_says_what_to_do(answer: Any, cause: type[Exception]) -> None:
    """Rights are named where they lack."""
    cluster, _ = told(answer)
    with pytest.raises(cause) as raised:
        await cluster.change_aliases([])
    if cause is Halt:
        assert "grant manage on the indices" in str(raised.value)


async def test_what_there_is_is_read_with_its_names_and_blocks() -> None:
    """Nothing where there is none; a block of either kind keeps writers out."""
    facts = {
        "b": {"aliases": {"x": {}}, "mappings": {"_meta": {MARK: {"job": "j"}}}, "settings": {"index": {}}},
        "a": {"settings": {"index": {"blocks": {"read_only": "true"}}}},
        "c": {"settings": {"index": {"blocks": {"write": "false"}}}},
    }
    cluster, http = told(said(facts), error(404, "index_not_found_exception"))
    first, second, third = await cluster.find("x-*")
    assert [first.name, second.name, third.name] == ["a", "b", "c"]
    assert [first.is_blocked, second.is_blocked, third.is_blocked] == [True, False, False]
    assert (second.mark, first.mark, second.aliases) == ({"job": "j"}, None, {"x": {}})
    assert await cluster.find("y") == []
    assert http.asked[1] == "GET y"


async def test_an_index_is_made_once() -> None:
    """Who comes second is told; whatever else keeps it from being made is an error."""
    cluster, _ = told(said({}), error(400, "resource_already_exists_exception"), error(400, "mapper_parsing_exception"))
    assert await cluster.create("a", {})
    assert not await cluster.create("a", {})
    with pytest.raises(RefusedError, match="mapper_parsing_exception"):
        await cluster.create("a", {})


async def test_a_copy_is_there_when_it_is_said_to_be() -> None:
    """Or not ready is said."""
    late = [said({"timed_out": True}, 408), error(400, "illegal_argument_exception")] * 30
    cluster, http = told(said({}), said({"timed_out": False}), said({}), *late)
    await cluster.copy("a", "b")
    assert http.asked[0] == "PUT a/_clone/b"
    with pytest.raises(Retryable, match="b was not ready after 300 s"):
        await cluster.copy("a", "b")


async def test_a_copy_that_no_node_can_hold_is_not_waited_for() -> None:
    """The server's own reason is said after the first look; what is only slow, or may not be asked, is waited for."""
    late, decider = said({"timed_out": True}, 408), {"decider": "disk_threshold", "explanation": "the disk is full"}
    nowhere = {
        "can_allocate": "no",
        "node_allocation_decisions": [{"deciders": [decider]}],
        "allocate_explanation": "x",
    }
    slow = [late, said({"can_allocate": "throttled"}), late, error(403, "security_exception")]
    cluster, http = told(said({}), *slow, late, said(nowhere))
    with pytest.raises(Retryable, match="the server has no place for b: the disk is full"):
        await cluster.copy("a", "b")
    assert http.asked[2::2] == ["POST _cluster/allocation/explain"] * 3
    cluster, _ = told(late, said({"can_allocate": "no", "allocate_explanation": "no node"}))
    with pytest.raises(Retryable, match="no place for b: no node"):
        await cluster.wait_for("b")


async def test_a_real_server_says_that_it_has_no_place(elasticsearch_server: Elasticsearch, unique_name: str) -> None:
    """An index that may lie on no node that there is."""
    settings = ElasticsearchSettings.model_validate({"elasticsearch_url": elasticsearch_server.url})
    cluster = Cluster(settings)
    nowhere = {"index.routing.allocation.require._name": "nobody", "index.number_of_replicas": 0}
    try:
        await cluster.ask("PUT", f"{unique_name}?wait_for_active_shards=0", {"settings": nowhere})
        assert "nobody" in await cluster._why_nowhere(unique_name)
    finally:
        await cluster.ask("DELETE", unique_name)
        await cluster.close()


@pytest.mark.parametrize(("flavour", "name"), [("elasticsearch9", "a-1"), ("opensearch", "a-1_")])
async def test_what_templates_give_is_asked_of_the_server(flavour: str, name: str) -> None:
    """OpenSearch refuses a name that is an alias, so it is asked for one that is not."""
    cluster, http = told(said({}), said({"template": {"aliases": {"a": {}}}}), flavour=flavour)
    assert (await cluster.recipe("a-1")).mappings == {}
    assert (await cluster.recipe("a-1")).aliases == {"a": {}}
    assert http.asked[0] == f"POST _index_template/_simulate_index/{name}"


async def test_a_search_is_of_all_shards_or_none() -> None:
    """A figure without one of its shards would be a wrong figure; a name cannot become another request."""
    cluster, http = told(said({}))
    await cluster.search("a?b/c", {}, shown="hits")
    assert http.asked == ["POST a%3Fb/c/_search?allow_partial_search_results=false&filter_path=hits"]


async def test_it_is_patient_and_closes() -> None:
    """A large index takes longer to refresh than a bulk may."""
    cluster = Cluster(ElasticsearchSettings.model_validate({"timeout": "2s"}))
    assert cluster._http._timeout_seconds == 300.0
    await cluster.close()
