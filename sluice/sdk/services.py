"""What a context hands to a plugin: Protocols, implemented by the host and by ``sluice.sdk.testing``.

Every call may raise a ``ServiceError`` (``sluice.sdk.errors``); its docstring says which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from sluice.sdk.records import App, BudgetStatus, CredentialCheck, LicenseInfo, Llm, ModelPrice

if TYPE_CHECKING:
    import httpx

Scope = Literal[
    "apps.read", "llms.read", "budget.read", "pricing.read", "credentials.validate", "kv.readwrite", "control.send"
]
"""What a registration may grant to a plugin that runs in a process of its own."""

Direction = Literal["local", "up", "down"]
"""Of a message: within this gateway; to control; from control to every edge."""


class Message(msgspec.Struct, frozen=True):
    """What a plugin published."""

    id: str
    topic: str
    payload: bytes
    origin: str = ""
    """``plugin:<id>@<gateway>``."""
    direction: Direction = "local"


Subscriber = Callable[[Message], Awaitable[None]]


class Logger(Protocol):
    """A structured log: a fixed lower-case phrase, and what varies as key-values. Never a body or a credential."""

    def debug(self, event: str, **values: Any) -> Any:
        """For the author alone."""
        ...

    def info(self, event: str, **values: Any) -> Any:
        """Worth knowing."""
        ...

    def warning(self, event: str, **values: Any) -> Any:
        """Somebody should look, some day."""
        ...

    def error(self, event: str, **values: Any) -> Any:
        """Somebody should look, now."""
        ...


class KeyValue(Protocol):
    """A small durable store of the plugin's own, shared by the workers of a host. Keys are text, values bytes."""

    async def read(self, key: str) -> bytes:
        """The value; raises NotFound where there is none or it has expired."""
        ...

    async def write(self, key: str, value: bytes, expires_at: int | None = None) -> bool:
        """Store it, until ``expires_at`` (micros of the epoch); whether the key is new. Raises PayloadTooLarge."""
        ...

    async def write_with_ttl(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        """As ``write``, to expire so many seconds from now."""
        ...

    async def delete(self, key: str) -> bool:
        """Whether there was one."""
        ...

    async def list(self, prefix: str = "", limit: int = 1000) -> Sequence[str]:
        """Keys that begin so and have not expired, in order, at most ``limit``."""
        ...


class Messages(Protocol):
    """Messages among plugins. At most once: who does not keep up loses the oldest, counted."""

    async def publish(self, topic: str, payload: bytes, direction: Direction = "local") -> str:
        """The message's id; raises PayloadTooLarge."""
        ...

    async def subscribe(self, topic: str, subscriber: Subscriber) -> str:
        """Call this for each message of a topic, one after the other; returns what ``unsubscribe`` takes."""
        ...

    async def subscribe_all(self, subscriber: Subscriber) -> str:
        """As ``subscribe``, for every topic."""
        ...

    async def unsubscribe(self, subscription_id: str) -> None:
        """Raises NotFound for one that is not this plugin's."""
        ...


class GatewayServices(Protocol):
    """What the gateway knows, as it serves by it."""

    async def get_app(self, app_id: int) -> App:
        """Raises NotFound. Scope ``apps.read``."""
        ...

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> Sequence[App]:
        """By id. Scope ``apps.read``."""
        ...

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        """How many ``list_apps`` has on all pages. Scope ``apps.read``."""
        ...

    async def get_llm(self, llm_id: int) -> Llm:
        """Raises NotFound. Scope ``llms.read``."""
        ...

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> Sequence[Llm]:
        """By id. Scope ``llms.read``."""
        ...

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        """How many ``list_llms`` has on all pages. Scope ``llms.read``."""
        ...

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """The app's budget, or the one for an LLM alone. Raises NotFound for an unknown app. Scope ``budget.read``."""
        ...

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        """What the model costs now; raises NotFound. Scope ``pricing.read``."""
        ...

    async def list_model_prices(self, vendor: str = "") -> Sequence[ModelPrice]:
        """Of all vendors where none is named. Scope ``pricing.read``."""
        ...

    async def validate_credential(self, secret: str) -> CredentialCheck:
        """Never raises for what is no credential: that one is not valid. Scope ``credentials.validate``."""
        ...

    async def send_to_control(
        self, payload: bytes, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """Send to the plugin of this name on the control side; returns how many payloads wait to be delivered.

        At most 1 MiB, 50 entries of metadata (keys of 256 characters, values of 4,096), 256 characters of
        ``correlation_id``: PayloadTooLarge. Scope ``control.send``.
        """
        ...

    async def send_to_control_json(
        self, value: Any, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """As ``send_to_control``, of a value as JSON."""
        ...

    async def get_license_info(self) -> LicenseInfo:
        """For plugins that ask; needs no scope."""
        ...


class StudioServices(Protocol):
    """What the control side knows."""

    async def list_llms(self, page: int = 1, limit: int = 10) -> Sequence[Llm]:
        """By id."""
        ...

    async def get_llm(self, llm_id: int) -> Llm:
        """Raises NotFound."""
        ...

    async def list_apps(self, page: int = 1, limit: int = 10) -> Sequence[App]:
        """By id."""
        ...

    async def get_app(self, app_id: int) -> App:
        """Raises NotFound."""
        ...


class Services(Protocol):
    """The services of the runtime that a plugin runs in."""

    @property
    def logger(self) -> Logger:
        """A log that already names the plugin."""
        ...

    @property
    def kv(self) -> KeyValue:
        """The plugin's own store."""
        ...

    @property
    def messages(self) -> Messages:
        """Messages to and from other plugins."""
        ...

    @property
    def http(self) -> httpx.AsyncClient:
        """A pooled client: 30 s in all, 10 s to connect."""
        ...

    def gateway(self) -> GatewayServices:
        """Raises ServiceUnavailable on the control side."""
        ...

    def studio(self) -> StudioServices:
        """Raises ServiceUnavailable in a gateway that is no control side too, and in a collector."""
        ...
