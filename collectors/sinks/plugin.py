"""A plugin as a sink: a ``DataCollector`` that is given events one by one, or a frame at a time.

    None, or success and handled       handled
    success without handled            passed: where no other of the service handles it, the fallback stores it
    no success, an exception,          written again: without end, or ``max_attempts`` times and then a dead letter
    no answer in time, a wrong answer
    the plugin is not ready            nothing is given to it; written again when it is

What comes again is what was not taken: events that were come no second time, but after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from collectors.deliveries import copied
from collectors.errors import Halt, Retryable, Unprocessable, without_values
from collectors.plugin_services import CollectorServices
from collectors.sinks.interface import Prepared, Verdict
from collectors.typed_events import event_of, facts_of
from sluice.plugin_host.deadline import DeadlineExpired, run_within
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.host import LoadedPlugin, PluginHost
from sluice.plugin_host.registration import Instance, scheme_of
from sluice.sdk.collecting import BatchResponse, DataCollectionResponse

if TYPE_CHECKING:
    from collectors.deliveries import Frame
    from collectors.entries import PluginEntry
    from collectors.settings import ControlSettings, HostSettings
    from collectors.sinks.registry import SinkOpening
    from schemas.events import Kind

PING_SECONDS = 5.0
_MAX_FAILURES_IN_ROW = 5
"""Then the rest of a write is not tried: it is the plugin that fails, not an event."""
_METHODS: dict[Kind, str] = {
    "proxy_log": "handle_proxy_log",
    "analytics": "handle_analytics",
    "budget": "handle_budget_usage",
}
_FEW = 4
"""One in so many events of a frame, or fewer."""
_BETWEEN_TURNS = 50
"""Events between which the loop may do something else, for plugins that wait for nothing."""


@dataclass(slots=True, eq=False)
class Item:
    """One event: a row of its frame. It is made into what the plugin gets when the plugin gets it."""

    kind: Kind
    rows: pl.DataFrame
    at: int
    attempts: int = 0


class PluginSink:
    """Holds one plugin and its life; ``keep`` beside the writes."""

    def __init__(self, entry: PluginEntry, host: HostSettings, folder: Path, control: ControlSettings) -> None:
        """``folder`` is where relative paths begin: the one of ``collectors.yaml``."""
        self._entry = entry
        self._registration = entry.registration()
        self._services = CollectorServices(host.data_dir, host.plugin_host.kv, control)
        self._host = PluginHost(
            folder,
            runtime="collector",
            services=self._services.sources.services_of,
            settings=host.plugin_host,
            data_dir=host.data_dir,
        )
        self._loaded: LoadedPlugin | None = None
        self._turns = asyncio.Semaphore(entry.max_concurrent) if entry.max_concurrent else nullcontext()
        self._seconds = entry.timeout_ms / 1000

    async def start(self) -> None:
        """Load the plugin, if it is not. Raises Halt, and Retryable for one that is to be reached somewhere."""
        if self._loaded is not None:
            return
        try:
            await self._host.start([Instance(self._entry.name, self._registration)])
        except PluginLoadError as error:
            if scheme_of(self._registration.command) == "grpc":
                raise Retryable(f"plugin {error.plugin!r}: {error.problem}") from error
            raise Halt(f"plugin {error.plugin!r}: {error.problem}", error.remedy) from error
        (self._loaded,) = self._host.plugins

    async def keep(self) -> None:
        """Keep its process alive, if it has one, and its key-value store clean; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._host.run())
            tasks.create_task(self._services.run())

    async def check(self) -> None:
        """Whether it is ready and answers."""
        plugin = self._ready()
        try:
            await run_within(plugin.running.ping(), PING_SECONDS)
        except Exception as error:
            raise self._cause("ping", error) from error

    def prepare(self, frame: Frame) -> Prepared[Item]:
        """An item for each row."""
        return Prepared([Item(frame.kind, frame.rows, at) for at in range(len(frame.delivery))])

    async def write(self, documents: Sequence[Item]) -> Verdict:
        """Give them to the plugin."""
        verdict = Verdict()
        try:
            plugin = self._ready()
        except Retryable as cause:
            verdict.postpone(range(len(documents)), cause)
            return verdict
        if plugin.running.described.collects_batches:
            await self._give_frame(plugin, documents, verdict)
        else:
            await self._give_singly(plugin, documents, verdict)
        _let_go([documents[at] for at in verdict.retry])
        return verdict

    def _ready(self) -> LoadedPlugin:
        if self._loaded is None:
            raise Retryable(f"plugin {self._entry.name!r} is not loaded")
        condition = self._loaded.running.condition()
        if condition.status != "ready":
            raise Retryable(f"plugin {self._entry.name!r} is {condition.status}: {without_values(condition.error)}")
        return self._loaded

    # one by one

    async def _give_singly(self, plugin: LoadedPlugin, items: Sequence[Item], verdict: Verdict) -> None:
        """Those that failed least come first, so that one that never succeeds is in nobody's way."""
        order = sorted(range(len(items)), key=lambda at: items[at].attempts)
        failures = 0
        for turn, at in enumerate(order, 1):
            item = items[at]
            item.attempts += 1
            cause = await self._give(plugin, item, at, verdict)
            failures = failures + 1 if cause else 0
            if cause is not None:
                self._fail(item, at, cause, verdict)
                if failures == _MAX_FAILURES_IN_ROW or plugin.running.condition().status != "ready":
                    verdict.postpone(order[turn:], cause)
                    return
            if turn % _BETWEEN_TURNS == 0:
                await asyncio.sleep(0)

    def _fail(self, item: Item, at: int, cause: Retryable, verdict: Verdict) -> None:
        """It comes again, unless it came often enough."""
        if 0 < self._entry.max_attempts <= item.attempts:
            verdict.poison[at] = Unprocessable("plugin_failed", str(cause))
        else:
            verdict.postpone((at,), cause)

    async def _give(self, plugin: LoadedPlugin, item: Item, at: int, verdict: Verdict) -> Retryable | None:
        """Why the event must come again; ``None`` where it was taken."""
        if item.kind not in plugin.running.described.collects:
            verdict.passed.append(at)
            return None
        event = event_of(item.kind, item.rows, item.at)
        method = _METHODS[item.kind]
        handle = getattr(plugin.running, method)
        try:
            answer = await self._within(partial(handle, plugin.context(facts_of(event)), event))
            if not _is_handled(method, answer):
                verdict.passed.append(at)
        except Retryable as cause:
            return Retryable(f"plugin {self._entry.name!r}: {cause}")
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises brings the event again
            return self._cause(method, error)
        return None

    async def _within(self, call: Callable[[], Coroutine[Any, Any, object]]) -> object:
        async with self._turns:
            return await run_within(call(), self._seconds)

    def _cause(self, method: str, error: Exception) -> Retryable:
        if isinstance(error, DeadlineExpired):
            return Retryable(f"plugin {self._entry.name!r}: {method} did not answer within {self._seconds:g} s")
        return Retryable(f"plugin {self._entry.name!r}: {method} raised {without_values(described(error))}")

    # a frame at a time

    async def _give_frame(self, plugin: LoadedPlugin, items: Sequence[Item], verdict: Verdict) -> None:
        everything = range(len(items))
        call = partial(plugin.running.handle_batch, plugin.context(), items[0].kind, _frame_of(items))
        try:
            outcomes = _outcomes(await self._within(call), len(items))
        except Retryable as cause:
            verdict.postpone(everything, Retryable(f"plugin {self._entry.name!r}: {cause}"))
        except Exception as error:  # noqa: BLE001 - as above
            verdict.postpone(everything, self._cause("handle_batch", error))
        else:
            for at, outcome in sorted(outcomes.items()):
                items[at].attempts += 1  # of a frame that failed as a whole nobody knows for which event
                try:
                    if not _is_handled("handle_batch", outcome):
                        verdict.passed.append(at)
                except Retryable as cause:
                    self._fail(items[at], at, Retryable(f"plugin {self._entry.name!r}: {cause}"), verdict)

    async def close(self) -> None:
        """Shut the plugin down."""
        self._loaded = None
        await self._host.close()
        await self._services.close()


