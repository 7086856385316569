"""Filters as Lucene: they find in a real Elasticsearch what plain Python finds, whatever the values."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Iterator

import pytest

from sluice.eventstore.exports.lucene import EVERYTHING, except_for, lucene_of, missing
from sluice.eventstore.panels.query import Filter
from tests.sluice.eventstore.panels.ledger import random_analytics, write
from tests.sluice.eventstore.panels.oracle import chosen
from tests.sluice.eventstore.panels.test_question import FILTERS
from tests.sluice.eventstore.worlds import ElasticsearchWorld, SharedIndices


@pytest.fixture
def indices() -> Iterator[SharedIndices]:
    """Removed at the end."""
    made = SharedIndices(f"t{secrets.token_hex(5)}")
    yield made
    asyncio.run(made.remove())


@pytest.mark.elasticsearch
def test_lucene_finds_what_the_filters_find(request: pytest.FixtureRequest, indices: SharedIndices) -> None:
    """Empty texts, quotes, wildcards, missing fields, bounds beyond 64 bits, values that no store can hold."""
    asyncio.run(
        _compare(ElasticsearchWorld(request.getfixturevalue("elasticsearch_server").url, indices), indices.name)
    )


async def _compare(world: ElasticsearchWorld, name: str) -> None:
    events = random_analytics(random.Random(3), [1, 2], 300)
    await write(world, events)
    draw = random.Random(5)
    pairs = [tuple(draw.sample(FILTERS, 2)) for _ in range(20)]
    for filters in [*((found,) for found in FILTERS), *pairs]:
        for negated in (False, True):
            text = lucene_of("analytics", filters)
            text = except_for(text) if negated else text
            body = {"query": {"query_string": {"query": text}}}
            answer = await world.http.request("POST", f"{name}-analytics/_count", json.dumps(body).encode())
            assert answer.status == 200, (text, answer.body)
            inside = len(chosen(events, filters))
            assert json.loads(answer.body)["count"] == (len(events) - inside if negated else inside), text
    await world.close()


def test_values_stay_values() -> None:
    """No text of a definition becomes an operator: quotes, backslashes and brackets are escaped."""
    hostile = '" OR *:* OR "\\'
    assert lucene_of("analytics", [Filter("vendor", "is", (hostile,))]) == '(vendor:"\\" OR *:* OR \\"\\\\")'
    assert lucene_of("analytics", [Filter("vendor", "contains", ("a*) b",))]) == "(vendor:*a\\*\\)\\ b*)"


def test_nothing_asked_is_everything_and_fields_can_be_named_otherwise() -> None:
    """An empty query string would find nothing; plugins' fields stand deeper in documents."""
    assert lucene_of("analytics", []) == EVERYTHING
    found = lucene_of("plugin_step", [Filter("decision", "is", (None,))], lambda name: f"plugins.{name}")
    assert found == f"({missing('plugins.decision')})"
