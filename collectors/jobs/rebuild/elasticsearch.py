"""A rebuild in Elasticsearch or OpenSearch: indices outside every read pattern, swapped in by alias."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from collectors.entries import ElasticsearchEntry
from collectors.errors import Halt
from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.cluster import Cluster, RefusedError
from collectors.jobs.rebuild.figures import IndexFigures
from collectors.jobs.rebuild.indices import RebuiltIndices
from collectors.jobs.rebuild.interface import Distinct, Progress, Swapped, Swapping
from collectors.jobs.rebuild.record import Record
from collectors.jobs.rebuild.sink import RebuildSink
from collectors.jobs.rebuild.spans import differing
from collectors.jobs.rebuild.swapping import Swap, undo
from collectors.jobs.sums import Sums
from schemas.events import Kind
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventstore.names import job_stem


class ElasticsearchRebuild:
    """A ``Rebuild``. Nothing is reached before ``prepare``, nor the folder before it is there."""

    def __init__(self, entry: ElasticsearchEntry, folder: Path, job: str, kinds: Sequence[Kind]) -> None:
        _refuse_reach(entry, job)
        self._record = Record(folder)
        self._cluster = Cluster(entry.config)
        self._indices = RebuiltIndices(self._cluster, job, self._record, kinds)
        self._swap_lock = folder.parent / f".swap-{entry.name}.lock"
        self.sink = RebuildSink(entry.config, kinds, self._indices, connections=entry.flow.max_writes + 2)

    async def prepare(self) -> None:
        """Refuse what others made under this job's names."""
        self._record.load()
        with _refused():
            await self._indices.existing()

    async def verify(
        self, sums: Sums, distinct: Distinct, progress: Progress = lambda _done, _total, _what: None
    ) -> list[str]:
        """Every index that the job made, and those that it should have made. One that is in its place was proved, and
        live writes go to it."""
        with _refused():
            return await self._verified(sums, distinct, progress)

    async def _verified(self, sums: Sums, distinct: Distinct, progress: Progress) -> list[str]:
        existing = await self._indices.existing()
        lines = [f"{index.name} is not there any more, or closed" for index in self._indices.missing(sums, existing)]
        for done, index in enumerate(existing):
            progress(done, len(existing), f"verify {index.date}")
            if index.name in [each.name for each in await self._cluster.find(self._indices.place_of(index))]:
                continue
            found = await IndexFigures(self._cluster, index.kind, index.name).read()
            lines += await differing(index, sums, found, distinct)
        progress(len(existing), len(existing), "verify")
        return lines

    async def swap(self, swapping: Swapping) -> list[Swapped]:
        """One process of a host at a time for an entry."""
        with self._alone(), _refused():
            return await Swap(self._cluster, self._indices, self._record, swapping).run()

    async def undo(self) -> list[Swapped]:
        """What came late since is in the rebuilt index alone: a plain replay brings it."""
        with self._alone(), _refused():
            return await undo(self._cluster, self._indices, self._record, await self._indices.existing())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            lock = FileLock(self._swap_lock, "")
        except JournalBusyError as error:
            raise UsageError(
                f"process {error.pid or 'unknown'} swaps indices of this entry: try again when it is done"
            ) from error
        try:
            yield
        finally:
            lock.release()

    async def close(self) -> None:
        """Close the connections."""
        await self.sink.close()
        await self._cluster.close()


@contextmanager
def _refused() -> Iterator[None]:
    """What a server says no to stops the job, which can be gone on with."""
    try:
        yield
    except RefusedError as error:
        raise Halt(str(error), "see whether its indices are there and open; nothing was changed by this") from error


def _refuse_reach(entry: ElasticsearchEntry, job: str) -> None:
    """What is rebuilt must not be seen before it is swapped in."""
    if entry.config.data_streams:
        raise UsageError(
            f"--rebuild: {entry.name} writes to data streams, whose backing indices are by age and not by day, and "
            "have no alias to swap; replay without --rebuild, or write to dated indices"
        )
    for key, stem in entry.config.indices.names().items():
        for kind in entry.config.indices.names():
            for making in ("rebuild", "replaced"):
                if f"{job_stem(job, kind, making)}-".startswith(f"{stem}-"):
                    raise UsageError(
                        f"--rebuild: {job_stem(job, kind, making)}-… would be in reach of indices.{key}: {stem!r}, "
                        "whose readers would see it before it is whole; give these indices a longer name"
                    )
