"""The renderer of ``control.dialect: reference``: rows with their relations, its messages, its refusals.

What the reference has not (rotation, the audit, attachments' settings) looks as in the clean dialect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.control.api.plugin_views import PluginsHealth, TestedPlugin, by_plugin, state_of
from gateway.control.api.reference import operations, rows, usage
from gateway.control.api.reference.figures import llm_names, token_counts
from gateway.control.api.reference.refusals import refusal_body
from gateway.control.api.reference.rows import Row
from gateway.control.api.renderer import MESSAGES, Answer, CleanRenderer, NewToken, Probe, view_of
from gateway.control.api.report_views import AttachedPlugin, BudgetOverview
from gateway.control.api.services import BudgetStatus, Identity
from gateway.control.api.system_views import SystemState
from gateway.control.api.usage_views import Event, OneBody
from gateway.control.api.views import at, at_or_none
from gateway.control.entities import AppEntity, LlmEntity, PluginEntity, PriceEntity, TokenEntity
from sluice.eventstore.queries import Costs, LlmStats, Summary

if TYPE_CHECKING:
    from gateway.control.api.problems import Problem
    from gateway.control.api.services import ControlServices
    from gateway.control.store import ControlStore
    from gateway.settings import Settings

MAX_RELATED = 100
"""Rows inside a row: of an app's tokens, of an LLM's apps, of a plugin's LLMs."""
MAX_TOKENS = 1000
"""The reference does not page tokens; so many of an app, the newest, are all that is shown."""

_MESSAGES = {
    "plugin.tested": "Plugin test completed successfully",
    "system.reloaded": "AI Gateway configuration reloaded successfully",
}
_ONLY_MESSAGES = frozenset(("llm.plugins.updated", "app.llms.updated", "budget.updated", "token.revoked"))
_UNWRAPPED = frozenset(("plugin.health", "token.validated"))
_CLEAN = frozenset(("token.rotated", "credential.created", "credential.listed", "credential.read", "budget.spent"))

Show = Callable[[Any], Row | Awaitable[Row]]


