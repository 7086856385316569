"""YAML of documents: whose it is, told by its keys, and whether its owner takes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from collectors.settings import Settings as CollectorSettings
from gateway.settings import Settings as GatewaySettings
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.loader import find_class
from sluice.sdk.plugin import read_config
from sluice.settings import SettingsError, parse_document, settings_of
from tests.documents.blocks import ROOT

_FILE = re.compile(r"\$\{file:[^}]*\}")
_SETTINGS: dict[str, type[BaseModel]] = {"sluice.yaml": GatewaySettings, "collectors.yaml": CollectorSettings}
VALUE = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
"""What every variable without a default is here: long enough for a secret, and 32 bytes in base64."""


def problems_of(text: str, document: str) -> list[str]:
    """What is wrong with a block: it is no YAML, it belongs to nothing, or what it belongs to refuses it."""
    try:
        if isinstance(found := yaml.safe_load(text), list):
            text = yaml.safe_dump({_list_of(found): found}, sort_keys=False)
        parsed = parse_document(_FILE.sub(VALUE, text).encode(), document)
    except (SettingsError, yaml.YAMLError) as error:
        return [f"is no YAML of settings: {error}"]
    owners = [name for name, model in _SETTINGS.items() if parsed.keys() <= _keys(model)]
    if owners:
        refusals = {owner: _refusals(parsed, owner) for owner in owners}
        return [] if [] in refusals.values() else [each for found in refusals.values() for each in found]
    for keys, check in _OTHERS.items():
        if keys & parsed.keys():
            return check(parsed)
    known = [*_SETTINGS, *(" or ".join(sorted(keys)) for keys in _OTHERS)]
    return [f"{document}: the keys {', '.join(map(str, parsed))} together belong to none of {', '.join(known)}"]


def _list_of(found: list[Any]) -> str:
    """A list alone is of the key whose entries have such keys."""
    keys = {key for each in found if isinstance(each, dict) for key in each}
    if "path" in keys:
        return "data_collection_plugins"
    return "plugins" if "command" in keys else "llms" if "slug" in keys else "apps"


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _refusals(parsed: dict[str, Any], owner: str) -> list[str]:
    """A page that shows a part is completed by what that part names elsewhere."""
    whole = _completed(parsed) if owner == "sluice.yaml" else parsed
    try:
        settings = settings_of(whole, _SETTINGS[owner], owner, variables_of(whole))
    except SettingsError as error:
        return error.problems
    return _refused_by_plugins(settings) if isinstance(settings, GatewaySettings) else []


def _refused_by_plugins(settings: GatewaySettings) -> list[str]:
    """What importable plugins say of the configurations that they are given: their registration's, and on each LLM."""
    by_name = {each.name: each for each in settings.plugins if each.command.startswith("python://")}
    own = [(each, each.config) for each in by_name.values() if each.config]
    places = [each for llm in settings.llms for each in llm.plugins if each.config and each.plugin in by_name]
    problems = []
    for registration, config in [*own, *((by_name[each.plugin], each.config or {}) for each in places)]:
        try:
            read_config(find_class(registration, ROOT), config)
        except (PluginLoadError, ValueError) as error:
            problems.append(f"plugins.{registration.name}: {error}")
    return problems


def variables_of(document: Any) -> Mapping[str, str]:
    """A value for those without a default; the others are to show that their default is valid."""
    names = re.findall(r"\$\{([A-Za-z_]\w*)\}", str(document))
    return dict.fromkeys(names, VALUE)


def _completed(parsed: dict[str, Any]) -> dict[str, Any]:
    """The LLMs, apps and plugins that entities of a part name, so that the part is looked at and not what it lacks."""
    whole = dict(parsed)
    llms, apps = parsed.get("llms") or [], parsed.get("apps") or []
    if "plugins" not in whole:
        named = {_plugin(each) for llm in llms for each in llm.get("plugins", ())}
        command = "python://sluice.plugins.prompt_size_limit:PromptSizeLimit"
        whole["plugins"] = [{"id": at, "name": name, "command": command} for at, name in enumerate(sorted(named), 1)]
    if "llms" not in whole:
        slugs = sorted({slug for app in apps for slug in app.get("llms", ())})
        whole["llms"] = [{"id": at, "slug": slug, "base_url": "http://vendor"} for at, slug in enumerate(slugs, 1)]
    if "apps" not in whole:
        ids = sorted({token["app"] for token in parsed.get("tokens") or []})
        whole["apps"] = [{"id": each, "name": f"app {each}"} for each in ids]
    return whole


def _plugin(attachment: Any) -> str:
    return str(attachment["plugin"] if isinstance(attachment, dict) else attachment)


def _prometheus(parsed: dict[str, Any]) -> list[str]:
    """Its scrapes name jobs and targets, its rules files that we have."""
    problems = [
        f"scrape_configs: {scrape!r} needs job_name and static_configs with targets"
        for scrape in parsed.get("scrape_configs") or []
        if "job_name" not in scrape or not all(each.get("targets") for each in scrape.get("static_configs") or [{}])
    ]
    shipped = {path.name for path in (ROOT / "deploy").rglob("*.y*ml")}
    wanted = [Path(name).name for name in parsed.get("rule_files") or []]
    return problems + [f"rule_files: {name} is not in deploy" for name in wanted if name not in shipped]


def _litellm(parsed: dict[str, Any]) -> list[str]:
    """What ``sluice import`` reads; it carries over one LLM at least."""
    from gateway.control.importing.litellm import plan_litellm  # noqa: PLC0415 - only where a document shows one
    from gateway.control.importing.plan import Plan  # noqa: PLC0415 - as above

    plan = Plan()
    plan_litellm(Path("config.yaml"), parsed, variables_of(parsed), plan)
    return [] if plan.llms else ["model_list: nothing of it is carried over"]


_OTHERS: dict[frozenset[str], Callable[[dict[str, Any]], list[str]]] = {
    frozenset({"scrape_configs", "rule_files", "alerting"}): _prometheus,
    frozenset({"model_list"}): _litellm,
}
