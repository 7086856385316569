"""The list of models: what the configuration knows, without a call to the vendor.

Listed are the models that a client may ask this LLM for: its default, those that its allow-list names literally, and
those of price rows (the file's and the control API's own) that the allow-list lets through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.bridge.errors import ModelUnknown
from sluice.money.prices import is_glob

if TYPE_CHECKING:
    from gateway.snapshot import Llm, Snapshot

_SPECIAL: Final = re.compile(r"(?<!\\)[.^$*+?{}\[\]|()]|\\[A-Za-z0-9]")
"""What makes a pattern more than a name."""
_PLAIN_POINT: Final = re.compile(r"(?<!\\)\.(?![*+?{])")
"""It stands for any letter, but by ``gpt-4.1`` nobody means that."""


def models_of(llm: Llm, snapshot: Snapshot) -> list[str]:
    """The names, each once: the default first, the others in alphabetical order."""
    priced = (
        name
        for row in snapshot.prices.rows
        if row.vendor == llm.vendor
        for name in (row.model, *row.aliases)
        if not is_glob(name)
    )
    literal = (name for pattern in llm.allowed_models if (name := _literal(pattern.pattern)) is not None)
    names = sorted(name for name in {*priced, *literal} if llm.allows(name))
    if llm.default_model and llm.allows(llm.default_model):
        names.insert(0, llm.default_model)
    return list(dict.fromkeys(names))


def list_body(llm: Llm, snapshot: Snapshot) -> bytes:
    """OpenAI's list of them."""
    data = [_model(name, llm) for name in models_of(llm, snapshot)]
    return orjson.dumps({"object": "list", "data": data})


def model_body(name: str, llm: Llm, snapshot: Snapshot) -> bytes:
    """One of them. Raises ``ModelUnknown`` for one that is not listed, unless the allow-list lets it through: patterns
    stand for more than can be listed."""
    if name not in models_of(llm, snapshot) and not (llm.allowed_models and llm.allows(name)):
        raise ModelUnknown(name, llm.slug)
    return orjson.dumps(_model(name, llm))


def _model(name: str, llm: Llm) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": llm.vendor}


def _literal(pattern: str) -> str | None:
    """The one name that a pattern stands for, where it is one."""
    plain = pattern.removeprefix("^").removesuffix("$")
    if _SPECIAL.search(_PLAIN_POINT.sub("", plain)):
        return None
    return re.sub(r"\\(.)", r"\1", plain)
