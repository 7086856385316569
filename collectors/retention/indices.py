"""Elasticsearch: whole dated indices, and none but those that the sink makes: ``<stem>-YYYY.MM.DD`` and its like, and
those that a rebuild has put in their place, which have that name as an alias."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from collectors.errors import Halt, Retryable, without_values
from collectors.retention.choosing import DAY_MICROS, Piece, choose
from collectors.retention.settings import Limit
from collectors.retention.stores import Due, Found, Progress
from collectors.sinks.elasticsearch.access import cause_of_silence
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from schemas.events import Kind
from sluice.clock import micros_of
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp, ElasticsearchUnreachableError
from sluice.eventstore.names import job_index_of

_DATE = re.compile(r"-(\d{4})(?:\.(\d{2})(?:\.(\d{2}))?)?", re.ASCII)
_LAST_MONTH = 12
_DENIED = (401, 403)


class IndexStore:
    """A ``Store``."""

    def __init__(self, settings: ElasticsearchSettings, http: ElasticsearchHttp) -> None:
        self._settings = settings
        self._stems = settings.indices.names()
        self._http = http

    async def find(self, kind: Kind, limit: Limit, floor_micros: int, now: int) -> Found:
        """Sizes as the server has them on all its copies; events are counted index by index."""
        if self._settings.data_streams:
            raise Halt(
                "a data stream is deleted by its lifecycle", "set lifecycle_policy, and remove it from retention"
            )
        stem = self._stems[kind]
        query = "format=json&bytes=b&h=index,store.size&expand_wildcards=open"
        listed = await self._ask("GET", f"_cat/indices/{quote(stem)}-*?{query}")
        rebuilt = await self._rebuilt(stem, [str(each.get("index")) for each in listed or []])
        pieces = [piece for each in listed or [] if (piece := _piece(each, stem, rebuilt)) is not None]
        chosen = choose(pieces, limit, floor_micros, now)
        due = [Due(piece.name, await self._count(piece.name), piece.size_bytes) for piece in chosen.pieces]
        return Found(tuple(due), chosen.excess_bytes)

    async def oldest(self, kind: Kind) -> int | None:
        """When the first day of the oldest one begins, in microseconds; ``None`` where there is none."""
        stem = self._stems[kind]
        listed = await self._ask("GET", f"_cat/indices/{quote(stem)}-*?format=json&h=index&expand_wildcards=all")
        names = [str(each.get("index")) for each in listed or []]
        rebuilt = await self._rebuilt(stem, names)
        starts = [start for name in names if (start := start_of(rebuilt.get(name, name), stem)) is not None]
        return min(starts, default=None)

    async def _rebuilt(self, stem: str, names: Sequence[str]) -> dict[str, str]:
        """Those of them that stand for a dated index of this stem, with its name."""
        made = {name: f"{stem}-{index.date}" for name in names if (index := job_index_of(name)) is not None}
        if not made:
            return {}
        found = await self._ask("GET", f"{','.join(map(quote, sorted(made)))}/_alias") or {}
        return {name: place for name, place in made.items() if place in (found.get(name) or {}).get("aliases", {})}

    async def _count(self, index: str) -> int:
        answer = await self._ask("GET", f"{quote(index)}/_count")
        return 0 if answer is None else int(answer["count"])

    async def delete(self, kind: Kind, due: Due, progress: Progress) -> int:
        """One index by its whole name, seen once more to be one of ours."""
        rebuilt = await self._rebuilt(self._stems[kind], [due.name])
        if end_of(rebuilt.get(due.name, due.name), self._stems[kind]) is None:
            raise Halt(f"{due.name} is no index of {kind}", "nothing is deleted")
        if await self._ask("DELETE", quote(due.name)) is None:
            return 0
        progress(due.events)
        return due.events

    async def _ask(self, method: str, path: str) -> Any:
        """The answer; ``None`` where there is no such index (any more)."""
        try:
            answer = await self._http.request(method, path)
        except ElasticsearchUnreachableError as error:
            raise cause_of_silence(error, self._settings) from error
        if answer.status == 404:
            return None
        if answer.status in _DENIED:
            raise Halt(
                f"Elasticsearch refuses {method} {path} ({answer.status})", "grant monitor, read and delete_index"
            )
        try:
            document = orjson.loads(answer.body)
        except ValueError as error:
            raise Retryable(f"Elasticsearch answered {answer.status} with what is no JSON") from error
        if answer.status != 200:
            raise Retryable(
                f"Elasticsearch answered {answer.status}: {without_values(answer.body.decode(errors='replace'))}"
            )
        return document

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _piece(listed: dict[str, Any], stem: str, rebuilt: Mapping[str, str]) -> Piece | None:
    name = str(listed.get("index"))
    ends_at = end_of(rebuilt.get(name, name), stem)
    return None if ends_at is None else Piece(name, ends_at, int(listed.get("store.size") or 0))


def start_of(index: str, stem: str) -> int | None:
    """When the day, month or year of a dated index begins, in microseconds; ``None`` for whatever else there is."""
    if end_of(index, stem) is None:
        return None
    year, month, day = ([int(part) for part in index[len(stem) + 1 :].split(".")] + [1, 1])[:3]
    return micros_of(datetime(year, month, day, tzinfo=UTC))


def end_of(index: str, stem: str) -> int | None:
    """When the day, month or year of a dated index ends, in microseconds; ``None`` for whatever else there is."""
    match = _DATE.fullmatch(index, len(stem)) if index.startswith(stem) else None
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        return _end(year or 0, month, day)
    except (ValueError, OverflowError):
        return None


def _end(year: int, month: int | None, day: int | None) -> int:
    """ValueError where there is no such date."""
    begin = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day is not None:
        return micros_of(begin) + DAY_MICROS
    if month is None or month == _LAST_MONTH:
        return micros_of(datetime(year + 1, 1, 1, tzinfo=UTC))
    return micros_of(datetime(year, month + 1, 1, tzinfo=UTC))
