"""What the vendor reads of a request: which answer is wanted, and the few fields that shape it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import orjson

MAX_CHOICES: Final = 128


class Asked(NamedTuple):
    """With the script, all that an answer depends on."""

    kind: str
    """What is asked for, in the format's own words: ``chat``, ``embedding``, ``converse``."""
    model: str
    is_stream: bool
    wants_usage: bool
    choices: int
    format: str = "openai"
    variant: str = ""
    """What else decides how the answer looks: a family of models, a way of streaming."""
    signed: str = ""
    """How the request proves itself where the format looks at that: ``sigv4``, ``bearer``."""


def json_object(body: bytes) -> dict[str, Any]:
    """A body's members; raises ValueError for what is no JSON object."""
    try:
        value = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as error:
        message = f"the body is not the JSON it should be: {error}"
        raise ValueError(message) from error
    if not isinstance(value, dict):
        message = f"the body is not the JSON it should be: a {type(value).__name__}, not an object"
        raise ValueError(message)  # noqa: TRY004 - of a request, not of a caller
    return value


def text_of(body: dict[str, Any], name: str) -> str:
    """A member that is text; empty where it is not there."""
    return _of(body, name, str, "text") or ""


def flag_of(body: dict[str, Any], name: str) -> bool | None:
    """A member that is true or false; ``None`` where it is not there."""
    found: bool | None = _of(body, name, bool, "true or false")
    return found


def object_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; an empty one where it is not there."""
    return _of(body, name, dict, "an object") or {}


def choices_of(body: dict[str, Any], name: str) -> int:
    """How many answers are asked for, within a bound."""
    return min(max(_of(body, name, int, "a number") or 1, 1), MAX_CHOICES)


def inputs_of(value: object) -> int:
    """How many vectors are asked for: a list of texts or of token lists; a flat list of tokens is one."""
    is_several = isinstance(value, list) and value and not isinstance(value[0], int)
    return min(len(value), MAX_CHOICES) if is_several and isinstance(value, list) else 1


def parameter(query: str, name: str) -> str:
    """A query's last value of this name, or empty."""
    return parse_qs(query).get(name, [""])[-1]


def _of(body: dict[str, Any], name: str, kind: type, called: str) -> Any:
    value = body.get(name)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        message = f"the body is not the JSON it should be: {name} is no {called}"
        raise ValueError(message)
    return value
