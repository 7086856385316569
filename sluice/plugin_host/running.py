"""A plugin that runs, in whatever process: what the host calls of it.

The methods are those of ``sluice.sdk``'s capabilities, so that nothing above this needs to know where a plugin runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sluice.sdk.capabilities import Hook
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, DataCollectionResponse, ProxyLogData
from sluice.sdk.context import Context
from sluice.sdk.endpoints import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse
from sluice.sdk.messages import EdgePayload
from sluice.sdk.records import App, User

Handler: TypeAlias = Callable[[Context, Any], Coroutine[Any, Any, Any]]
"""One hook: a context and its message, to its answer."""

Where = Literal["in_process", "process", "attached"]

EventType = Literal["proxy_log", "analytics", "budget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a plugin says of itself."""

    name: str
    version: str = ""
    description: str = ""
    where: Where = "in_process"
    handles_chunks: bool = False
    has_endpoints: bool = False
    authenticates: bool = False
    receives_payloads: bool = False
    collects: frozenset[EventType] = frozenset()
    collects_batches: bool = False
    config_schema: Mapping[str, Any] | None = None
    manifest: Mapping[str, Any] | None = None
    generation: str = ""
    """Of a process: ``unified`` or ``legacy``, as far as it can be told."""
    pid: int | None = None
    hooks: tuple[Hook, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a plugin is."""

    status: Literal["ready", "loading", "failed"] = "ready"
    error: str = ""
    restarts: int = 0
    since: int = 0
    """Micros of the epoch."""


class RunningPlugin(ABC):
    """Made, configured and not yet initialised; ``initialize`` once, ``shutdown`` once, also where that failed."""

    @property
    @abstractmethod
    def described(self) -> Described:
        """What it says of itself; complete after ``initialize``."""

    @abstractmethod
    def handlers(self) -> Mapping[Hook, Handler]:
        """The hooks that it implements; asked for after ``initialize``."""

    @abstractmethod
    async def initialize(self, ctx: Context) -> None:
        """Configure it; raises whatever it raises. At most ``INITIALIZE_SECONDS``, which the caller sees to."""

    @abstractmethod
    async def shutdown(self, ctx: Context) -> None:
        """End it, whatever state it is in. Raises nothing that matters."""

    @abstractmethod
    async def ping(self) -> None:
        """Raises where it is not well."""

    @abstractmethod
    async def keep(self) -> None:
        """Keep it alive until cancelled: pings, restarts with backoff. Returns at once for one in this process."""

    @abstractmethod
    def condition(self) -> Condition:
        """How it is, now."""

    async def get_app_by_credential(self, ctx: Context, credential: str) -> App | int | None:  # noqa: ARG002
        """As ``AuthHandler``'s."""
        return None

    async def get_user_by_credential(self, ctx: Context, credential: str) -> User | None:  # noqa: ARG002
        """As ``AuthHandler``'s."""
        return None

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        """As ``CustomEndpointHandler``'s; empty where it is none."""
        return ()

    @abstractmethod
    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        """As ``CustomEndpointHandler``'s."""

    @abstractmethod
    def handle_endpoint_request_stream(self, ctx: Context, request: EndpointRequest) -> AsyncIterator[EndpointChunk]:
        """As ``CustomEndpointHandler``'s."""

    @abstractmethod
    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse | None:
        """As ``DataCollector``'s, and so the next two."""

    @abstractmethod
    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse | None:
        """See above."""

    @abstractmethod
    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> DataCollectionResponse | None:
        """See above."""

    async def handle_batch(self, ctx: Context, kind: str, frame: Any) -> Any:  # noqa: ARG002
        """As ``DataCollector``'s; called only where ``collects_batches``."""
        message = f"{self.described.name} takes no batches of {kind}"
        raise TypeError(message)

    @abstractmethod
    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        """As ``EdgePayloadReceiver``'s."""
