"""A plan as a settings file: entities under ``llms``, ``apps``, ``tokens``, ``prices`` and ``plugins``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from gateway.control.admin.errors import UsageError
from gateway.control.api.views import PRICED
from gateway.control.importing.plan import Plan, PlannedApp, PlannedLlm, PlannedPlugin, PlannedPrice, free_name
from gateway.entity_settings import AppSettings, LlmSettings, TokenSettings
from gateway.settings import Settings
from sluice.clock import iso_micros
from sluice.money.price_settings import PriceSettings
from sluice.plugin_host.registration import PluginRegistration
from sluice.settings import document_text

if TYPE_CHECKING:
    from gateway.control.importing.report import Report

Section = list[dict[str, Any]]
_PER_MILLION = 6


def settings_document(plan: Plan, report: Report) -> dict[str, Any]:
    """The document. What a settings file cannot say, or may not, is in the report. Ids stay where they can."""
    return _Document(plan, report).made()


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """A new file that only its owner reads: it may hold vendor keys. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(document_text(document))
    except OSError as error:
        raise UsageError(f"--output: {path} cannot be made ({error.strerror}); name a new file") from None


@dataclass(slots=True)
class _Document:
    plan: Plan
    report: Report
    slugs: set[str] = field(default_factory=set)
    plugins: set[str] = field(default_factory=set)
    apps: dict[str, int] = field(default_factory=dict)

    def made(self) -> dict[str, Any]:
        sections: dict[str, Section] = {
            "llms": [],
            "apps": [],
            "tokens": [],
            "prices": self._prices(),
            "plugins": self._plugins(),
        }
        sections["llms"] = self._llms()
        sections["apps"] = self._apps()
        sections["tokens"] = self._tokens()
        document: dict[str, Any] = {"version": "1", **{name: rows for name, rows in sections.items() if rows}}
        try:
            Settings.model_validate(document)
        except ValidationError as error:
            reason = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise UsageError(f"--output: what the export says is no settings file ({reason})") from None
        return document

    def _plugins(self) -> Section:
        rows: Section = []
        for plugin, plugin_id in zip(self.plan.plugins, _ids(self.plan.plugins), strict=True):
            what, values = f"plugin {plugin.values.get('name')}", dict(plugin.values)
            self._without(what, values, "description", "namespace", "plugin_type")
            if values.pop("is_active", True) is False:
                self.report.leave(what, "it is not active: a settings file has only those that are")
                continue
            if self._add(rows, what, PluginRegistration, {**values, "id": plugin_id, "name": plugin.slug}):
                self.plugins.add(plugin.slug)
        return rows

    def _llms(self) -> Section:
        rows: Section = []
        for llm, llm_id in zip(self.plan.llms, _ids(self.plan.llms), strict=True):
            what, values = f"LLM {llm.values.get('name')}", dict(llm.values)
            self._without(what, values, "metadata")
            named = {"id": llm_id, "slug": llm.slug, "base_url": values.pop("endpoint", "")}
            plugins = self._there(what, "plugin", llm.plugins, self.plugins)
            if self._add(rows, what, LlmSettings, {**named, **values, **_filled(plugins=plugins)}):
                self.slugs.add(llm.slug)
        failover = {llm.slug: llm.failover for llm in self.plan.llms}
        for row in rows:  # when all that are there are known
            row.update(
                _filled(failover=self._there(f"LLM {row.get('name')}", "LLM", failover[row["slug"]], self.slugs))
            )
        return rows

    def _apps(self) -> Section:
        rows: Section = []
        for app, app_id in zip(self.plan.apps, _ids(self.plan.apps), strict=True):
            what, values = f"app {app.name}", dict(app.values)
            self._without(what, values, "description", "owner_email", "metadata")
            llms = self._there(what, "LLM", list(app.llms), self.slugs)
            budgets = {slug: app.llms[slug] for slug in llms if app.llms[slug] != "0"}
            links = _filled(llms=llms, llm_budgets=budgets)
            if self._add(rows, what, AppSettings, {"id": app_id, "name": app.name, **values, **links}):
                self.apps[app.name] = app_id
        return rows

    def _tokens(self) -> Section:
        rows: Section = []
        for token in self.plan.tokens:
            what = f"token {token.name or token.prefix} of app {token.app}"
            if token.app not in self.apps:
                self.report.leave(what, "its app is not there")
                continue
            ends = {} if token.expires_at is None else {"expires_at": iso_micros(token.expires_at)}
            kept = {"app": self.apps[token.app], "name": token.name, "prefix": token.prefix, "sha256": token.sha256}
            self._add(rows, what, TokenSettings, {**kept, "scopes": list(token.scopes), **ends})
        return rows

    def _prices(self) -> Section:
        rows: Section = []
        for price in self.plan.prices:
            self._add(rows, f"price of {price.vendor}/{price.model_name}", PriceSettings, _price(price, rows))
        return rows

    def _add(self, rows: Section, what: str, model: type[BaseModel], row: dict[str, Any]) -> bool:
        """Add a row that the settings take; else say what is wrong with it."""
        try:
            model.model_validate(row)
            _refuse_variables(row)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in found["loc"])
            self.report.leave(what, f"{key}: {found['msg'].removeprefix('Value error, ')}")
        except ValueError as error:
            self.report.leave(what, str(error))
        else:
            rows.append(row)
            self.report.made.append(what)
            return True
        return False

    def _without(self, what: str, values: dict[str, Any], *names: str) -> None:
        for name in names:
            if values.pop(name, None):
                self.report.leave(what, f"its {name}: a settings file has no place for it")

    def _there(self, what: str, kind: str, slugs: Sequence[str], known: set[str]) -> list[str]:
        for slug in slugs:
            if slug not in known:
                self.report.leave(what, f"{kind} {slug} is not there")
        return [slug for slug in slugs if slug in known]


def _ids(planned: Sequence[PlannedLlm | PlannedApp | PlannedPlugin]) -> list[int]:
    """The ids that they had, each once; others get numbers behind them."""
    kept: list[int] = []
    following = max((each.source_id or 0 for each in planned), default=0) + 1
    for each in planned:
        if each.source_id and each.source_id not in kept:
            kept.append(each.source_id)
        else:
            kept.append(following)
            following += 1
    return kept


def _price(price: PlannedPrice, rows: Section) -> dict[str, Any]:
    values = dict(price.values)
    amounts = _amounts(values)
    for name, kept in (("request_price", "per_request"), ("tool_request_price", "per_tool_request")):
        if name in values:
            amounts[kept] = values.pop(name)
    tiers = [{key: value for key, value in tier.items() if value is not None} for tier in values.pop("tiers", ())]
    if tiers:
        amounts["tiers"] = [{**_amounts(tier), **tier} for tier in tiers]
    key = free_name(f"{price.vendor}-{price.model_name}", [row["id"] for row in rows])
    return {"id": key, "vendor": price.vendor, "model": price.model_name, **values, **amounts}


def _amounts(values: dict[str, Any]) -> dict[str, Any]:
    """The prices of classes, taken out of the values."""
    return {
        kept.removesuffix("_nanos"): _per_million(values.pop(name)) for name, kept in PRICED.items() if name in values
    }


def _per_million(price: str) -> str:
    text = format(Decimal(price).scaleb(_PER_MILLION), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _filled(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _refuse_variables(value: Any) -> None:
    """What looks like a variable would be one when the file is read."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _refuse_variables(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_variables(inner)
    elif isinstance(value, str) and "${" in value:
        message = "has ${ in a text, which a settings file takes for a variable; make it over the API"
        raise ValueError(message)
