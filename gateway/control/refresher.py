"""Keeps a worker's snapshot as new as the control database.

1 look: at the host's generation file when somebody touched it, each second at the database itself
2 read: what changed since, into a new snapshot, swapped whole   3 load: plugins, beside what serves, then chained
4 retire: plugins that serve no more are shut down when the exchanges that began with them are over

What takes long (a plugin that is loaded) keeps nothing else from taking effect: a token that is revoked is refused
meanwhile. A database that cannot be read leaves the last snapshot, and is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from gateway.control.entities import Changes, LlmEntity, PluginEntity
from gateway.control.errors import ChangesLostError
from gateway.plugins import uses
from gateway.snapshot import Snapshot
from sluice.beats import seconds_to_beat
from sluice.plugin_host.services import ServicesFactory, bare_services

if TYPE_CHECKING:
    from gateway.access.credentials import Credentials
    from gateway.control.generation import GenerationFile
    from gateway.control.store import ControlStore
    from gateway.exchange import Exchange
    from gateway.plugins import WorkerPlugins
    from gateway.settings import Settings
    from gateway.snapshot import SnapshotHolder
    from gateway.snapshot_builder import SnapshotBuilder
    from sluice.plugin_host.host import LoadedPlugin

LOOK_SECONDS = 0.05
"""Between two looks at the generation file where nobody tells when it is touched: half of the 100 ms within which a
change is served by. A look is one read of memory, but each wakes an idle worker up."""
POLL_SECONDS = 1.0
TOUCH_SECONDS = 10.0
RETIRE_SECONDS = 660.0
"""How long a plugin that serves no more is kept for exchanges that began with it: longer than any of them lasts, since
a filter that is gone in mid-stream would let the rest of it pass."""
_RETIRE_LOOK_SECONDS = 0.05
_MANY = 2_000
"""Changed entities of which a snapshot is made beside the loop: each takes it some 10 µs."""
_PATIENCE_SECONDS = 1.0
"""How long a change that is none of plugins waits for plugins that others changed, in case they were its own."""
_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 5.0

EntityT = TypeVar("EntityT")

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot, and of what it was made of that which is asked for again."""

    snapshot: Snapshot
    llms: Mapping[int, LlmEntity]
    plugins: Mapping[int, PluginEntity]


async def load(store: ControlStore, builder: SnapshotBuilder, plugins: WorkerPlugins) -> Loaded:
    """Everything; LLMs last, because they need to know their plugins. Raises ControlDatabaseError and SecretError."""
    snapshot = Snapshot()
    llms: dict[int, LlmEntity | None] = {}
    known: dict[int, PluginEntity | None] = {}
    async with aclosing(store.load_in_parts()) as parts:
        async for part in parts:
            llms |= part.llms
            known |= part.plugins
            snapshot = await asyncio.to_thread(builder.change, snapshot, replace(part, llms={}))
    made, found = _merged({}, llms), _merged({}, known)
    plugins.take(found)
    changes = Changes(generation=snapshot.generation, llms=llms)
    return Loaded(await asyncio.to_thread(builder.change, snapshot, changes), made, found)


