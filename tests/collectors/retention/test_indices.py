"""Elasticsearch: dated indices of ours, whole, and nothing else, on a real one and on one that says what it is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.errors import Halt, Retryable
from collectors.retention.indices import IndexStore, end_of, start_of
from collectors.retention.settings import Limit
from collectors.retention.stores import Due
from collectors.sinks.elasticsearch.access import open_http
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from schemas.codec import SchemaBook
from sluice.clock import now_micros
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records
from tests.collectors.retention.stored import DAY_MICROS
from tests.servers import Elasticsearch

AGE = Limit(max_age=30 * 86_400.0)
FLOOR = 7 * DAY_MICROS
STEM = "microgateway-analytics"


@pytest.mark.parametrize(
    ("index", "day"),
    [
        (f"{STEM}-2025.01.31", 20_120),
        (f"{STEM}-2024.02.29", 19_783),
        (f"{STEM}-2025.02", 20_148),
        (f"{STEM}-2025.12", 20_454),
        (f"{STEM}-2025", 20_454),
        (f"{STEM}-2025.02.29", None),
        (f"{STEM}-2025.13", None),
        (f"{STEM}-0000.01.01", None),
        (f"{STEM}-9999", None),
        (f"{STEM}-2025.1.31", None),
        (f"{STEM}-2025.01.31-old", None),
        (f"{STEM}-2025.01.31 ", None),
        (f"{STEM}-\u0662\u0660\u0662\u0665.\u0660\u0661.\u0663\u0661", None),
        (f"x{STEM}-2025.01.31", None),
        (f".ds-{STEM}-2025.01.31-000001", None),
        (STEM, None),
        (f"{STEM}-", None),
        (f"{STEM}-eu-2025.01.31", None),
        ("", None),
    ],
)
def test_only_real_dates_behind_the_stem_are_ours(index: str, day: int | None) -> None:
    """Days, months and years, each with its end; whatever only begins alike is nobody's to delete."""
    assert end_of(index, STEM) == (None if day is None else day * DAY_MICROS)


@pytest.mark.parametrize(
    ("date", "day"), [("2025.01.31", 20_119), ("2025.02", 20_120), ("2025", 20_089), ("2025.02.29", None), ("x", None)]
)
def test_a_dated_index_begins_with_its_first_day(date: str, day: int | None) -> None:
    """Of its month or year where it has several."""
    assert start_of(f"{STEM}-{date}", STEM) == (None if day is None else day * DAY_MICROS)


async def test_what_a_rebuild_put_in_a_days_place_goes_as_the_day() -> None:
    """By the alias that it has; one that is only called so, or is in another entry's place, is nobody's."""
    ours, other, free = (f"sluice-rebuild-{job}-analytics-2020.01.01" for job in "abc")
    aliases: dict[str, Any] = {
        ours: {"aliases": {STEM: {}, f"{STEM}-2020.01.01": {}}},
        other: {"aliases": {f"{STEM}-eu-2020.01.01": {}}},
        free: {"aliases": {STEM: {}}},
    }
    named, one = Answer(200, orjson.dumps(aliases)), Answer(200, orjson.dumps({ours: aliases[ours]}))
    store, http = told(listed(ours, other, free), named, Answer(200, b'{"count": 3}'), one, Answer(200, b"{}"))
    found = await store.find("analytics", AGE, FLOOR, now_micros())
    assert [(due.name, due.events) for due in found.due] == [(ours, 3)]
    assert await store.delete("analytics", found.due[0], lambda _: None) == 3
    assert http.asked[-2:] == [f"GET {ours}/_alias", f"DELETE {ours}"]
    store, http = told(Answer(200, orjson.dumps({free: aliases[free]})))
    with pytest.raises(Halt, match="nothing is deleted"):
        await store.delete("analytics", Due(free, 3), lambda _: None)
    assert len(http.asked) == 1


async def test_the_oldest_is_the_one_that_begins_first() -> None:
    """Whatever else there is; none where there is none of ours."""
    rebuilt = "sluice-rebuild-a-analytics-2024.01.01"
    aliases: dict[str, Any] = {rebuilt: {"aliases": {f"{STEM}-2024.01.01": {}}}}
    store, _ = told(
        listed(f"{STEM}-2025.01.01", rebuilt, f"{STEM}-eu-2020.01.01"),
        Answer(200, orjson.dumps(aliases)),
        Answer(404, b""),
    )
    assert await store.oldest("analytics") == 19_723 * DAY_MICROS
    assert await store.oldest("analytics") is None


