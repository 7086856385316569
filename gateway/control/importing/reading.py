"""Files of other gateways: JSON answers of the reference's API, and LiteLLM's ``config.yaml``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway.control.admin.errors import UsageError
from sluice.settings import SettingsError, read_document

Row = dict[str, Any]

_MAX_BYTES = 64 << 20
_LLM_PLUGINS = re.compile(r"llms?[-_./ ]?(\d+)[-_./ ]?plugins", re.IGNORECASE)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMES = {
    "ID": "id",
    "CPT": "cpt",
    "CPIT": "cpit",
    "CacheWritePT": "cache_write_pt",
    "CacheReadPT": "cache_read_pt",
    "LLMs": "llms",
}


@dataclass(slots=True)
class Export:
    """What files hold: rows of the reference's entities, with the file each is from, and LiteLLM's documents."""

    rows: list[tuple[Path, Row]] = field(default_factory=list)
    litellm: list[tuple[Path, Mapping[str, Any]]] = field(default_factory=list)
    llm_plugins: dict[int, list[Row]] = field(default_factory=dict)
    """The plugins of an LLM in order, from files like ``llms-1-plugins.json``."""


def read_export(paths: Sequence[Path]) -> Export:
    """What these files, and all ``.json`` and ``.yaml`` files of these folders, hold. Raises UsageError."""
    export = Export()
    for path in _files(paths):
        document = _document(path)
        if isinstance(document, dict) and "model_list" in document:
            export.litellm.append((path, document))
            continue
        rows = [snake_case(row) for row in _rows(path, document)]
        match = _LLM_PLUGINS.search(path.name)
        if match:
            export.llm_plugins[int(match[1])] = rows
        export.rows += [(path, row) for row in rows]
    return export


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inner = [each for each in path.iterdir() if each.suffix in {".json", ".yaml", ".yml"} and each.is_file()]
            if not inner:
                raise UsageError(f"{path}: has no .json and no .yaml file; name a folder with exports, or files")
            found += sorted(inner)
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _document(path: Path) -> Any:
    try:
        if path.suffix in {".yaml", ".yml"}:
            return read_document(path)
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path}: is larger than {_MAX_BYTES} bytes; export page by page")
        return json.loads(path.read_text("utf-8"), parse_float=Decimal, parse_constant=_refuse)
    except SettingsError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError, RecursionError) as error:
        remedy = "name the saved answer of an API call"
        raise UsageError(f"{path}: cannot be read as JSON ({type(error).__name__}); {remedy}") from None


def _refuse(name: str) -> Any:
    """``NaN`` and the like are no JSON."""
    raise ValueError(name)


def _rows(path: Path, document: Any) -> list[Row]:
    data = document.get("data") if isinstance(document, dict) else document
    rows = [data] if isinstance(data, dict) else data
    if rows is None and isinstance(document, dict) and "data" in document:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        remedy = (
            "save what GET /api/v1/llms, /apps, /pricing, /plugins or /tokens answers, or name LiteLLM's config.yaml"
        )
        raise UsageError(f"{path}: is no export: it has no rows under data; {remedy}")
    return rows


def snake_case(value: Any) -> Any:
    """Rows and the rows in them under clean names, whatever their dialect capitalises; JSON columns stay."""
    if isinstance(value, list):
        return [snake_case(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {_name(key): inner if key in {"metadata", "config"} else snake_case(inner) for key, inner in value.items()}


def _name(key: str) -> str:
    return _NAMES.get(key) or _WORD.sub("_", key).lower()
