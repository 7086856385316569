"""The one seam between what was done and how it is said: every answer and every refusal goes through a renderer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

from gateway.control.api import plugin_views, report_views, system_views, usage_views, views, workflow_views
from gateway.control.api.paging import PageInfo
from gateway.control.api.problems import NOUNS, Problem
from gateway.control.api.services import BudgetStatus, ControlServices, Identity, SpentBudget
from gateway.control.audit import AuditEntry
from gateway.control.entities import AppEntity, Attachment, LlmEntity, LlmLink, PluginEntity, PriceEntity, TokenEntity
from sluice.eventstore.queries import Costs, LlmStats, Summary

_SHOWN_ONCE = "this is the only time that the token is shown; keep it where only its user can read it"
_NOT_AGAIN = "the token was shown in the first answer to this Idempotency-Key, and is kept nowhere"

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        **{
            f"{kind}.{done}": f"{noun} {done} successfully"
            for kind, noun in NOUNS.items()
            for done in ("created", "updated", "deleted")
        },
        "credential.created": "Credential created successfully",
        "credential.deleted": "Credential deleted successfully",
        "token.generated": "Token generated successfully",
        "token.revoked": "Token revoked successfully",
        "token.rotated": "Token rotated successfully",
        "llm.plugins.updated": "LLM plugins updated successfully",
        "llm.plugin_config.updated": "Plugin configuration updated successfully",
        "app.llms.updated": "App LLMs updated successfully",
        "budget.updated": "Budget updated successfully",
        "plugin.tested": "Plugin test completed",
        "plugin.validated": "Plugin validated successfully",
        "plugin.scopes_approved": "Plugin scopes updated successfully",
        "plugin.config_schema_refreshed": "Plugin configuration schema read again",
        "system.reloaded": "Nothing to reload: every change takes effect by itself on the next request",
    }
)
"""What is said of an operation, beside its data."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A credential just made. ``secret`` is ``None`` where its answer is given again."""

    token: TokenEntity
    secret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was done. ``data`` is an entity, another value of ours, a list of them, or nothing."""

    data: object = None
    status: int = 200
    version: int | None = None
    """The ETag's, where it is about an entity."""
    shows_others: bool = False
    """Whether rows of other entities are in it, whose changes leave the version: then it is always sent whole."""
    page: PageInfo | None = None
    time_range: tuple[int, int] | None = None
    """Micros, for figures of a time."""


Probe = Literal["health", "ready", "detailed", "service"]
"""``/health``, ``/ready``, ``/health/detailed`` and ``/``."""


class Renderer(Protocol):
    """How answers look. Operations are named like ``llm.created`` (``MESSAGES`` has those that say something)."""

    async def answer(self, operation: str, answer: Answer) -> Mapping[str, Any]:
        """The body of an answer, as JSON values."""
        ...

    async def refusal(self, operation: str, problem: Problem) -> tuple[int, Mapping[str, Any]]:
        """The status and the body of a refusal."""
        ...

    def probe(self, name: Probe, body: Mapping[str, Any], services: ControlServices) -> Mapping[str, Any]:
        """What the paths outside of the API answer, of what they found."""
        ...


class CleanRenderer:
    """snake_case; ``data`` with ``message`` and ``pagination``; refusals in one shape."""

    async def answer(self, operation: str, answer: Answer) -> Mapping[str, Any]:
        """As the views show it."""
        body: dict[str, Any] = {}
        if answer.data is not None:
            body["data"] = view_of(answer.data)
        if answer.page is not None:
            page = answer.page
            sizes = {"page": page.page, "limit": page.limit, "total": page.total}
            body["pagination"] = {**sizes, "total_pages": page.total_pages}
        if answer.time_range is not None:
            start, end = answer.time_range
            body["time_range"] = {"start_time": views.at(start), "end_time": views.at(end)}
        if operation in MESSAGES:
            body["message"] = MESSAGES[operation]
        return body

    async def refusal(self, operation: str, problem: Problem) -> tuple[int, Mapping[str, Any]]:  # noqa: ARG002
        """``error``, ``message``, ``code``, ``field``, and ``problems`` where several things are wrong."""
        return problem.status, problem_body(problem)

    def probe(
        self,
        name: Probe,  # noqa: ARG002
        body: Mapping[str, Any],
        services: ControlServices,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """As it is."""
        return body


def problem_body(problem: Problem) -> dict[str, Any]:
    """A refusal, in the clean shape."""
    body: dict[str, Any] = {"error": problem.error, "message": problem.message, "code": problem.code}
    if problem.field is not None:
        body["field"] = problem.field
    if problem.problems:
        body["problems"] = [{"field": field, "message": message} for field, message in problem.problems]
    return body


def _new_token(new: NewToken) -> views.NewTokenView:
    shown = views.TokenView.of(new.token).model_dump()
    return views.NewTokenView(**shown, token=new.secret, warning=_SHOWN_ONCE if new.secret else _NOT_AGAIN)


_VIEWS: dict[type[Any], Callable[[Any], views.View]] = {
    LlmEntity: views.LlmView.of,
    AppEntity: views.AppView.of,
    LlmLink: views.LinkView.of,
    TokenEntity: views.TokenView.of,
    NewToken: _new_token,
    PriceEntity: views.PriceView.of,
    PluginEntity: views.PluginView.of,
    Attachment: report_views.AttachmentView.of,
    report_views.AttachedPlugin: report_views.AttachedPluginView.of_attached,
    plugin_views.TestedPlugin: plugin_views.PluginTestView.of,
    plugin_views.PluginsHealth: plugin_views.PluginsHealthView.of,
    workflow_views.ValidatedPlugin: workflow_views.ValidatedPluginView.of,
    workflow_views.Workflow: workflow_views.WorkflowStatusView.of,
    workflow_views.ConfigSchema: workflow_views.ConfigSchemaView.of,
    BudgetStatus: report_views.BudgetView.of,
    SpentBudget: report_views.SpentBudgetView.of,
    report_views.BudgetOverview: report_views.BudgetOverviewView.of,
    usage_views.Event: usage_views.EventView.of,
    usage_views.OneBody: usage_views.body_view,
    Summary: usage_views.SummaryView.of,
    Costs: usage_views.CostsView.of,
    LlmStats: usage_views.LlmStatsView.of,
    AuditEntry: system_views.AuditEntryView.of,
    system_views.SystemState: system_views.SystemView.of,
    Identity: system_views.IdentityView.of,
}


def view_of(data: object) -> Any:
    """A value of ours as JSON values; of a list each."""
    if isinstance(data, Sequence):
        return [view_of(each) for each in data]
    return _VIEWS[type(data)](data).model_dump(mode="json")