class Told(ElasticsearchHttp):
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        super().__init__("http://nobody:1")
        self.answers, self.asked = list(answers), list[str]()

    async def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Answer:
        self.asked.append(f"{method} {path.partition('?')[0]}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def listed(*indices: str) -> Answer:
    """What ``_cat`` says; a red index has no size."""
    return Answer(200, orjson.dumps([{"index": name, "store.size": None} for name in indices]))


def told(*answers: Answer | Exception, **settings: Any) -> tuple[IndexStore, Told]:
    """A store of one that is told."""
    http = Told(*answers)
    return IndexStore(ElasticsearchSettings.model_validate(settings), http), http


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ElasticsearchUnreachableError("refused"), Retryable),
        (Answer(403, b"{}"), Halt),
        (Answer(401, b"{}"), Halt),
        (Answer(503, b"{}"), Retryable),
        (Answer(200, b"<html>"), Retryable),
        (Answer(500, b'{"error": "no"}'), Retryable),
    ],
)
async def test_a_server_that_does_not_answer_well_deletes_nothing(answer: Any, error: type[Exception]) -> None:
    """What to do is in the error."""
    store, http = told(answer)
    with pytest.raises(error):
        await store.find("analytics", AGE, FLOOR, now_micros())
    assert all(asked.startswith("GET") for asked in http.asked)


async def test_an_index_that_went_meanwhile_is_no_error() -> None:
    """Twice is once, and what is gone has no events."""
    old = f"{STEM}-2020.01.01"
    store, http = told(listed(old, f"{STEM}-eu-2020.01.01", "other"), Answer(404, b"{}"), Answer(404, b"{}"))
    found = await store.find("analytics", AGE, FLOOR, now_micros())
    assert [(due.name, due.events) for due in found.due] == [(old, 0)]
    assert await store.delete("analytics", found.due[0], lambda _: None) == 0
    assert http.asked == [f"GET _cat/indices/{STEM}-*", f"GET {old}/_count", f"DELETE {old}"]


@pytest.mark.parametrize(
    "name", [f"{STEM}-*", "*", "_all", STEM, f"{STEM}-2025.01.01,other", f"{STEM}-2025.01.01/../x"]
)
async def test_nothing_but_one_of_ours_is_ever_deleted(name: str) -> None:
    """Whatever a caller hands over: no pattern, no alias, no list."""
    store, http = told()
    with pytest.raises(Halt, match="nothing is deleted"):
        await store.delete("analytics", Due(name, 1), lambda _: None)
    assert http.asked == []


async def test_data_streams_have_a_lifecycle_of_their_own() -> None:
    """Said with the remedy, before anything is asked."""
    store, http = told(data_streams=True)
    with pytest.raises(Halt, match="lifecycle_policy"):
        await store.find("analytics", AGE, FLOOR, now_micros())
    assert http.asked == []


async def test_on_a_real_one_old_days_go_whole(elasticsearch_server: Elasticsearch, unique_name: str) -> None:
    """A dry look counts what a deletion deletes; the alias, young days, other kinds and look-alikes stay."""
    stem = f"{unique_name}-analytics"
    settings = ElasticsearchSettings.model_validate(
        {
            "elasticsearch_url": elasticsearch_server.url,
            "indices": {"analytics": stem, "proxy_logs": f"{unique_name}-proxy", "budget": f"{unique_name}-budget"},
        }
    )
    sink, http = ElasticsearchSink(settings, ("analytics",)), open_http(settings)
    store = IndexStore(settings, http)
    now = now_micros()
    await sink.start()
    try:
        ages = [40] * 3 + [35] + [20] * 2 + [0]
        records = [
            make_record("analytics", offset=at, occurred_at=now - age * DAY_MICROS) for at, age in enumerate(ages)
        ]
        prepared = sink.prepare(frame_of_records(SchemaBook(), records))
        assert (await sink.write(prepared.documents)).cause is None
        await http.request("PUT", f"{stem}-eu-2020.01.01")
        await http.request("POST", f"{stem}-*/_refresh")
        found = await store.find("analytics", AGE, FLOOR, now)
        assert [due.events for due in found.due] == [3, 1]
        assert all((due.size_bytes or 0) > 0 for due in found.due)
        assert (await store.find("analytics", Limit(max_bytes=1), FLOOR, now)).events == 6
        assert (await store.find("budget", AGE, FLOOR, now)).due == ()
        deleted = [await store.delete("analytics", due, lambda _: None) for due in found.due]
        assert deleted == [3, 1]
        left = orjson.loads((await http.request("GET", f"{stem}/_count")).body)
        assert left["count"] == 3, "the alias has what is left"
        assert (await http.request("GET", f"{stem}-eu-2020.01.01")).status == 200
        assert (await store.find("analytics", AGE, FLOOR, now)).due == ()
    finally:
        await http.request("DELETE", f"{stem}-*?expand_wildcards=all")
        await sink.close()
        await store.close()
