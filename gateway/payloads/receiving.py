"""The control side's end: each payload to the ``EdgePayloadReceiver`` of its plugin, until it is taken or given up.

What counts as an attempt is a call that raised, hung or answered no bool. A plugin that is registered and not ready
(being loaded, its process starting again) is waited for; one that is not registered, or receives nothing, gets a
grace, for it may be on its way. ``False`` is an answer: received, and of no use.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import structlog

from gateway.payloads.envelope import MalformedPayloadError, payload_of, plugin_id_of
from sluice.clock import now_micros
from sluice.plugin_host.deadline import DeadlineExpired, run_within
from sluice.plugin_host.errors import described
from sluice.plugin_host.services import release
from sluice.sdk.context import Context, ExchangeFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.payloads.dead_letters import DeadLetters
    from gateway.telemetry import GatewayMetrics
    from sluice.eventlog.interface import PolledRecord
    from sluice.plugin_host.host import LoadedPlugin, PluginHealth
    from sluice.plugin_host.services import ServicesFactory
    from sluice.sdk.messages import EdgePayload
    from sluice.sdk.services import Services

ACCEPT_SECONDS = 30.0
"""For one call; no exchange waits for it."""
GRACE_SECONDS = 60.0
"""For a plugin that nobody knows."""
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
"""Between attempts: 0.5 s, then twice as long each time."""
_LOOK_SECONDS = 0.25
_MAX_MISSING = 1024
_UNKNOWN = "unknown"
"""What metrics call a plugin that is not here: what a record says of its name may be anything."""

logger = structlog.get_logger(__name__)


class Plugins(Protocol):
    """What is asked of ``gateway.plugins.WorkerPlugins``."""

    @property
    def receivers(self) -> Mapping[int, LoadedPlugin]:
        """Those that take payloads, by plugin id."""
        ...

    def health(self) -> Sequence[PluginHealth]:
        """Of every instance, loaded or not."""
        ...


class Patience(NamedTuple):
    """How long things are waited for, in seconds; tests have less of it."""

    accept: float = ACCEPT_SECONDS
    grace: float = GRACE_SECONDS
    first_pause: float = FIRST_PAUSE_SECONDS
    max_pause: float = MAX_PAUSE_SECONDS
    look: float = _LOOK_SECONDS


class Receiving:
    """A ``pump.Handle``: ``handle`` returns when a payload was taken or is a dead letter."""

    def __init__(
        self,
        plugins: Plugins,
        services: ServicesFactory,
        letters: DeadLetters,
        metrics: GatewayMetrics,
        attempts: int,
        patience: Patience | None = None,
    ) -> None:
        self._plugins = plugins
        self._make_services = services
        self._letters = letters
        self._metrics = metrics
        self._attempts = attempts
        self._patience = patience or Patience()
        self._services: dict[int, tuple[LoadedPlugin, Services]] = {}
        self._missing: dict[int, float] = {}
        """Since when payloads found no plugin, by its id: their grace is one, however many they are."""

    async def handle(self, record: PolledRecord) -> None:
        """Give it to its plugin, as often as need be."""
        try:
            plugin_id, payload = plugin_id_of(record), payload_of(record)
        except MalformedPayloadError as error:
            return await self._bury(record, _UNKNOWN, "malformed", str(error), 0, now_micros())
        return await self._give(record, plugin_id, payload)

    async def _give(self, record: PolledRecord, plugin_id: int, payload: EdgePayload) -> None:
        began, attempts = now_micros(), 0
        while True:
            plugin = await self._present(plugin_id)
            if isinstance(plugin, str):
                reason = f"no plugin with id {plugin_id} receives payloads here"
                return await self._bury(record, _UNKNOWN, plugin, reason, attempts, began)
            problem = await self._attempt(plugin, payload)
            if not problem:
                return None
            attempts += 1
            if attempts >= self._attempts:
                return await self._bury(record, plugin.registration.name, "receiver_failed", problem, attempts, began)
            self._metrics.payloads.add(1, plugin.registration.name, "retried")
            await asyncio.sleep(self._pause(attempts))

    def _pause(self, attempts: int) -> float:
        return min(self._patience.max_pause, self._patience.first_pause * 2.0 ** min(attempts - 1, 30))

    async def _present(self, plugin_id: int) -> LoadedPlugin | Literal["unknown_plugin", "no_receiver"]:
        """The plugin when it is ready, however long that takes; why there is none, after the grace."""
        while True:
            plugin = self._plugins.receivers.get(plugin_id)
            if plugin is not None and plugin.running.condition().status == "ready":
                self._missing.pop(plugin_id, None)
                return plugin
            own = [each for each in self._plugins.health() if each.plugin_id == plugin_id]
            is_on_its_way = plugin is not None or any(not each.is_serving for each in own)
            if is_on_its_way:
                self._missing.pop(plugin_id, None)
            elif self._missing_seconds(plugin_id) >= self._patience.grace:
                return "no_receiver" if own else "unknown_plugin"
            await asyncio.sleep(self._patience.look)

    def _missing_seconds(self, plugin_id: int) -> float:
        """Since a payload found first that there is no plugin."""
        now = asyncio.get_running_loop().time()
        if plugin_id not in self._missing and len(self._missing) >= _MAX_MISSING:
            self._missing.pop(next(iter(self._missing)))  # whoever fills the topic with ids waits for it
        return now - self._missing.setdefault(plugin_id, now)

    async def _attempt(self, plugin: LoadedPlugin, payload: EdgePayload) -> str:
        """What was wrong with the call; empty where the payload was taken."""
        name = plugin.registration.name
        try:
            answer: object = await run_within(
                plugin.running.accept_edge_payload(self._context(plugin), payload), self._patience.accept
            )
        except DeadlineExpired:
            return f"no answer within {self._patience.accept:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its failure, and stays with it
            return f"raised {described(error)}"
        if not isinstance(answer, bool):
            return f"answered {type(answer).__name__}, not bool"
        self._metrics.payloads.add(1, name, "handled" if answer else "passed")
        return ""

    def _context(self, plugin: LoadedPlugin) -> Context:
        registration = plugin.registration
        known = self._services.get(registration.id)
        if known is None or known[0] is not plugin:
            if known is not None:
                release(known[1])
            known = plugin, self._make_services(registration.id, registration.name, "studio")
            self._services[registration.id] = known
        facts = ExchangeFacts(edge_id=plugin.edge_id, edge_namespace=plugin.edge_namespace)
        return Context(facts, known[1], "studio", plugin.key)

    async def _bury(
        self, record: PolledRecord, plugin: str, error_type: str, reason: str, attempts: int, since: int
    ) -> None:
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        logger.error("payload given up", plugin=plugin, error_type=error_type, attempts=attempts, **where)
        await self._letters.bury(record, error_type, reason, attempts, since)
        self._metrics.payloads.add(1, plugin, "dead_lettered")

    def close(self) -> None:
        """Let go of what services hold in the name of receivers."""
        for _, services in self._services.values():
            release(services)
        self._services.clear()
