"""Index templates: what Elasticsearch makes each day's index from, with the alias that readers use.

``_meta.version`` only goes up: whoever starts installs what is older than his own and leaves what is newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.events import Kind
from sluice.eventstore.documents import properties
from sluice.eventstore.names import daily_pattern

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


def _index(kind: Kind, stem: str) -> Template:
    body = {
        "index_patterns": [daily_pattern(stem)],
        "priority": PRIORITY,
        "composed_of": [SETTINGS_NAME, mapping_name(kind)],
        "template": {"aliases": {stem: {}}},
        "_meta": _META,
    }
    return Template(f"_index_template/{stem}", body)


def templates(stems: dict[Kind, str]) -> list[Template]:
    """What must stand before the first document, in the order of installation."""
    components = [_settings(), *(_mappings(kind) for kind in stems)]
    return [*components, *(_index(kind, stem) for kind, stem in stems.items())]


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
