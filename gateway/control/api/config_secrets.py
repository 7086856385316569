"""Secrets in a plugin's configuration: shown as ``***``, as in the audit, and kept where they are written so again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.control.api.problems import invalid
from gateway.control.audit import names_secret
from sluice.redaction import MASK, mask_url


def shown_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it is shown: texts whose name is a secret's are ``***``, and so is a password in a URL."""
    return {name: MASK if _is_secret(name, value) else _shown(value) for name, value in config.items()}


def with_secrets(config: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it was written, with what is kept in the place of what was shown of it.

    An element of a list is known by all that is shown of it, not by its place. Raises a ``Problem`` where none is kept.
    """
    return {name: _written(value, kept.get(name), name, is_secret=names_secret(name)) for name, value in config.items()}


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and names_secret(name)


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return shown_config(value)
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return mask_url(value) if isinstance(value, str) and "://" in value else value


def _written(value: Any, kept: Any, path: str, *, is_secret: bool = False) -> Any:
    if is_secret and value == MASK:
        if isinstance(kept, str):
            return kept
        raise invalid("config", f"{path} is {MASK}, as a secret is shown, and none is kept there; write the secret")
    if isinstance(value, Mapping):
        known = kept if isinstance(kept, Mapping) else {}
        return {
            name: _written(item, known.get(name), f"{path}.{name}", is_secret=names_secret(name))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return _elements(value, list(kept) if isinstance(kept, list) else [], path)
    return kept if isinstance(kept, str) and value == _shown(kept) else value


def _elements(values: list[Any], kept: list[Any], path: str) -> list[Any]:
    elements = []
    for at, value in enumerate(values):
        same = next((item for item in kept if _shown(item) == value), None)
        if same is not None:
            kept.remove(same)
        elements.append(_written(value, None, f"{path}[{at}]") if same is None else same)
    return elements