class Refresher:
    """Of one worker: ``run`` beside the server, ``refresh`` for whoever made a change, ``close`` once behind them."""

    def __init__(
        self,
        *,
        store: ControlStore,
        told: GenerationFile,
        loaded: Loaded,
        snapshots: SnapshotHolder,
        builder: SnapshotBuilder,
        plugins: WorkerPlugins,
        credentials: Credentials,
        exchanges: Callable[[], Collection[Exchange]],
    ) -> None:
        """``loaded`` is what the present snapshot was made of, ``exchanges`` are those under way."""
        self._store = store
        self._told = told
        self._seen = -1
        self._generation = loaded.snapshot.generation
        self._llms: Mapping[int, LlmEntity] = loaded.llms
        self._plugin_entities: Mapping[int, PluginEntity] = loaded.plugins
        self._snapshots = snapshots
        self._builder = builder
        self._plugins = plugins
        self._credentials = credentials
        self._exchanges = exchanges
        self._used: dict[int, int] = {}
        self._reading, self._loading = asyncio.Lock(), asyncio.Lock()
        self._due, self._load_due = asyncio.Event(), asyncio.Event()
        self._plugged_at = -1
        """The generation of the last change that plugins had to do with."""
        self._unchained: set[int] = set()
        """LLMs whose plugins may not be those that they should have."""
        self._retiring: asyncio.Queue[tuple[LoadedPlugin, list[Exchange]]] = asyncio.Queue()

    @property
    def generation(self) -> int:
        """What this worker serves by."""
        return self._generation

    @property
    def llms(self) -> Mapping[int, LlmEntity]:
        """The entities that the present snapshot was made of."""
        return self._llms

    async def start_plugins(self, settings: Settings, folder: Path, services: ServicesFactory = bare_services) -> None:
        """Load the plugins that the first snapshot lacks, and chain them. Raises PluginLoadError."""
        await self._plugins.start(settings, folder, self._llms, self._plugin_entities, services)
        self._chain(llm.id for llm in self._llms.values() if _has_plugins(llm))

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_when_due())
            tasks.create_task(self._load_when_due())
            tasks.create_task(self._retire())
            tasks.create_task(self._touch())
            await self._look()

    async def refresh(self) -> bool:
        """Serve by all that is committed now, plugins included.

        Those that others changed are waited for a moment only. ``False`` where the database cannot be read: then this
        is tried again by itself.
        """
        seen = self._generation
        try:
            await self._read()
        except Exception as error:  # noqa: BLE001 - whatever it raises, what serves serves on
            _warn(error)
            self._due.set()
            return False
        if self._plugged_at > seen or not self._loading.locked():
            await self._load()
        else:
            await self._wait_for_others()
        return True

    async def _wait_for_others(self) -> None:
        """One that hangs while it is loaded keeps no other change from its answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS), self._loading:
                return

    async def close(self) -> None:
        """Write what is not written yet of when tokens were used."""
        await self._touch_now()

    async def _look(self) -> None:
        """1"""
        try:
            touches = self._told.touches(self._look_once)
        except OSError as error:
            logger.info("generation file is polled", each_seconds=LOOK_SECONDS, reason=_described(error))
            await self._look_again_and_again()
        else:
            with closing(touches):
                self._look_once()  # at what was told before
                await asyncio.get_running_loop().create_future()

    def _look_once(self) -> None:
        told = self._told.value
        if told != self._seen:
            self._seen = told
            self._due.set()

    async def _look_again_and_again(self) -> None:
        while True:
            self._look_once()
            await asyncio.sleep(LOOK_SECONDS)

    async def _read_when_due(self) -> None:
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            await _wait(self._due, seconds_to_beat(POLL_SECONDS))
            self._due.clear()
            try:
                await self._read()
                backoff = _FIRST_BACKOFF_SECONDS
            except Exception as error:  # noqa: BLE001 - as above
                _warn(error)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)
                self._due.set()

    async def _read(self) -> None:
        """2."""
        async with self._reading:
            try:
                changes = await self._store.changes_since(self._generation)
            except ChangesLostError:
                await self._read_all()
            else:
                if changes is not None:
                    await self._take(changes)

    async def _take(self, changes: Changes) -> None:
        if len(changes.apps) + len(changes.tokens) + len(changes.llms) <= _MANY:
            self._swap(changes)
            return
        async with self._loading:  # nobody else makes a snapshot meanwhile
            self._plugins.take(_merged(self._plugin_entities, changes.plugins))
            made = await asyncio.to_thread(self._builder.change, self._snapshots.get(), changes)
            self._swap(changes, made)

    def _swap(self, changes: Changes, made: Snapshot | None = None) -> None:
        llms, plugins = _merged(self._llms, changes.llms), _merged(self._plugin_entities, changes.plugins)
        plugged = {llm_id for llm_id in changes.llms for known in (self._llms, llms) if _has_plugins(known.get(llm_id))}
        if changes.plugins:  # else nobody looks through all LLMs
            plugged |= {
                llm.id for llm in llms.values() if any(each.plugin_id in changes.plugins for each in llm.attachments)
            }
        self._plugins.take(plugins)
        self._snapshots.replace(made or self._builder.change(self._snapshots.get(), changes))
        self._llms, self._plugin_entities, self._generation = llms, plugins, changes.generation
        if plugged or changes.plugins:
            self._plugged_at = changes.generation
            self._unchain(plugged)

    async def _read_all(self) -> None:
        """The changes are not kept any more: everything anew, beside the loop, which it would hold for long."""
        async with self._loading:
            loaded = await load(self._store, self._builder, self._plugins)
            self._snapshots.replace(loaded.snapshot)
            self._llms, self._plugin_entities = loaded.llms, loaded.plugins
            self._generation = self._plugged_at = loaded.snapshot.generation
        self._unchain(llm.id for llm in loaded.llms.values() if _has_plugins(llm))

    def _unchain(self, llm_ids: Iterable[int]) -> None:
        self._unchained.update(llm_ids)
        self._load_due.set()

    async def _load_when_due(self) -> None:
        while True:
            await _wait(self._load_due, self._plugins.retry_seconds())
            if not self._load_due.is_set():
                self._retry()
            try:
                await self._load()
            except Exception:  # a fault of ours: exchanges go on as they are
                logger.exception("plugins not loaded")
                await asyncio.sleep(_MAX_BACKOFF_SECONDS)

    def _retry(self) -> None:
        """What a plugin needs may be there by now."""
        failed = self._plugins.failed()
        self._unchain(
            llm.id for llm in self._llms.values() if any(each.plugin_id in failed for each in llm.attachments)
        )

    async def _load(self) -> None:
        """3; what is read meanwhile waits for the next time."""
        async with self._loading:
            if not self._load_due.is_set():
                return
            self._load_due.clear()
            unchained, self._unchained = self._unchained, set()
            try:
                retired = await self._plugins.reconcile(self._llms)
            except BaseException:
                self._unchain(unchained)
                raise
            self._chain(unchained)
        for plugin in retired:
            began = [exchange for exchange in self._exchanges() if uses(exchange.llm, plugin)]
            self._retiring.put_nowait((plugin, began))

    def _chain(self, llm_ids: Iterable[int]) -> None:
        llms = {llm_id: self._llms.get(llm_id) for llm_id in llm_ids}
        if llms:
            snapshot = self._snapshots.get()
            changes = Changes(generation=snapshot.generation, llms=llms)
            self._snapshots.replace(self._builder.change(snapshot, changes))

    async def _retire(self) -> None:
        """4: each when its own exchanges are over, whatever others wait for."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                plugin, began = await self._retiring.get()
                tasks.create_task(self._retire_behind(plugin, began))

    async def _retire_behind(self, plugin: LoadedPlugin, began: list[Exchange]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETIRE_SECONDS
        while loop.time() < deadline and self._are_under_way(began):  # noqa: ASYNC110 - exchanges tell nobody
            await asyncio.sleep(_RETIRE_LOOK_SECONDS)
        await self._plugins.retire([plugin])

    def _are_under_way(self, exchanges: list[Exchange]) -> bool:
        return not {*map(id, exchanges)}.isdisjoint(map(id, self._exchanges()))

    async def _touch(self) -> None:
        while True:
            await asyncio.sleep(TOUCH_SECONDS)
            await self._touch_now()

    async def _touch_now(self) -> None:
        self._used |= self._credentials.take_used()
        if not self._used:
            return
        try:
            await self._store.touch_tokens(self._used)
        except Exception as error:  # noqa: BLE001 - it is kept for the next time
            logger.warning("last use of tokens not written", error=_described(error))
        else:
            self._used = {}


def _merged(values: Mapping[int, EntityT], changes: Mapping[int, EntityT | None]) -> Mapping[int, EntityT]:
    if not changes:
        return values
    merged = {**values, **changes}
    return {entity_id: entity for entity_id, entity in merged.items() if entity is not None}


def _has_plugins(llm: LlmEntity | None) -> bool:
    return llm is not None and bool(llm.attachments)


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _warn(error: Exception) -> None:
    logger.warning("control database cannot be read", error=_described(error))


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
