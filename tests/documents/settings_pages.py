"""The references of ``sluice.yaml`` and ``collectors.yaml``, from their models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from types import ModuleType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

import collectors.configuration.origin as collectors_origin
import gateway.control.admin.target as admin_target
from collectors.entries import CollectorEntry, PluginEntry, SinkEntry, StdoutEntry
from collectors.settings import Settings as CollectorSettings
from gateway.settings import Settings as GatewaySettings
from tests.documents.fields import Form, Setting, docs_of_constants, settings_of, shown_value, yaml_of

ENTRIES = "data_collection_plugins"
WIDTH = 120
_HEAD = ["| setting | type | default | bounds | example | what |", "|---|---|---|---|---|---|"]
_HOW_TO_READ = """\
No setting is read from the environment by itself. Any text in the file, keys included, may hold `${NAME}`,
`${NAME:-default}` or `${file:PATH}`, which is put in before anything is checked; `$${` is `${` itself. The examples of
secrets are such variables, whose names are free.

`[]` behind a key is each element of a list, `<name>` each key of a mapping. A *duration* is a number of seconds, or has
a unit: `500ms`, `30s`, `5m`, `1h`, `7d`. A *size* is a number of bytes, or has a unit: `512KiB`, `5MB`. *Money* is
decimal text, so that it is exact. A *moment* is ISO 8601, UTC where it has no zone."""


@dataclass(frozen=True, slots=True)
class Part:
    """The settings of one model at one place."""

    path: str
    title: str
    what: str
    settings: Sequence[Setting]
    links: Mapping[str, str]
    """Setting → the title of the part that shows what is within it."""

    def path_of(self, setting: Setting) -> str:
        """Where a file has it."""
        return f"{self.path}.{setting.key}".lstrip(".")


def gateway_parts() -> list[Part]:
    """All of ``sluice.yaml``."""
    return list(_parts(GatewaySettings, ""))


def collector_parts() -> list[Part]:
    """All of ``collectors.yaml``; what each sink and plugins have of their own behind what all entries have."""
    parts = list(_parts(CollectorSettings, "", leave=(ENTRIES,)))
    entry = f"{ENTRIES}[]"
    parts += _parts(StdoutEntry, entry, leave=("fallback", "config"), only=CollectorEntry)
    for model in (*get_args(SinkEntry), PluginEntry):
        paths = get_args(model.model_fields["path"].annotation)
        of = f", {paths[0] if paths else 'plugins'}"
        own = [each for each in settings_of(model) if each.name in vars(model).get("__annotations__", {})]
        links = {each.name: _title(f"{entry}.{each.key}") for each in own if each.form.section}
        links |= {"config": _title(f"{entry}.config", of)} if paths else {}
        parts.append(Part(entry, _title(entry, of), _doc(model), own, links))
        if paths:
            parts += _parts(model.model_fields["config"].annotation, f"{entry}.config", of)
    return parts


def _parts(
    model: type[BaseModel], path: str, of: str = "", leave: Sequence[str] = (), only: type[BaseModel] | None = None
) -> Iterator[Part]:
    """The model's own settings, then those of the sections within it, in order; ``only`` those that a base has."""
    shown = only or model
    settings = [each for each in settings_of(model) if each.name in shown.model_fields]
    inner: dict[type[BaseModel], str] = {}
    links = {}
    for setting in settings:
        section, suffix = _section_in(setting.form) if setting.name not in leave else (None, "")
        if section is not None:  # two of one kind are shown once
            inner.setdefault(section, f"{path}.{setting.key}".lstrip(".") + suffix)
            links[setting.name] = _title(inner[section], of)
    yield Part(path, _title(path, of), _doc(shown), settings, links)
    for section, place in inner.items():
        yield from _parts(section, place, of)


def _section_in(form: Form, suffix: str = "") -> tuple[type[BaseModel] | None, str]:
    """The model that a setting holds one or several of, and what stands behind its key then."""
    if form.section is not None or form.items is None:
        return form.section, suffix
    return _section_in(form.items, suffix + (".<name>" if get_origin(form.core) is dict else "[]"))