class ReferenceRenderer:
    """Reads relations from the store as it renders."""

    def __init__(self, store: ControlStore, settings: Settings) -> None:
        self._store = store
        self._upstream = settings.gateway.upstream
        self._clean = CleanRenderer()
        self._with_relations: dict[str, Callable[[Any], Awaitable[Row]]] = {
            "llm.read": self._llm_with_apps,
            "llm.listed": self._llm_with_apps,
            "app.read": self._app_with_tokens,
            "plugin.listed": self._plugin_with_llms,
        }
        self._shown: dict[type[Any], Callable[[Any], Row]] = {
            LlmEntity: self._llm,
            AppEntity: rows.app_row,
            TokenEntity: rows.token_row,
            NewToken: rows.new_token_row,
            PriceEntity: rows.price_row,
            PluginEntity: rows.plugin_row,
            AttachedPlugin: lambda attached: rows.plugin_row(attached.plugin),
            TestedPlugin: operations.tested_row,
            PluginsHealth: operations.health_body,
            BudgetStatus: usage.budget_row,
            BudgetOverview: usage.overview_row,
            Event: usage.event_row,
            OneBody: usage.body_row,
            Summary: usage.summary_row,
            LlmStats: usage.stats_row,
            Identity: _identity,
        }

    async def answer(self, operation: str, answer: Answer) -> Mapping[str, Any]:
        """As existing scripts read it."""
        if operation in _CLEAN:
            return await self._clean.answer(operation, answer)
        body: dict[str, Any] = {}
        if answer.data is not None and operation not in _ONLY_MESSAGES:
            body["data"] = await self._data(operation, answer.data)
        if operation in _UNWRAPPED:
            unwrapped: Row = body["data"]
            return unwrapped
        if answer.page is not None and operation != "token.listed":
            page = answer.page
            sizes = {"limit": page.limit, "page": page.page, "total": page.total}
            body["pagination"] = {**sizes, "total_pages": page.total_pages}
        if answer.time_range is not None:
            start, end = answer.time_range
            body["time_range"] = {"end_time": at(end), "start_time": at(start)}
        if operation in MESSAGES:
            body["message"] = _message(operation, answer)
        return body

    async def refusal(self, operation: str, problem: Problem) -> tuple[int, Mapping[str, Any]]:
        """``error`` and ``message``; where the reference answers and this version has nothing, that there is none."""
        if operation == "plugin.oci_status" and problem.status == 501:
            return 200, operations.oci_status()
        return problem.status, refusal_body(operation, problem)

    def probe(self, name: Probe, body: Mapping[str, Any], services: ControlServices) -> Mapping[str, Any]:
        """With the service's name and its plugins' health."""
        states = [state_of(instances) for instances in by_plugin(services.plugins.health()).values()]
        return operations.probe_body(name, body, states, services.info)

    async def _data(self, operation: str, data: Any) -> Any:
        if operation == "token.listed":
            return await self._all_tokens(data)
        if operation == "budget.history":
            return [usage.usage_row(status) for status in data]
        if isinstance(data, Sequence):
            return [await self._row(operation, each) for each in data]
        return await self._row(operation, data)

    async def _row(self, operation: str, value: Any) -> Any:
        if operation in self._with_relations:
            return await self._with_relations[operation](value)
        if isinstance(value, SystemState):
            return operations.system_row(value.info, await token_counts(self._store.database))
        if isinstance(value, Costs):
            ids = {each.llm_id for each in value.by_llm if each.llm_id}
            return usage.costs_row(value, await llm_names(self._store.database, ids))
        show = self._shown.get(type(value))
        return view_of(value) if show is None else show(value)

    def _llm(self, llm: LlmEntity) -> Row:
        return rows.llm_row(llm, self._upstream)

    async def _llm_with_apps(self, llm: LlmEntity) -> Row:
        apps = await self._store.apps.linked_to(llm.id, MAX_RELATED)
        return {**self._llm(llm), "Apps": [rows.app_row(app) for app in apps], "Filters": []}

    async def _app_with_tokens(self, app: AppEntity) -> Row:
        tokens = await self._store.tokens.find(limit=MAX_RELATED, app_id=app.id)
        llms = [await self._store.llms.get(link.llm_id) for link in app.llms[:MAX_RELATED]]
        related = {
            "Tokens": [rows.app_token_row(token) for token in tokens.items],
            "LLMs": [self._llm(llm) for llm in llms],
        }
        return {**rows.app_row(app), **related}

    async def _plugin_with_llms(self, plugin: PluginEntity) -> Row:
        llms = await self._store.llms.linked_to(plugin.id, MAX_RELATED)
        return {**rows.plugin_row(plugin), "llms": [self._llm(llm) for llm in llms]}

    async def _all_tokens(self, some: Sequence[TokenEntity]) -> list[Row]:
        """All tokens of the app whose first page these are, the newest first."""
        if not some:
            return []
        app_id = some[0].app_id
        total = (await self._store.tokens.find(limit=1, app_id=app_id)).total
        last = max(-(-total // MAX_TOKENS), 1)
        pages = [
            (await self._store.tokens.find(page=page, limit=MAX_TOKENS, app_id=app_id)).items
            for page in range(max(last - 1, 1), last + 1)
        ]
        found = [token for page in pages for token in page][-MAX_TOKENS:]
        return [rows.token_row(token) for token in reversed(found)]


def _message(operation: str, answer: Answer) -> str:
    if isinstance(answer.data, TestedPlugin) and answer.data.error:
        return "Plugin test failed"
    return _MESSAGES.get(operation, MESSAGES[operation])


def _identity(identity: Identity) -> Row:
    return {
        "app_id": identity.app_id,
        "expires_at": at_or_none(identity.expires_at),
        "scopes": list(identity.scopes),
        "valid": True,
    }
