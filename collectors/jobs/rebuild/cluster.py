"""What a rebuild asks of Elasticsearch and OpenSearch beside writing: indices, aliases, blocks, copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from collectors.errors import Halt, Retryable, without_values
from collectors.sinks.elasticsearch.access import cause_of_silence, open_http
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError

MARK = "sluice_rebuild"
"""In ``_meta`` of a rebuilt index's mapping: which job made it."""

_PATIENT_SECONDS = 300.0
"""For one request: a large index is refreshed, counted, or copied."""
_LOOK_SECONDS = 10
"""How often it is looked why an index is not ready yet."""
_CONNECTIONS = 2
_RIGHTS = (
    "grant manage on the indices (the sink's own and sluice-rebuild-*, sluice-replaced-*), read on them, and "
    "manage_index_templates"
)


class RefusedError(Exception):
    """The server said no to one request; nothing was changed by it."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(f"Elasticsearch answered {status} {kind}: {reason}")
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Index:
    """One that there is."""

    name: str
    aliases: Mapping[str, Any] = field(default_factory=dict)
    """Name → how it is one: filter, routing."""
    mappings: Mapping[str, Any] = field(default_factory=dict)
    is_blocked: bool = False
    """For writes, by somebody's setting."""

    @property
    def mark(self) -> Any:
        """Which job made it, where it is a rebuilt one."""
        return (self.mappings.get("_meta") or {}).get(MARK)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the templates give to an index of a name."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, Any] = field(default_factory=dict)


class Cluster:
    """All raise Retryable and Halt, and RefusedError where what is asked cannot be as things stand."""

    def __init__(self, settings: ElasticsearchSettings, http: ElasticsearchHttp | None = None) -> None:
        self.settings = settings
        patient = settings.model_copy(update={"timeout": max(settings.timeout, _PATIENT_SECONDS)})
        self._http = http or open_http(patient, connections=_CONNECTIONS)

    async def recipe(self, name: str) -> Recipe:
        """Asked of the server itself, so that whoever's templates they are, they are what a new index would get."""
        # OpenSearch will not say it of a name that is an alias; of a longer one that is nobody's it does
        asked = f"{name}_" if self.settings.flavour == "opensearch" else name
        answer = await self.ask("POST", f"_index_template/_simulate_index/{quote(asked)}")
        found = answer.get("template") or {}
        return Recipe(found.get("settings") or {}, found.get("mappings") or {}, found.get("aliases") or {})

    async def find(self, name: str) -> list[Index]:
        """The index of this name, or those that an alias of this name stands for; empty where there is neither."""
        found = await self.ask("GET", quote(name), may_miss=True)
        return [] if found is None else [_index(each, facts) for each, facts in sorted(found.items())]

    async def create(self, name: str, body: Mapping[str, Any]) -> bool:
        """False where there is an index of this name."""
        try:
            await self.ask("PUT", quote(name), body)
        except RefusedError as error:
            if error.kind == "resource_already_exists_exception":
                return False
            raise
        return True

    async def refresh(self, name: str) -> None:
        """Let searches see all that was written."""
        await self.ask("POST", f"{quote(name)}/_refresh")

    async def count(self, name: str) -> int:
        """Its documents; call ``refresh`` first."""
        return int((await self.ask("GET", f"{quote(name)}/_count"))["count"])

    async def search(self, name: str, body: Mapping[str, Any], shown: str = "") -> Any:
        """An answer of all shards, or none; ``shown`` is a filter of its paths."""
        path = f"{quote(name)}/_search?allow_partial_search_results=false"
        return await self.ask("POST", path + (f"&filter_path={shown}" if shown else ""), body)

    async def block(self, name: str, *, is_blocked: bool) -> None:
        """For writes. Twice is once."""
        value = True if is_blocked else None
        await self.ask("PUT", f"{quote(name)}/_settings", {"index.blocks.write": value})

    async def copy(self, name: str, target: str) -> None:
        """The same documents under another name, whole when this returns; ``name`` must be blocked."""
        await self.ask("PUT", f"{quote(name)}/_clone/{quote(target)}")
        await self.wait_for(target)

    async def wait_for(self, name: str) -> None:
        """Until its documents can be read. Who waits may keep writers out meanwhile: what can never be is said soon."""
        path = f"_cluster/health/{quote(name)}?wait_for_status=yellow&timeout={_LOOK_SECONDS}s"
        for _ in range(int(_PATIENT_SECONDS) // _LOOK_SECONDS):
            if not (await self.ask("GET", path, may_be_late=True)).get("timed_out"):
                return
            if why := await self._why_nowhere(name):
                raise Retryable(f"the server has no place for {name}: {why}")
        raise Retryable(f"{name} was not ready after {int(_PATIENT_SECONDS)} s")

    async def _why_nowhere(self, name: str) -> str:
        """Why no node may hold its first shard: a full disk, a filter of nodes. Empty where it only takes its time, or
        nobody may ask."""
        body = {"index": name, "shard": 0, "primary": True}
        try:
            found = await self.ask("POST", "_cluster/allocation/explain", body)
        except (RefusedError, Halt):
            return ""
        if found.get("can_allocate") != "no":
            return ""
        reasons = [
            str(decider.get("explanation"))
            for node in found.get("node_allocation_decisions") or ()
            for decider in node.get("deciders") or ()
        ]
        return (reasons or [str(found.get("allocate_explanation"))])[0]

    async def change_aliases(self, actions: Sequence[Mapping[str, Any]]) -> None:
        """All of them, or none."""
        await self.ask("POST", "_aliases", {"actions": list(actions)})

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        may_miss: bool = False,
        may_be_late: bool = False,
    ) -> Any:
        """The answer's JSON; ``None`` where there is no such thing and ``may_miss``."""
        try:
            answer = await self._http.request(method, path, None if body is None else orjson.dumps(body))
        except ElasticsearchUnreachableError as error:
            raise cause_of_silence(error, self.settings) from error
        if may_miss and answer.status == HTTPStatus.NOT_FOUND:
            return None
        is_late = may_be_late and answer.status == HTTPStatus.REQUEST_TIMEOUT
        if answer.status != HTTPStatus.OK and not is_late:
            raise _cause(answer, f"{method} {path.partition('?')[0]}")
        try:
            return orjson.loads(answer.body)
        except ValueError as error:
            raise Retryable("unreadable answer of Elasticsearch") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _index(name: str, facts: Mapping[str, Any]) -> Index:
    blocks = ((facts.get("settings") or {}).get("index") or {}).get("blocks") or {}
    is_blocked = any(blocks.get(each) in {"true", True} for each in ("write", "read_only"))
    return Index(name, facts.get("aliases") or {}, facts.get("mappings") or {}, is_blocked)


def _cause(answer: Answer, asked: str) -> Exception:
    try:
        error = msgspec.json.decode(answer.body)["error"]
        kind, reason = str(error["type"]), str(error["reason"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        kind, reason = "", ""
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and kind != "cluster_block_exception":
        return Halt(f"Elasticsearch refuses {asked} ({answer.status})", _RIGHTS)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Retryable(f"Elasticsearch answered {answer.status} to {asked}: {without_values(reason)}")
    return RefusedError(answer.status, kind, reason[:500])
