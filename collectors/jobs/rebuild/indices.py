"""The indices of a rebuild: each made like the one it will stand for, but for its aliases, and known as this job's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date

from collectors.errors import Halt
from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.cluster import MARK, Cluster, Index, Recipe, RefusedError
from collectors.jobs.rebuild.record import Record
from collectors.jobs.sums import Sums
from schemas.events import Kind
from sluice.eventstore.names import PERIOD_FORMS, JobIndex, job_index_of, job_stem


class RebuiltIndices:
    """Of one job; its record has a token that it alone knows, so that two jobs of one name on two hosts do not mix."""

    def __init__(self, cluster: Cluster, job: str, record: Record, kinds: Sequence[Kind]) -> None:
        names = cluster.settings.indices.names()
        self._cluster = cluster
        self._job = job
        self._record = record
        self._stems: Mapping[Kind, str] = {kind: names[kind] for kind in kinds}
        self._made: set[str] = set()
        self._making = asyncio.Lock()

    @property
    def _mark(self) -> Mapping[str, str]:
        return {"job": self._job, "token": self._record.token}

    @property
    def targets(self) -> Mapping[Kind, str]:
        """The stems that are written instead of the entry's own."""
        return {kind: job_stem(self._job, kind) for kind in self._stems}

    def place_of(self, index: JobIndex) -> str:
        """The name of the index that a rebuilt one will stand for."""
        return f"{self._stems[index.kind]}-{index.date}"

    def stem_of(self, index: JobIndex) -> str:
        """The alias that readers ask."""
        return self._stems[index.kind]

    async def existing(self) -> list[JobIndex]:
        """All that were made for this job, by kind and date; UsageError where one is another's."""
        found: list[JobIndex] = []
        for kind, stem in self.targets.items():
            for index in await self._cluster.find(f"{stem}-*"):
                name = job_index_of(index.name)
                if name is not None and (name.job, name.kind) == (self._job, kind):
                    self._refuse_foreign(index)
                    found.append(name)
        return sorted(found)

    def missing(self, sums: Sums, existing: Sequence[JobIndex]) -> list[JobIndex]:
        """Those in which events of these sums should be."""
        wanted = set[JobIndex]()
        for kind, day in sums.days:
            form = PERIOD_FORMS[self._cluster.settings.indices.periods()[kind]]
            wanted.add(JobIndex("rebuild", self._job, kind, date.fromisoformat(day).strftime(form)))
        return sorted(wanted - set(existing))

    async def make(self, names: set[str]) -> None:
        """Those that are not there. Raises Retryable, and Halt where one cannot be, or is not ours."""
        if names <= self._made:
            return
        async with self._making:
            for name in sorted(names - self._made):
                index = job_index_of(name)
                if index is None or index.job != self._job or index.kind not in self._stems:
                    raise Halt(f"{name} is no index of job {self._job}", "nothing is written")
                try:
                    await self._make(index)
                except RefusedError as error:
                    raise Halt(f"{name} cannot be made: {error}", "see the server's log") from error
                self._made.add(name)

    async def _make(self, index: JobIndex) -> None:
        recipe = await self._cluster.recipe(self.place_of(index))
        _check(recipe, self.place_of(index))
        if aliases := (await self._cluster.recipe(index.name)).aliases:
            raise Halt(
                f"a template of the cluster gives {index.name} the alias {next(iter(aliases))}, so that readers would "
                "see it half made",
                "narrow that template's index_patterns",
            )
        mappings = {**recipe.mappings, "_meta": {**(recipe.mappings.get("_meta") or {}), MARK: self._mark}}
        if await self._cluster.create(index.name, {"settings": recipe.settings, "mappings": mappings}):
            return
        for found in await self._cluster.find(index.name):
            try:
                self._refuse_foreign(found)
            except UsageError as error:
                raise Halt(str(error), "nothing is written to it") from error

    def _refuse_foreign(self, index: Index) -> None:
        if index.mark != self._mark:
            raise UsageError(
                f"{index.name} is there and was not made by this job {self._job}: choose another name with --job, or "
                "delete it"
            )


def _check(recipe: Recipe, place: str) -> None:
    """Whether what is written can be proved afterwards."""
    properties = recipe.mappings.get("properties") or {}
    if (properties.get("event_id") or {}).get("type") != "keyword" or "@timestamp" not in properties:
        raise Halt(
            f"no index template gives {place} a mapping with event_id as keyword and @timestamp, so that what is "
            "rebuilt could not be compared",
            "set use_index_templates, or install such a template",
        )
