"""What the API stands on, handed in by whoever assembles a worker, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gateway.access.addresses import Network
    from gateway.control.api.renderer import Renderer
    from gateway.control.entities import PluginEntity
    from gateway.control.store import ControlStore
    from gateway.settings import Settings
    from sluice.eventstore.queries import Bodies, Costs, EventPage, LlmStats, Summary
    from sluice.plugin_host.host import PluginHealth
    from sluice.plugin_host.running import Described


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose token it is: an active one of an active app. Whether it has expired is still to be asked."""

    token_id: int
    app_id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: int | None = None
    """Micros of the epoch."""
    allowed_ips: tuple[Network, ...] = ()
    """The app's; empty allows all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """A budget in one period. ``llm_id`` is ``None`` for all LLMs of the app together; a limit of 0 is none."""

    app_id: int
    llm_id: int | None = None
    limit_nanos: int
    spent_nanos: int
    granted_nanos: int = 0
    """What hosts hold for exchanges to come or under way, beside what was spent."""
    stranded_nanos: int = 0
    """What hosts hold that have not reported for long."""
    prompt_tokens: int = 0
    response_tokens: int = 0
    requests_count: int = 0
    period_start: int
    period_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentBudget:
    """What the ledger has of one budget in one period, whatever its scope: the sum over hosts."""

    scope: str
    """``app``, ``llm`` or ``app_llm``."""
    app_id: int | None
    llm_id: int | None
    spent_nanos: int
    prompt_tokens: int
    response_tokens: int
    requests_count: int
    period_start: int
    period_end: int


class BudgetQueries(Protocol):
    """What the ledger tells."""

    async def status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """The present period's; of the app, or of the app on one LLM. NotFoundError for an unknown app."""
        ...

    async def history(self, app_id: int, start: int, end: int, llm_id: int | None = None) -> Sequence[BudgetStatus]:
        """The periods that touch the time from ``start`` to ``end``, newest first."""
        ...

    async def overview(self) -> Sequence[BudgetStatus]:
        """The present period of every app that has a budget."""
        ...

    async def spent(self, ended_after: int, page: int, limit: int) -> tuple[Sequence[SpentBudget], int]:
        """A page of all that was spent in periods that ended after a moment, and how many there are in all."""
        ...


class PluginControl(Protocol):
    """What the worker's plugins tell; ``gateway.plugins.WorkerPlugins`` is one."""

    def health(self) -> Sequence[PluginHealth]:
        """Of every instance in this worker."""
        ...

    async def try_out(self, plugin: PluginEntity, config: dict[str, Any] | None = None) -> Described:
        """Load it beside those that serve, let it go again, and tell what it said of itself. Raises PluginLoadError."""
        ...


class EventQueries(Protocol):
    """What the event store tells; the part of its ``EventStore`` that the API asks. EventStoreError where it cannot."""

    async def analytics_events(
        self, app_id: int, page: int, limit: int, start: int | None = None, end: int | None = None
    ) -> EventPage:
        """One page of an app's events, newest first."""
        ...

    async def bodies(self, exchange_id: str) -> Bodies | None:
        """The bodies of one exchange, by its id or that of any of its events."""
        ...

    async def summary(self, app_id: int, start: int, end: int) -> Summary:
        """How an app fared in a range of time."""
        ...

    async def costs(self, app_id: int, start: int, end: int) -> Costs:
        """What an app spent in a range of time."""
        ...

    async def llm_stats(self, llm_id: int) -> LlmStats:
        """What an LLM has done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInfo:
    """What the gateway says of itself."""

    version: str
    gateway_id: str
    started_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlServices:
    """Everything a handler may use."""

    store: ControlStore
    refresh: Callable[[], Awaitable[None]]
    """Awaited between a commit and its answer: the next request of this worker sees the change."""
    authenticate: Callable[[str], Identity | None]
    """Whose token this is; ``None`` for an unknown or inactive one, or one of an inactive app."""
    plugins: PluginControl
    budgets: BudgetQueries
    events: EventQueries
    settings: Settings
    info: SystemInfo
    renderer: Renderer
