"""How the command ends whatever happens: a status for each, and never a traceback for what is no fault of ours.

130 Ctrl-C   0 whoever read the output has gone   2 an extra is not installed, which is named
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires
from typing import Final, NoReturn

DISTRIBUTION: Final = "sluice-gateway"
INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells say it."""

_DISTRIBUTIONS = {
    "google.auth": "google-auth",
    "grpc": "grpcio",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry": "opentelemetry-sdk",
    "re2": "google-re2",
    "rs_bpe": "rs-bpe",
}
"""Modules whose distribution has another name."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+).*extra == ['\"]([a-z0-9-]+)['\"]")


def run(command: Callable[[], object]) -> NoReturn:
    """Run it to its end, which is the process's."""
    code: object = 0
    try:
        command()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        forget_output()
    except ModuleNotFoundError as error:
        code = _explain(error)
    sys.exit(_flushed(code))  # type: ignore[arg-type]  # what SystemExit had


def _explain(error: ModuleNotFoundError) -> int:
    """Name what to install; what belongs to no extra is a fault of ours, and stays one."""
    extra = extra_of(error.name or "")
    if extra is None:
        raise error
    sys.stderr.write(f"{error.name} is not installed: pip install '{DISTRIBUTION}[{extra}]'\n")
    return 2


def extra_of(module: str) -> str | None:
    """The extra that brings a module; ``None`` where none does."""
    root = module.partition(".")[0]
    wanted = (_DISTRIBUTIONS.get(module) or _DISTRIBUTIONS.get(root) or root).lower().replace("_", "-")
    try:
        required = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return None
    found = [match for match in map(_REQUIREMENT.match, required) if match]
    extras = [match[2] for match in found if match[1].lower() == wanted and match[2] != "all"]
    return extras[0] if extras else None


def _flushed(code: object) -> object:
    """What is still in the buffer goes out here, where its failure is no message of the interpreter's."""
    try:
        if sys.stdout is not None:  # where the descriptor was closed
            sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        forget_output()
    return code


def forget_output() -> None:
    """Whoever read it has gone: nothing is written any more, at the interpreter's end neither."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
    finally:
        os.close(nowhere)
