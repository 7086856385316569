"""The reference's entities, from what its REST API answers in either dialect, as a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gateway.access.credentials import hash_token, prefix_of
from gateway.control.importing.entities import (
    app_values,
    exact,
    listed,
    llm_values,
    micros,
    plugin_values,
    price_values,
    slug_in,
)
from gateway.control.importing.plan import (
    Plan,
    PlannedApp,
    PlannedLlm,
    PlannedPlugin,
    PlannedPrice,
    PlannedToken,
    free_name,
)
from gateway.control.importing.reading import Export, Row
from gateway.upstreams.vendors.registry import VENDORS
from sluice.clock import now_micros
from sluice.plugin_host.registration import COMMAND_REMEDY, is_command

Kind = Literal["llm", "app", "token", "price", "plugin", "filter"]

_SCOPES = {"api", "admin", "*"}
_VENDORS = {"google": "google_ai"}
"""Names that its API takes and its own gateway does not know."""
_MAX_SLUG = 63


def plan_reference(export: Export, plan: Plan) -> None:
    """Add what the rows of an export say."""
    _Import(plan, export).run()


def kind_of(row: Row) -> Kind | None:
    """What a row is of, by the fields that only its kind has."""
    signs: dict[Kind, tuple[str, ...]] = {
        "token": ("app_id", "scopes"),
        "price": ("model_name", "cpt"),
        "llm": ("vendor", "endpoint"),
        "plugin": ("command",),
        "filter": ("script",),
        "app": ("name", "owner_email"),
    }
    return next((kind for kind, names in signs.items() if all(name in row for name in names)), None)


@dataclass(slots=True)
class _Import:
    plan: Plan
    export: Export
    llms: dict[int, PlannedLlm] = field(default_factory=dict)
    apps: dict[int, PlannedApp] = field(default_factory=dict)
    plugins: dict[int, PlannedPlugin] = field(default_factory=dict)
    rows: dict[Kind, dict[int, Row]] = field(default_factory=dict)
    """Each row once: of several with one id what any of them says."""

    def run(self) -> None:
        self._collect()
        makers: dict[Kind, Callable[[Row], None]] = {
            "plugin": self._plugin,
            "llm": self._llm,
            "app": self._app,
            "token": self._token,
            "price": self._price,
            "filter": self._filter,
        }
        for kind, make in makers.items():
            for row in self.rows.get(kind, {}).values():
                make(row)
        self._link_apps()
        self._attach_plugins()
        self._fail_over()

    def _collect(self) -> None:
        for path, row in self.export.rows:
            kind = kind_of(row)
            if kind is None:
                self.plan.leave(
                    path.name, f"a row that is nothing known, with {', '.join(list(row)[:5]) or 'no fields'}"
                )
                continue
            self._add(kind, row, path)
            inner = _rows(row.get("tokens")) if kind == "app" else []
            for token in (each for each in inner if kind_of(each) == "token"):
                self._add("token", token, path)

    def _add(self, kind: Kind, row: Row, path: Path) -> None:
        if _id(row.get("id")) < 1:
            self.plan.leave(path.name, f"a row of kind {kind} without an id")
            return
        known = self.rows.setdefault(kind, {}).setdefault(row["id"], {})
        known.update({name: value for name, value in row.items() if value is not None or name not in known})

    def _plugin(self, row: Row) -> None:
        what, command = f"plugin {row.get('name')}", str(row["command"])
        if not is_command(command):
            self.plan.leave(what, f"its command {command[:80]!r}: {COMMAND_REMEDY}")
            return
        slug = free_name(slug_in(row) or f"plugin-{row['id']}", [each.slug for each in self.plan.plugins], _MAX_SLUG)
        made = PlannedPlugin(slug=slug, values=plugin_values(row), source_id=row["id"])
        self.plan.plugins.append(made)
        self.plugins[row["id"]] = made

    def _llm(self, row: Row) -> None:
        what = f"LLM {row.get('name')}"
        row = _with_our_vendor(row)
        if str(row["vendor"]) not in VENDORS:
            known = ", ".join(VENDORS)
            self.plan.leave(what, f"its vendor {row['vendor']!r} is not in this version; known: {known}")
            return
        wanted = slug_in(row)
        slug = free_name(wanted or f"llm-{row['id']}", [each.slug for each in self.plan.llms], _MAX_SLUG)
        if row.get("slug") not in (None, "", slug):
            self.plan.leave(what, f"its slug {row['slug']!r}, which is in its URLs; it becomes {slug!r}")
        made = PlannedLlm(slug=slug, values=llm_values(row, self.plan), source_id=row["id"])
        self.plan.llms.append(made)
        self.llms[row["id"]] = made
        for name in ("monthly_budget", "rate_limit_rpm"):
            if name in made.values and "managed_by" not in row:
                self.plan.note(f"{what}: {name} {made.values[name]} is enforced here, where it was only shown")
        if listed(row.get("filters")):
            self.plan.leave(what, "its filters: they are plugins here")

    def _app(self, row: Row) -> None:
        name = free_name(str(row["name"]), [each.name for each in self.plan.apps])
        if name != row["name"]:
            self.plan.note(f"app {row['name']}: there are several of this name; one becomes {name}")
        values = {**app_values(row, self.plan), "name": name}
        made = PlannedApp(name=name, values=values, source_id=row["id"])
        self.plan.apps.append(made)
        self.apps[row["id"]] = made
        for field_name in ("rate_limit_rpm", "allowed_ips"):
            if field_name in values and "managed_by" not in row:
                self.plan.note(f"app {name}: {field_name} is enforced here, where it was only shown")

    def _token(self, row: Row) -> None:
        what = f"token {row.get('name') or row['id']} of app {row['app_id']}"
        app = self.apps.get(_id(row["app_id"]))
        if row.get("is_active") is False:
            self.plan.note(f"{what}: is not active, and stays behind")
            return
        if app is None:
            self.plan.leave(what, "its app is not in the export")
            return
        if not row.get("token"):
            self.plan.leave(what, "its text is not in the export, only GET /apps/{id} shows it; make a new one")
            return
        self._known_token(row, what, app)

    def _known_token(self, row: Row, what: str, app: PlannedApp) -> None:
        scopes = tuple(str(scope) for scope in listed(row["scopes"]))
        kept = tuple(sorted(set(scopes) & _SCOPES))
        if set(scopes) - _SCOPES or not kept:
            self.plan.leave(what, f"its scopes {', '.join(scopes) or 'are none'}; known: {', '.join(sorted(_SCOPES))}")
        try:
            expires_at = micros(row.get("expires_at"))
        except ValueError:
            self.plan.leave(what, "its expires_at is no moment")
            return
        if expires_at is not None and expires_at <= now_micros():
            self.plan.note(f"{what}: has expired, and stays behind")
        elif kept:
            text = str(row["token"])
            self.plan.tokens.append(
                PlannedToken(
                    app=app.name,
                    name=str(row.get("name") or ""),
                    sha256=hash_token(text),
                    prefix=prefix_of(text),
                    scopes=kept,
                    expires_at=expires_at,
                )
            )

    def _price(self, row: Row) -> None:
        row = _with_our_vendor(row)
        vendor, model = str(row.get("vendor") or ""), str(row["model_name"])
        what, values = f"price of {vendor}/{model}", price_values(row)
        if vendor not in VENDORS:
            self.plan.leave(what, "its vendor is not in this version")
        elif values is None:
            self.plan.leave(what, "is no number of zero or more")
        else:
            self.plan.prices.append(PlannedPrice(vendor=vendor, model_name=model, values=values))

    def _filter(self, row: Row) -> None:
        self.plan.leave(f"filter {row.get('name')}", "filters are plugins here: write one with sluice.sdk")

    def _link_apps(self) -> None:
        for app_id, app in self.apps.items():
            for link in _rows(self.rows["app"][app_id].get("llms")):  # of ours: links with budgets; else whole LLMs
                budget = exact(link.get("monthly_budget")) if "llm_id" in link else None
                self._link(app, _id(link.get("llm_id", link.get("id"))), budget or "0")
        for llm_id, row in self.rows.get("llm", {}).items():
            for inner in _rows(row.get("apps")):
                if _id(inner.get("id")) in self.apps:
                    self._link(self.apps[_id(inner.get("id"))], llm_id, "0")

    def _link(self, app: PlannedApp, llm_id: int, budget: str) -> None:
        if llm_id in self.llms:
            app.llms.setdefault(self.llms[llm_id].slug, budget)
        else:
            self.plan.leave(f"app {app.name}", f"its link to LLM {llm_id}, which is not carried over")

    def _attach_plugins(self) -> None:
        for llm_id, llm in self.llms.items():
            row = self.rows["llm"][llm_id]
            ids: list[Any] = [each.get("id") for each in self.export.llm_plugins.get(llm_id, [])]
            ids = ids or listed(row.get("plugin_ids")) or [each.get("id") for each in _rows(row.get("plugins"))]
            if not ids:
                ids = self._plugins_that_name(llm_id)
                if len(ids) > 1:
                    reason = "only GET /llms/{id}/plugins shows it (save it as llms-ID-plugins.json); theirs is by id"
                    self.plan.leave(f"LLM {llm.values.get('name')}", f"the order of its plugins: {reason}")
            for plugin_id in map(_id, ids):
                if plugin_id in self.plugins:
                    llm.plugins.append(self.plugins[plugin_id].slug)
                else:
                    reason = f"its plugin {plugin_id}, which is not carried over"
                    self.plan.leave(f"LLM {llm.values.get('name')}", reason)

    def _plugins_that_name(self, llm_id: int) -> list[int]:
        plugins = sorted(self.rows.get("plugin", {}).items())
        return [
            plugin_id for plugin_id, row in plugins if llm_id in [each.get("id") for each in _rows(row.get("llms"))]
        ]

    def _fail_over(self) -> None:
        for llm_id, llm in self.llms.items():
            for other in map(_id, listed(self.rows["llm"][llm_id].get("failover_llm_ids"))):
                if other in self.llms:
                    llm.failover.append(self.llms[other].slug)
                else:
                    self.plan.leave(f"LLM {llm.values.get('name')}", f"its failover to LLM {other}")
        self.plan.shorten_failover()


def _id(value: Any) -> int:
    """An id; 0 where it is none, which nothing has."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _rows(value: Any) -> list[Row]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _with_our_vendor(row: Row) -> Row:
    vendor = str(row.get("vendor") or "")
    return {**row, "vendor": _VENDORS[vendor]} if vendor in _VENDORS else row
