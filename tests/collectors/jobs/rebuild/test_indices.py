"""A rebuilt index is like the one it will stand for, nobody sees it, and it is known as its job's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt
from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.cluster import MARK
from collectors.jobs.rebuild.indices import RebuiltIndices
from collectors.jobs.rebuild.record import Record
from collectors.jobs.sums import Day, DaySums, Sums
from schemas.events import KINDS
from sluice.eventstore.names import JobIndex
from tests.collectors.jobs.rebuild.bench import Bench, events, opened, written
from tests.collectors.jobs.rebuild.told import Told, error, said, told
from tests.servers import Elasticsearch

NAME = "sluice-rebuild-j-budget-2024.02.01"
GOOD = {"event_id": {"type": "keyword"}, "@timestamp": {"type": "date"}}
RECIPE = {
    "template": {"mappings": {"properties": GOOD, "_meta": {"mine": 1}}, "settings": {"x": 1}, "aliases": {"a": {}}}
}


def indices(*answers: Any, **settings: Any) -> tuple[RebuiltIndices, Told]:
    """Of job ``j``."""
    cluster, http = told(*answers, **settings)
    return RebuiltIndices(cluster, "j", Record(Path(), "secret"), KINDS), http


async def test_it_gets_what_the_templates_give_but_for_aliases() -> None:
    """And its job's mark, beside whatever the templates say there; it is made once."""
    made, http = indices(said(RECIPE), said({}), said({}))
    await made.make({NAME})
    await made.make({NAME})
    assert http.asked == [
        "POST _index_template/_simulate_index/microgateway-budget-2024.02.01",
        f"POST _index_template/_simulate_index/{NAME}",
        f"PUT {NAME}",
    ]
    meta = {"mine": 1, MARK: {"job": "j", "token": "secret"}}
    assert http.bodies[2] == {"settings": {"x": 1}, "mappings": {"properties": GOOD, "_meta": meta}}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([said({})], "no index template gives microgateway-budget-2024.02.01 a mapping with event_id as keyword"),
        (
            [said({"template": {"mappings": {"properties": {**GOOD, "event_id": {"type": "text"}}}}})],
            "set use_index_templates, or install such a template",
        ),
        ([said(RECIPE), said(RECIPE)], "the alias a, so that readers would see it half made; narrow that template's"),
        ([said(RECIPE), said({}), error(400, "validation_exception")], "cannot be made: .* see the server's log"),
        (
            [said(RECIPE), said({}), error(400, "resource_already_exists_exception"), said({NAME: {}})],
            "was not made by this job j: choose another name with --job, or delete it; nothing is written to it",
        ),
    ],
)
async def test_what_cannot_be_proved_or_is_not_ours_is_not_written(answers: list[Any], problem: str) -> None:
    """Each with its remedy."""
    made, _ = indices(*answers)
    with pytest.raises(Halt, match=problem):
        await made.make({NAME})


@pytest.mark.parametrize("name", ["other", "sluice-rebuild-i-budget-2024.02.01", "microgateway-budget-2024.02.01", "*"])
async def test_no_other_name_is_ever_made(name: str) -> None:
    """Whatever a document's line says."""
    made, http = indices()
    with pytest.raises(Halt, match="is no index of job j"):
        await made.make({name})
    assert http.asked == []


async def test_one_that_this_job_made_before_it_was_killed_is_gone_on_with() -> None:
    """By its mark."""
    ours = {NAME: {"mappings": {"_meta": {MARK: {"job": "j", "token": "secret"}}}}}
    made, _ = indices(said(RECIPE), said({}), error(400, "resource_already_exists_exception"), said(ours))
    await made.make({NAME})


async def test_all_that_are_there_are_the_jobs_or_it_is_refused() -> None:
    """Indices of a job whose name only begins alike are no concern of this one."""
    ours = {"mappings": {"_meta": {MARK: {"job": "j", "token": "secret"}}}}
    found = {NAME: ours, "sluice-rebuild-j-budget-x-budget-2024.02.01": {}}
    made, _ = indices(said({}), said({}), said(found))
    assert await made.existing() == [JobIndex("rebuild", "j", "budget", "2024.02.01")]
    foreign = {NAME: {"mappings": {"_meta": {MARK: {"job": "j", "token": "another host's"}}}}}
    made, _ = indices(said({}), said({}), said(foreign))
    with pytest.raises(UsageError, match=f"{NAME} is there and was not made by this job"):
        await made.existing()


def test_a_day_of_the_log_without_an_index_is_missed() -> None:
    """By the entry's own periods."""
    made, _ = indices(indices={"analytics": "a-{YYYY.MM}"})
    days: Any = [("budget", "2024-02-01"), ("analytics", "2024-02-01"), ("analytics", "2024-02-02")]
    sums = Sums({Day(*each): DaySums(1) for each in days})
    existing = JobIndex("rebuild", "j", "budget", "2024.02.01")
    assert made.missing(sums, [existing]) == [JobIndex("rebuild", "j", "analytics", "2024.02")]
    assert made.place_of(existing) == "microgateway-budget-2024.02.01"
    assert made.stem_of(existing) == "microgateway-budget"


@pytest.fixture
async def bench(elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """An entry of this test alone."""
    async with opened(elasticsearch_server.url, unique_name, tmp_path) as found:
        yield found


async def test_on_a_real_one_both_indices_are_alike(bench: Bench) -> None:
    """Settings and mapping of the rebuilt index are those of the live one, but for what names it."""
    await bench.lived(events("analytics", 0.1))
    job = bench.job()
    await job.replay()
    rebuilt = f"sluice-rebuild-{job.name}-analytics-{bench.place()[-10:]}"
    found = (await bench.client.get(f"/{bench.place()},{rebuilt}")).raise_for_status().json()
    live, other = found[bench.place()], found[rebuilt]
    assert other["mappings"].pop("_meta")[MARK]["job"] == job.name
    assert other["mappings"] == live["mappings"]
    own = ("uuid", "provided_name", "creation_date")
    assert _without(other["settings"]["index"], own) == _without(live["settings"]["index"], own)
    assert (list(live["aliases"]), other["aliases"]) == ([f"{bench.name}-a"], {})


def _without(facts: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in names}


async def test_without_a_template_nothing_is_rebuilt(
    elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path
) -> None:
    """The server would guess a mapping, and nothing could be proved by it."""
    async with opened(elasticsearch_server.url, unique_name, tmp_path, use_index_templates=False) as bench:
        job = bench.job()
        await job.rebuild.prepare()
        verdict = await written(job.rebuild.sink, events("analytics", 0.1))
        assert isinstance(verdict.cause, Halt)
        assert "no index template gives" in str(verdict.cause)
        assert verdict.retry == [0]
        assert not (await bench.client.get(f"/_cat/indices/sluice-*-{bench.name}*?format=json")).json()
