"""The plugin that this process serves: its configuration, its contexts, its beginning and its end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from sluice.plugin_wire.plugin_pb2 import PluginContext
from sluice.sdk.capabilities import SessionAware
from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.plugin import BasePlugin, read_config
from sluice.sdk.serving.connection import Connection
from sluice.sdk.serving.services import ProcessServices
from sluice.sdk.serving.sessions import Reason, Sessions
from sluice.sdk.wire import Configuration, facts_from_wire
from sluice.sdk.wire.values import decoded_or

MAX_STATES: Final = 10_000
"""Exchanges whose ``ctx.state`` is kept, the latest used; nobody says here when one is over."""


class Calls:
    """How many calls are under way, to let them finish before an end."""

    def __init__(self) -> None:
        self._running = 0
        self._none = asyncio.Event()
        self._none.set()

    @property
    def count(self) -> int:
        """Now."""
        return self._running

    def __enter__(self) -> None:
        self._running += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._running -= 1
        if not self._running:
            self._none.set()

    async def finished(self, seconds: float) -> bool:
        """Whether none is left, after at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True


class Served:
    """One plugin in this process, for whichever host calls it."""

    def __init__(
        self, plugin: BasePlugin[Any], runtime: Runtime, connection: Connection, services: ProcessServices
    ) -> None:
        self.plugin = plugin
        self.runtime = runtime
        self.connection = connection
        self.services = services
        self.ended = asyncio.Event()
        """Set when this process is to end."""
        self.calls = Calls()
        self.sessions = Sessions()
        self._states: OrderedDict[str, dict[str, dict[str, Any]]] = OrderedDict()
        self._lock = asyncio.Lock()
        self._is_initialized = False
        self._configured: Configuration | None = None
        self._has_session = False

    def context(self, message: PluginContext | None = None) -> Context:
        """The context of a call; without a message of one that belongs to no exchange."""
        facts = ExchangeFacts() if message is None else facts_from_wire(message)
        if facts.exchange_id:
            facts.states = self._states_of(facts.exchange_id)
        return Context(facts, self.services, self.runtime, self.plugin.name)

    async def initialize(self, configuration: Configuration) -> None:
        """Configure the plugin. Raises whatever it raises.

        One that was initialised before is shut down first, unless its configuration is the same: several workers may
        attach to one process.
        """
        async with self._lock:
            config = configured(type(self.plugin), configuration)
            self.connection.plugin_id = configuration.plugin_id
            self.connection.broker_id = configuration.broker_id
            if self._configured is not None and self._configured.says_the_same(configuration):
                return
            await self._end_before_another()
            self.sessions.close(Reason.TIMEOUT)  # the host opens another, which this plugin's new life is told of
            self.plugin.config = config
            self._is_initialized = True
            await self.plugin.initialize(self.context(), self.plugin.config)
            self._configured = configuration

    async def begin_session(self, broker_id: int) -> None:
        """Tell the plugin, once, that its services can be called. Raises whatever it raises."""
        self.connection.broker_id = broker_id or self.connection.broker_id
        if isinstance(self.plugin, SessionAware) and self._is_initialized and not self._has_session:
            self._has_session = True
            await self.plugin.on_session_ready(self.context())

    async def end_session(self) -> None:
        """Tell it, once, that they will end. Raises whatever it raises."""
        if isinstance(self.plugin, SessionAware) and self._has_session:
            self._has_session = False
            await self.plugin.on_session_closing(self.context())

    async def shutdown(self) -> None:
        """End the plugin, once. Raises whatever it raises."""
        async with self._lock:
            await self._end()

    async def _end_before_another(self) -> None:
        """A configuration that is right is not refused for what the one before it left."""
        try:
            await self._end()
        except Exception as error:  # noqa: BLE001 - the plugin is the author's
            self.services.logger.error("plugin not shut down", error=f"{type(error).__name__}: {error}")  # noqa: TRY400 - no standard logger

    async def _end(self) -> None:
        if not self._is_initialized:
            return
        self._is_initialized, self._configured = False, None
        try:
            await self.end_session()
        finally:
            await self.plugin.shutdown(self.context())

    def _states_of(self, exchange_id: str) -> dict[str, dict[str, Any]]:
        found = self._states.get(exchange_id)
        if found is None:
            found = self._states[exchange_id] = {}
            if len(self._states) > MAX_STATES:
                self._states.popitem(last=False)
        else:
            self._states.move_to_end(exchange_id)
        return found


def configured(plugin: type[BasePlugin[Any]], configuration: Configuration) -> Any:
    """The configuration as the plugin wants it. Raises pydantic's ValidationError where it is wrong.

    Our host sends values as the operator wrote them; any other has texts, of which a model may want what their JSON
    says: those that it refuses as texts are tried so.
    """
    if configuration.values is not None:
        return read_config(plugin, configuration.values)
    model = plugin.config_type
    return read_config(plugin, configuration.texts if model is None else _for_model(model, configuration.texts))


def _for_model(model: type[BaseModel], texts: Mapping[str, str]) -> dict[str, Any]:
    try:
        model.model_validate(dict(texts))
    except ValidationError as error:
        refused = {str(found["loc"][0]) for found in error.errors(include_url=False) if found["loc"]}
        return {key: decoded_or(value) if key in refused else value for key, value in texts.items()}
    return dict(texts)


def without_values(error: ValidationError) -> str:
    """What is wrong with a configuration, by key; never its values, which may be credentials."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'config'}: {each['msg']}" for each in found)