def _is_handled(method: str, answer: object) -> bool:
    """Whether what was taken was wanted too; raises Retryable for what was not taken."""
    if answer is None:
        return True
    if not isinstance(answer, DataCollectionResponse):
        message = f"{method} answered {type(answer).__name__}, not DataCollectionResponse or None"
        raise Retryable(message)
    decided: tuple[object, ...] = (answer.success, answer.handled)
    if not all(isinstance(each, bool) for each in decided):
        message = f"{method} answered with success or handled that is no bool"
        raise Retryable(message)
    if not answer.success:
        raise Retryable(f"{method} did not succeed: {without_values(str(answer.message)) or 'no reason given'}")
    return answer.handled


def _outcomes(answer: object, size: int) -> dict[int, object]:
    """By position, of the events that are not simply done. Raises Retryable."""
    if answer is None:
        return {}
    if not isinstance(answer, BatchResponse):
        message = f"handle_batch answered {type(answer).__name__}, not BatchResponse or None"
        raise Retryable(message)
    outcomes: dict[Any, object] = dict(answer.outcomes)
    strange = [at for at in outcomes if type(at) is not int or not 0 <= at < size]
    if strange:
        message = f"handle_batch answered for rows that are not there: of {size}, {strange[0]!r:.20}"
        raise Retryable(message)
    return outcomes


def _frame_of(items: Sequence[Item]) -> pl.DataFrame:
    """The rows of the items, in their order; the very frame where they are all of one."""
    pieces: list[tuple[pl.DataFrame, list[int]]] = []
    for item in items:
        if not pieces or pieces[-1][0] is not item.rows:
            pieces.append((item.rows, []))
        pieces[-1][1].append(item.at)
    frames = [rows if places == list(range(rows.height)) else rows[places] for rows, places in pieces]
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def _let_go(items: Sequence[Item]) -> None:
    """Of a frame of which few events come again only those are held on to."""
    by_frame: dict[int, list[Item]] = {}
    for item in items:
        by_frame.setdefault(id(item.rows), []).append(item)
    for held in by_frame.values():
        rows = held[0].rows
        if len(held) * _FEW <= rows.height:
            rows = copied(rows[[item.at for item in held]])
            for at, item in enumerate(held):
                item.rows, item.at = rows, at


def open_sink(entry: PluginEntry, opening: SinkOpening) -> PluginSink:
    """The plugin of an entry, not loaded yet."""
    return PluginSink(entry, opening.host, opening.folder, opening.control)
