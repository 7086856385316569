"""Makes a plan real over the control API.

What is there by slug or name stays as it is, so that it can be done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.control.admin.errors import RefusedError
from gateway.control.importing.plan import Plan, PlannedApp, PlannedLlm, PlannedPlugin, PlannedPrice
from gateway.control.importing.reading import Row, snake_case

if TYPE_CHECKING:
    from gateway.control.admin.client import AdminClient
    from gateway.control.importing.report import Report

_ALWAYS = "1970-01-01T00:00:00.000000Z"
_STOPS = (401, 403, 429)
"""Refusals that all others would follow."""


def apply_plan(plan: Plan, client: AdminClient, report: Report, *, is_dry: bool) -> None:
    """Make what is not there yet; of what the API refuses the report says why. ``is_dry`` only looks.

    Raises CommandError where the API cannot be asked, or lets nobody in; what was made until then is in the report.
    """
    _Apply(plan, client, report, is_dry).run()


@dataclass(slots=True)
class _Apply:
    plan: Plan
    client: AdminClient
    report: Report
    is_dry: bool
    ids: dict[str, dict[str, int]] = field(default_factory=lambda: {"plugin": {}, "llm": {}})
    """Kind → slug → the id that it has here; 0 where it would be made."""
    found: dict[str, Row] = field(default_factory=dict)
    """Slug → the LLM that was there."""

    def run(self) -> None:
        rows = self._rows("/plugins")
        for plugin in self.plan.plugins:
            self._plugin(plugin, rows)
        rows = self._rows("/llms")
        for llm in self.plan.llms:
            self._llm(llm, rows)
        for llm in self.plan.llms:
            self._join(llm)
        names = {row.get("name"): row for row in self._rows("/apps")}
        for app in self.plan.apps:
            self._app(app, names.get(app.name))
        prices = {_price_key(row) for row in self._rows("/pricing")}
        for price in self.plan.prices:
            self._price(price, prices)

    def _rows(self, path: str) -> list[Row]:
        return [snake_case(row) for row in self.client.pages(path)]

    def _plugin(self, plugin: PlannedPlugin, rows: list[Row]) -> None:
        name = plugin.values.get("name")
        there = next((row for row in rows if plugin.slug == row.get("slug") or name == row.get("name")), None)
        body = {**plugin.values, "slug": plugin.slug}
        made = self._made(f"plugin {name}", "/plugins", body, there)
        if made is not None:
            self.ids["plugin"][plugin.slug] = made

    def _llm(self, llm: PlannedLlm, rows: list[Row]) -> None:
        name = llm.values.get("name")
        there = next((row for row in rows if llm.slug == row.get("slug") or name == row.get("name")), None)
        made = self._made(f"LLM {name}", "/llms", {**llm.values, "slug": llm.slug}, there)
        if made is None:
            return
        self.ids["llm"][llm.slug] = made
        if there is not None:
            self.found[llm.slug] = there
        if made and llm.source_id not in {None, made}:
            self.report.notes.append(
                f"LLM {name}: its id was {llm.source_id} and is {made} in /api/v1/llms/{made}/proxy"
            )

    def _join(self, llm: PlannedLlm) -> None:
        """Behind all LLMs and plugins; what was there is joined only where it is not joined to anything yet."""
        llm_id, row = self.ids["llm"].get(llm.slug), self.found.get(llm.slug)
        if llm_id is None:
            return
        what = f"LLM {llm.values.get('name')}"
        others = self._ids("llm", llm.failover, f"{what}: its failover")
        if others and (row is None or row.get("failover_llm_ids") == []):
            self._put(f"{what}: its failover", f"/llms/{llm_id}", {"failover_llm_ids": others})
        plugins = self._ids("plugin", llm.plugins, f"{what}: its plugins")
        if plugins and (row is None or row.get("plugin_ids") == []):
            self._put(f"{what}: its plugins", f"/llms/{llm_id}/plugins", {"plugin_ids": plugins})

    def _app(self, app: PlannedApp, there: Row | None) -> None:
        ids = self.ids["llm"]
        self._ids("llm", list(app.llms), f"app {app.name}")  # says which are not there
        links = [{"llm_id": ids[slug], "monthly_budget": budget} for slug, budget in app.llms.items() if slug in ids]
        self._made(f"app {app.name}", "/apps", {**app.values, "name": app.name, "llms": links}, there)

    def _price(self, price: PlannedPrice, there: set[tuple[Any, ...]]) -> None:
        body = {**price.values, "vendor": price.vendor, "model_name": price.model_name}
        row = body if _price_key(body) in there else None
        self._made(f"price of {price.vendor}/{price.model_name}", "/pricing", body, row)

    def _ids(self, kind: str, slugs: list[str], what: str) -> list[int]:
        known = self.ids[kind]
        for slug in slugs:
            if slug not in known:
                self.report.leave(what, f"{kind} {slug} is not there")
        return [known[slug] for slug in slugs if slug in known]

    def _made(self, what: str, path: str, body: Mapping[str, Any], there: Row | None) -> int | None:
        """The id that it has, 0 where it would be made; ``None`` where the API refuses it."""
        if there is not None:
            self.report.existed.append(what)
            return int(there.get("id") or 0)
        if self.is_dry:
            self.report.made.append(what)
            return 0
        answer = self._ask(what, "POST", path, body)
        if answer is None:
            return None
        self.report.made.append(what)
        return int(snake_case(answer["data"])["id"])

    def _put(self, what: str, path: str, body: Mapping[str, Any]) -> None:
        if not self.is_dry:
            self._ask(what, "PUT", path, body)

    def _ask(self, what: str, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return self.client.request(method, path, body)
        except RefusedError as error:
            if error.status in _STOPS:
                raise
            self.report.leave(what, str(error))
            return None


def _price_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row.get("vendor"), row.get("model_name"), row.get("valid_from") or _ALWAYS
