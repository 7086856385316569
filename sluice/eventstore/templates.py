"""Index templates: what Elasticsearch makes each day's index from, with the alias that readers use.

``_meta.version`` only goes up: whoever starts installs what is older than his own and leaves what is newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.events import Kind
from sluice.eventstore.documents import properties
from sluice.eventstore.names import Period, daily_pattern

TEMPLATE_VERSION = 1
"""Raised with every change of what is below or of ``documents.py``."""

PRIORITY = 200  # above the built-in templates of Elasticsearch, which end at 100
SETTINGS_NAME = "microgateway-settings"

_META = {"version": TEMPLATE_VERSION, "managed_by": "sluice"}


@dataclass(frozen=True, slots=True)
class Template:
    """One thing to install: where, and what."""

    path: str
    """Below the server's root, e.g. ``_index_template/microgateway-budget``."""
    body: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    """What of it is somebody's choice: where another choice is installed, it is installed again."""


@dataclass(frozen=True, slots=True)
class IndexShape:
    """What indices are made like, beyond their mappings."""

    data_streams: bool = False
    lifecycle_policy: str = ""
    """The name of an ILM policy that stands in the cluster."""
    periods: Mapping[Kind, Period] = field(default_factory=dict)
    """A day where nothing is said."""

    def options(self, kind: Kind) -> dict[str, Any]:
        """For the template's ``_meta``; empty for what is made without a choice."""
        settings = self.settings(kind)
        return {"lifecycle": settings["lifecycle"]} if settings else {}

    def settings(self, kind: Kind) -> dict[str, Any]:
        """Of the index. ILM reads the age of a day's index from its name, so that a replayed day is as old as it is;
        it knows no other form of names, so a month's index and a data stream's are as old as they have been there."""
        if not self.lifecycle_policy:
            return {}
        lifecycle: dict[str, Any] = {"name": self.lifecycle_policy}
        if not self.data_streams and self.periods.get(kind, "day") == "day":
            lifecycle["parse_origination_date"] = True
        return {"lifecycle": lifecycle}


def mapping_name(kind: Kind) -> str:
    """The component template with an event's mapping."""
    return f"microgateway-{kind.replace('_', '-')}-mappings"


def _settings() -> Template:
    body = {
        "template": {
            "settings": {
                "index": {
                    "number_of_shards": 1,
                    "auto_expand_replicas": "0-1",  # green on one node, one copy on more
                    "refresh_interval": "5s",  # the default of 1 s costs a fifth of a bulk's throughput
                }
            }
        },
        "_meta": _META,
    }
    return Template(f"_component_template/{SETTINGS_NAME}", body)


def _mappings(kind: Kind) -> Template:
    body = {"template": {"mappings": {"dynamic": False, "properties": properties(kind)}}, "_meta": _META}
    return Template(f"_component_template/{mapping_name(kind)}", body)


def _index(kind: Kind, stem: str, shape: IndexShape) -> Template:
    """The template of dated indices, or that of a data stream: by names of their own, so that one does not replace the
    other."""
    options, settings = shape.options(kind), shape.settings(kind)
    body: dict[str, Any] = {
        "index_patterns": [stem if shape.data_streams else daily_pattern(stem)],
        "priority": PRIORITY,
        "composed_of": [SETTINGS_NAME, mapping_name(kind)],
        "template": {} if shape.data_streams else {"aliases": {stem: {}}},
        "_meta": {**_META, "options": options} if options else _META,
    }
    if shape.data_streams:
        body["data_stream"] = {}
    if settings:
        body["template"]["settings"] = {"index": settings}
    return Template(f"_index_template/{stem}{'-stream' if shape.data_streams else ''}", body, options)


def templates(stems: Mapping[Kind, str], shape: IndexShape = IndexShape()) -> list[Template]:
    """What must stand before the first document, in the order of installation."""
    components = [_settings(), *(_mappings(kind) for kind in stems)]
    return [*components, *(_index(kind, stem, shape) for kind, stem in stems.items())]


def installed_options(template: Template, answer: dict[str, Any]) -> dict[str, Any]:
    """The options that the installed template was made with; call ``installed_version`` first."""
    entry = template.path.partition("/")[0].removeprefix("_")
    found = [(each[entry].get("_meta") or {}).get("options") for each in answer.get(f"{entry}s", [])]
    return next((options for options in found if isinstance(options, dict)), {})


def installed_version(template: Template, answer: dict[str, Any]) -> int:
    """The ``_meta.version`` in the answer to a GET of the template's path; 0 where there is none.

    Raises ValueError where the answer has another form than Elasticsearch's.
    """
    entry = template.path.partition("/")[0].removeprefix("_")
    try:
        metas = [found[entry].get("_meta") or {} for found in answer.get(f"{entry}s", [])]
        versions = [meta.get("version") for meta in metas]
    except (AttributeError, KeyError, TypeError) as error:
        message = f"not an answer to GET {template.path}"
        raise ValueError(message) from error
    return next((version for version in versions if isinstance(version, int)), 0)
