"""``key=value`` on the command line, and files of values: what goes into a request."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.control.admin.errors import UsageError

STDIN = Path("-")
_MAX_FILE_BYTES = 1 << 20


def read_values(pairs: Sequence[str], file: Path | None = None) -> dict[str, Any]:
    """The values of a file (JSON or YAML; ``-`` is JSON on the standard input), and over them those of the pairs.

    Raises UsageError.
    """
    values = {} if file is None else _of_file(file)
    for pair in pairs:
        key, found, text = pair.partition("=")
        if not found or not key:
            raise UsageError(f"{pair!r}: is no key=value; write it like name=bench")
        values[key] = parse_value(key, text)
    return values


def parse_value(key: str, text: str) -> Any:
    """JSON where it is some (``true``, ``7``, ``["a"]``, ``"7"`` for the text 7), what ``@FILE`` holds, else the text.

    A number that a float would change stays text, which amounts may be.
    """
    if text.startswith("@"):
        return _content(key, Path(text[1:]))
    try:
        return json.loads(text, parse_float=_exact, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _exact(text: str) -> float | str:
    from decimal import Decimal  # noqa: PLC0415 - every sluice command imports this file

    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else text


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _content(key: str, path: Path) -> str:
    """A secret that stands on no command line."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise UsageError(f"{key}: {path} is larger than {_MAX_FILE_BYTES} bytes; name another file")
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        remedy = "name a readable text file behind the @"
        raise UsageError(f"{key}: {path} cannot be read ({type(error).__name__}); {remedy}") from None


def _of_file(file: Path) -> dict[str, Any]:
    from sluice.settings import SettingsError, read_document  # noqa: PLC0415 - every sluice command imports this file

    try:
        if file != STDIN:
            return read_document(file)
        value = json.loads(sys.stdin.read(), parse_float=_exact, parse_constant=_refuse)
    except SettingsError as error:
        raise UsageError(str(error)) from None
    except (ValueError, RecursionError):
        raise UsageError("--from-file -: the standard input is no JSON; write an object") from None
    if not isinstance(value, dict):
        raise UsageError("--from-file -: the standard input is no JSON object; write one")
    return value
