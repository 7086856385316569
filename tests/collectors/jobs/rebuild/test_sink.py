"""The sink of a rebuild writes what the entry's does, elsewhere, and never to an index that nobody made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from collectors.errors import Retryable
from collectors.jobs.rebuild.indices import RebuiltIndices
from collectors.jobs.rebuild.record import Record
from collectors.jobs.rebuild.sink import RebuildSink
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from schemas.events import KINDS
from tests.collectors.jobs.rebuild.bench import events
from tests.collectors.jobs.rebuild.told import error, said, told

GOOD = {"template": {"mappings": {"properties": {"event_id": {"type": "keyword"}, "@timestamp": {}}}}}


def sink(*answers: Any) -> tuple[RebuildSink, Any]:
    """Of job ``j``; what is asked to make indices is told, and what would be written is caught."""
    cluster, http = told(*answers)
    settings = ElasticsearchSettings()
    made = RebuildSink(settings, KINDS, RebuiltIndices(cluster, "j", Record(Path(), "t"), KINDS))
    made._http, bulks = told(*[said({"errors": False, "items": []})] * 9)[1], http
    return made, bulks


async def test_documents_are_the_entrys_own_in_other_indices() -> None:
    """Byte for byte, and ``create`` under the event's id."""
    frame = events("analytics", 0.5, 1.5)
    made, _ = sink()
    own = ElasticsearchSink(ElasticsearchSettings(), KINDS).prepare(frame).documents
    for rebuilt, live in zip(made.prepare(frame).documents, own, strict=True):
        action, _, document = rebuilt.partition(b"\n")
        live_action, _, live_document = live.partition(b"\n")
        assert document == live_document
        index = orjson.loads(live_action)["create"]["_index"].replace("microgateway-", "sluice-rebuild-j-")
        assert orjson.loads(action) == {"create": {**orjson.loads(live_action)["create"], "_index": index}}


async def test_each_index_is_made_before_its_first_document() -> None:
    """Once, whatever comes after."""
    made, http = sink(*[said(GOOD), said({}), said({})] * 2)
    documents = made.prepare(events("analytics", 0.5, 1.5, 1.6)).documents
    await made.write(documents)
    await made.write(documents)
    assert sum(asked.startswith("PUT sluice-rebuild-j-analytics-") for asked in http.asked) == 2
    assert len(http.asked) == 6


async def test_where_one_cannot_be_made_nothing_is_written() -> None:
    """All of the batch comes again, for the reason that the server gave."""
    made, _ = sink(error(503, "unavailable"))
    verdict = await made.write(made.prepare(events("budget", 0.5, 0.6)).documents)
    assert verdict.retry == [0, 1]
    assert isinstance(verdict.cause, Retryable)
    assert made._http.asked == []  # type: ignore[attr-defined]
