"""Where and for whom a hook runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from sluice.sdk.services import Services

Runtime = Literal["gateway", "studio", "collector"]
"""``studio`` is the control side."""


class ExchangeFacts(msgspec.Struct):
    """What the host knows of an exchange and fills in as it learns more; authors see it through a ``Context``."""

    request_id: str = ""
    exchange_id: str = ""
    app_id: int | None = None
    user_id: int | None = None
    llm_id: int | None = None
    llm_slug: str = ""
    vendor: str = ""
    traceparent: str = ""
    tracestate: str = ""
    edge_id: str = ""
    """The gateway's id."""
    edge_namespace: str = ""
    user: str = ""
    """The person's id as authentication gave it, which need not be a number."""
    claims: dict[str, str] = msgspec.field(default_factory=dict)
    states: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """By plugin: what each keeps for itself during the exchange."""
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    overridden_by: str = ""
    """The plugin that left ``upstream_override`` in ``metadata``."""


class Context:
    """One plugin's read-only view of an exchange, with its services.

    A view, because a context is made for every hook of every exchange: two references cost a tenth of ten copies.
    """

    __slots__ = ("_facts", "_plugin", "_runtime", "_services")

    def __init__(
        self, facts: ExchangeFacts, services: Services, runtime: Runtime = "gateway", plugin: str = ""
    ) -> None:
        self._facts = facts
        self._services = services
        self._runtime = runtime
        self._plugin = plugin

    @property
    def runtime(self) -> Runtime:
        """Which process the plugin runs in."""
        return self._runtime

    @property
    def services(self) -> Services:
        """What the runtime offers to this plugin."""
        return self._services

    @property
    def request_id(self) -> str:
        """The client's own id of the request where it gave a well-formed one; it may repeat."""
        return self._facts.request_id

    @property
    def exchange_id(self) -> str:
        """The gateway's id of the exchange, unique; empty in ``initialize`` and ``shutdown``."""
        return self._facts.exchange_id

    @property
    def app_id(self) -> int | None:
        """The credentialed caller; ``None`` before authentication."""
        return self._facts.app_id

    @property
    def user_id(self) -> int | None:
        """The person behind the app; ``None`` where none is known, or the id is no number."""
        return self._facts.user_id

    @property
    def llm_id(self) -> int | None:
        """The LLM that is called."""
        return self._facts.llm_id

    @property
    def llm_slug(self) -> str:
        """Its slug."""
        return self._facts.llm_slug

    @property
    def vendor(self) -> str:
        """Whose LLM it is."""
        return self._facts.vendor

    @property
    def metadata(self) -> Mapping[str, str]:
        """What earlier plugins of this exchange left with ``context_updates``."""
        return MappingProxyType(self._facts.metadata)

    @property
    def trace_context(self) -> Mapping[str, str]:
        """W3C trace context to continue: ``traceparent`` and ``tracestate`` where the client sent them."""
        given = {"traceparent": self._facts.traceparent, "tracestate": self._facts.tracestate}
        return {name: value for name, value in given.items() if value}

    @property
    def claims(self) -> Mapping[str, str]:
        """What authentication said of the caller."""
        return MappingProxyType(self._facts.claims)

    @property
    def edge_id(self) -> str:
        """The gateway's id."""
        return self._facts.edge_id

    @property
    def edge_namespace(self) -> str:
        """The group of gateways that it belongs to; empty is none."""
        return self._facts.edge_namespace

    @property
    def state(self) -> dict[str, Any]:
        """The plugin's own, for this exchange: what one hook leaves its later ones find; nobody else sees it."""
        return self._facts.states.setdefault(self._plugin, {})
