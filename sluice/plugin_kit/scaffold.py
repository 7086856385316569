"""A new plugin with its test, in a folder of its own."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path

from sluice.plugin_kit.templates import TEMPLATES, Kind, Template

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class ScaffoldError(Exception):
    """Nothing was written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was written."""

    plugin: Path
    test: Path
    class_name: str
    settings: str
    """What to add to ``sluice.yaml``."""


def write_scaffold(name: str, folder: Path, kind: Kind = "post_auth") -> Scaffold:
    """Write ``folder/name/name.py`` and its test; raises ScaffoldError, and then has written nothing."""
    template = TEMPLATES[kind]
    module = checked_name(name)
    home = folder / module
    if home.exists():
        message = f"{home} is there already; choose another name, or remove it"
        raise ScaffoldError(message)
    texts = {f"{module}.py": _filled(template.plugin, module), f"test_{module}.py": _filled(template.test, module)}
    try:
        home.mkdir(parents=True)
        for file_name, text in texts.items():
            (home / file_name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{home} cannot be written: {error.strerror or error}"
        raise ScaffoldError(message) from error
    path = home / f"{module}.py"
    return Scaffold(path, home / f"test_{module}.py", class_name_of(module), _settings(module, path, template))


def checked_name(name: str) -> str:
    """The module's name: small letters, digits and underscores. Raises ScaffoldError."""
    module = name.replace("-", "_")
    if not _NAME.fullmatch(module) or keyword.iskeyword(module):
        message = f"{name!r} is no name for a plugin; use small letters, digits and _ or -, e.g. my_plugin"
        raise ScaffoldError(message)
    return module


def class_name_of(module: str) -> str:
    """``my_plugin`` → ``MyPlugin``."""
    return "".join(part.capitalize() for part in module.split("_"))


def _filled(text: str, module: str) -> str:
    return text.replace("my_plugin", module).replace("MyPlugin", class_name_of(module)).lstrip("\n")


def _settings(module: str, path: Path, template: Template) -> str:
    name = module.replace("_", "-")
    lines = ["plugins:", "  - id: 1  # a number of its own", f"    name: {name}", f"    command: {path.resolve()}"]
    if template.is_attached:
        lines += ["llms:", "  - slug: …", f"    plugins: [{name}]  # in the order in which they act"]
    return "\n".join(lines)