def _title(path: str, of: str = "") -> str:
    return f"`{path}`{of}" if path else "At the top"


def _anchor(title: str) -> str:
    """As GitHub makes it."""
    return "#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _doc(model: type[Any]) -> str:
    return " ".join((model.__doc__ or "").replace("``", "`").split())


def row(part: Part, setting: Setting) -> str:
    """A line of its table."""
    path, link = part.path_of(setting), part.links.get(setting.name)
    shows_example = link is None or bool(setting.field.examples)
    cells = (
        f"`{path}`",
        f"[{setting.words}]({_anchor(link)})" if link else setting.words,
        default_of(setting),
        setting.bounds,
        _code(yaml_of(setting.example(path))) if shows_example else "",
        setting.what,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default_of(setting: Setting) -> str:
    """As a file would have it, in code; ``required`` and ``none`` are words. Of a section what differs from its own."""
    if setting.is_required:
        return "required"
    if setting.default is None:
        return "none"
    if isinstance(setting.default, BaseModel):
        changed = _changed(setting.default)
        return _code(yaml_of(changed)) if changed else ""
    return _code(yaml_of(shown_value(setting.form, setting.default))) + _in_words(setting)


def _changed(section: BaseModel) -> dict[str, Any]:
    settings = settings_of(type(section))
    if any(each.is_required for each in settings):
        return {}
    values = {each.key: (each.form, getattr(section, each.name), each.default) for each in settings}
    return {key: shown_value(form, value) for key, (form, value, default) in values.items() if value != default}


def _in_words(setting: Setting) -> str:
    """What a large number of bytes is."""
    default = setting.default
    if "bytes" not in setting.words or not isinstance(default, int) or default < 1 << 10 or default % (1 << 10):
        return ""
    power = 3 if default >= 1 << 30 else 2 if default >= 1 << 20 else 1
    return f" ({default / (1 << 10 * power):g} {'KMG'[power - 1]}iB)"


def _code(text: str) -> str:
    return f"`{text}`" if "`" not in text else f"`` {text} ``"


def page(title: str, intro: str, parts: Sequence[Part], variables: Sequence[str]) -> str:
    """The whole document."""
    lines = [f"# {title}", "", fill(intro, WIDTH), "", _HOW_TO_READ, ""]
    for part in parts:
        lines += [f"## {part.title}", "", fill(part.what, WIDTH), "", *_HEAD]
        lines += [row(part, setting) for setting in part.settings] + [""]
    lines += ["## Environment variables", "", "| variable | what |", "|---|---|", *variables, ""]
    return "\n".join(lines)


def variables_of(module: ModuleType) -> list[str]:
    """The rows of the variables that a module names in constants with a docstring."""
    docs = docs_of_constants(module.__name__)
    found = {getattr(module, name): " ".join(text.replace("``", "`").split()) for name, text in docs.items()}
    return [f"| `{name}` | {text} |" for name, text in found.items() if isinstance(name, str) and name.isupper()]


def gateway_page() -> str:
    """``gateway/SETTINGS.md``."""
    intro = (
        "Every setting of `sluice.yaml`, made from its models: `make references` renews this page. "
        "Unknown keys are refused; `sluice validate sluice.yaml` checks a file without starting anything."
    )
    return page("Settings of the gateway", intro, gateway_parts(), variables_of(admin_target))


def collector_page() -> str:
    """``collectors/SETTINGS.md``."""
    intro = (
        "Every setting of `collectors.yaml`, made from its models: `make references` renews this page. "
        "Where the log is stands in `sluice.yaml` ([its settings](../gateway/SETTINGS.md)). Unknown keys are refused; "
        "`sluice validate collectors.yaml` checks a file without starting anything. A `fallback` is the path of a "
        "sink, a mapping with what an entry of that sink has, or `none`."
    )
    return page("Settings of collectors", intro, collector_parts(), variables_of(collectors_origin))
