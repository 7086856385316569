"""A rebuilt index takes the place of a day's index, and nothing is lost on the way.

1 look   2 whole?   3 catch up   4 prove equal   5 block the old   6 catch up   7 prove again   8 copy   9 swap

What is written late while this goes on is in the log before it is in the old index, so what 6 carries over is all that
the old one can have got before it was blocked; whoever writes later finds the new one under the same name. A process
that is killed before 9 leaves the old index blocked and in its place, and its next run goes through all of it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from collectors.errors import CollectorError
from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.cluster import Cluster, Index, RefusedError
from collectors.jobs.rebuild.figures import IndexFigures, surplus
from collectors.jobs.rebuild.indices import RebuiltIndices
from collectors.jobs.rebuild.interface import Span, State, Swapped, Swapping
from collectors.jobs.rebuild.places import Place, change, look_at
from collectors.jobs.rebuild.record import Record
from collectors.jobs.rebuild.spans import differing, span_of, within
from collectors.jobs.sums import Sums
from sluice.eventstore.names import JobIndex

_SHOWN_IDS = 5
_NOT_COMPARED = -1
_REMEDY = "look into the job's failures.jsonl, and rebuild it under another name"


class _NotNowError(Exception):
    """This place stays as it is; the message says why."""


class Swap:
    """All places of one job, one after the other."""

    def __init__(self, cluster: Cluster, indices: RebuiltIndices, record: Record, swapping: Swapping) -> None:
        self._cluster = cluster
        self._indices = indices
        self._record = record
        self._asked = swapping
        self._sums = swapping.sums
        self._spans: Sequence[Span] = ()

    async def run(self) -> list[Swapped]:
        """Raises Retryable, Halt, EventLogError: then the rest is as it was."""
        existing, results = await self._indices.existing(), list[Swapped]()
        self._spans = [span_of(index) for index in existing]
        for index in self._indices.missing(self._sums, existing):
            results.append(self._result(index, "refused", f"{index.name} is not there any more; {_REMEDY}"))
        for done, index in enumerate(existing):
            self._asked.progress(done, len(existing), f"swap {index.date}")
            results.append(await self._one(index))
        self._asked.progress(len(existing), len(existing), "swap")
        return results

    async def _one(self, index: JobIndex) -> Swapped:
        name = self._indices.place_of(index)
        try:
            place = await look_at(self._cluster, name)
            if place.held_by is not None and place.held_by.name == index.name:
                await self._unblock(index.name)
                return self._result(index, "swapped before")
            await self._refuse_partial(index)
            await self._open(index)
            checked = await self._prove(index)
            compared = await self._compare(index, place, checked)
            return await self._exchange(index, place, checked, compared)
        except (_NotNowError, UsageError) as error:
            return self._result(index, "refused", str(error))
        except RefusedError as error:
            return self._result(index, "refused", f"{error}; nothing was changed: try again with --resume")

    async def _open(self, index: JobIndex) -> None:
        """A later job that took its place has left it blocked."""
        for own in await self._cluster.find(index.name):
            if own.is_blocked:
                await self._cluster.block(own.name, is_blocked=False)

    async def _refuse_partial(self, index: JobIndex) -> None:
        if why := await self._asked.wholeness(span_of(index)):
            raise _NotNowError(why)

    async def _prove(self, index: JobIndex, before: Sums | None = None) -> Sums:
        """What it holds, which is what the log has by now; ``before`` is what it was proved to hold already."""
        span = span_of(index)
        self._sums = await self._asked.catch_up(self._spans)
        wanted = within(self._sums, span)
        found = await IndexFigures(self._cluster, index.kind, index.name).read(with_ids=before != wanted)
        if before == wanted:
            for day, sums in found.days.items():
                sums.checksum = before.days[day].checksum if day in before.days else 0
        if lines := await differing(index, self._sums, found, self._asked.distinct):
            raise _NotNowError("; ".join(lines) + f"; {_REMEDY}")
        return found

    async def _compare(self, index: JobIndex, place: Place, checked: Sums) -> int:
        """Before the old one is blocked, which then is for less long: with how many documents it was found to have
        nothing that the log has not; none where writes went on too fast to say.

        What is too much may only be late: then it is carried over, and not too much the next time.
        """
        old = place.held_by
        if old is None or self._asked.drop_surplus:
            return _NOT_COMPARED
        documents, count, first = await self._surplus(index, old)
        if not count:
            return documents
        await self._prove(index, checked)
        documents, count, again = await self._surplus(index, old)
        if stays := set(first) & set(again):
            raise self._too_much(place, count, sorted(stays))
        return _NOT_COMPARED if count else documents

    async def _surplus(self, index: JobIndex, old: Index) -> tuple[int, int, list[str]]:
        """How many documents it has, how many of them the rebuilt one has not, and the first of these."""
        await self._cluster.refresh(old.name)
        documents = await self._cluster.count(old.name)
        return documents, *await surplus(self._cluster, old.name, index.name, _SHOWN_IDS)

    async def _refuse_surplus(self, index: JobIndex, place: Place, old: Index, compared: int) -> None:
        """When it is blocked, and all that the log has is carried over."""
        await self._cluster.refresh(old.name)
        if self._asked.drop_surplus or await self._cluster.count(old.name) == compared:
            return
        _, count, first = await self._surplus(index, old)
        if count:
            raise self._too_much(place, count, first)

    def _too_much(self, place: Place, count: int, ids: Sequence[str]) -> _NotNowError:
        return _NotNowError(
            f"{place.name} has {count} events that the log does not have, such as {', '.join(ids)}: they would be "
            "gone; look at them, and say --yes where they may go"
        )

    async def _exchange(self, index: JobIndex, place: Place, checked: Sums, compared: int) -> Swapped:
        old = place.held_by
        if old is None:
            await self._take(index, place, "")
            return self._result(index, "swapped")
        await self._block(old)
        is_done = False
        try:
            await self._prove(index, checked)
            await self._refuse_surplus(index, place, old, compared)
            kept = "" if self._asked.delete_old else await self._keep(index, old, place)
            await self._take(index, place, kept)
            is_done = True
        finally:
            await asyncio.shield(self._settle(old, is_done=is_done))
        return self._result(index, "swapped", kept=kept)

    async def _keep(self, index: JobIndex, old: Index, place: Place) -> str:
        """The name by which what is there now will be found; what was copied before the process died is used."""
        if place.is_alias:
            return old.name
        kept = index._replace(making="replaced").name
        if not await self._cluster.find(kept):
            await self._cluster.copy(old.name, kept)
        await self._cluster.wait_for(kept)
        await self._cluster.refresh(kept)
        if await self._cluster.count(kept) != await self._cluster.count(old.name):
            raise _NotNowError(f"{kept} is there and is no copy of {old.name}: delete it, and try again")
        return kept

    async def _take(self, index: JobIndex, place: Place, kept: str) -> None:
        if kept:
            self._record.kept[index.name] = kept
            self._record.save()
        aliases = (await self._cluster.recipe(place.name)).aliases
        stem, delete_old = self._indices.stem_of(index), self._asked.delete_old
        actions = change(place, index.name, aliases, stem=stem, delete_old=delete_old)
        await self._cluster.change_aliases(actions)

    async def _block(self, old: Index) -> None:
        """It is written down first: what somebody else blocked stays blocked where nothing comes of this."""
        if not old.is_blocked and old.name not in self._record.blocked:
            self._record.blocked.append(old.name)
            self._record.save()
        if not old.is_blocked:
            await self._cluster.block(old.name, is_blocked=True)

    async def _settle(self, old: Index, *, is_done: bool) -> None:
        if is_done:
            self._forget_block(old.name)
            return
        await self._unblock(old.name)

    async def _unblock(self, name: str) -> None:
        if name not in self._record.blocked:
            return
        try:
            await self._cluster.block(name, is_blocked=False)
        except (RefusedError, CollectorError):  # it went, or the server did: the next run tries again
            return
        self._forget_block(name)

    def _forget_block(self, name: str) -> None:
        if name in self._record.blocked:
            self._record.blocked.remove(name)
            self._record.save()

    def _result(self, index: JobIndex, state: State, reason: str = "", kept: str = "") -> Swapped:
        kept = kept or (self._record.kept.get(index.name, "") if state == "swapped before" else "")
        events = within(self._sums, span_of(index)).events
        return Swapped(index.kind, self._indices.place_of(index), state, reason, kept, events)


async def undo(cluster: Cluster, indices: RebuiltIndices, record: Record, names: Sequence[JobIndex]) -> list[Swapped]:
    """What was kept takes its place again; the rebuilt index stays, under its own name alone."""
    results = []
    for index in names:
        place = await look_at(cluster, indices.place_of(index))
        if place.held_by is None or place.held_by.name != index.name:
            continue
        kept = record.kept.get(index.name, "")
        if not kept or not await cluster.find(kept):
            why = "nothing was kept of what it took the place of"
            results.append(Swapped(index.kind, place.name, "refused", why))
            continue
        await cluster.block(kept, is_blocked=False)
        actions = change(place, kept, {}, stem=indices.stem_of(index), delete_old=False)
        await cluster.change_aliases(actions)
        results.append(Swapped(index.kind, place.name, "undone", kept=index.name))
    return results
