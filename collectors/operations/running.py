"""How every command of this package runs: its settings, its errors, its exit code, and the end of whoever reads it.

0 all is well   1 something is wrong   2 it was asked for something that there is not   130 Ctrl-C
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import typer
from pydantic import BaseModel

from collectors.errors import Halt, Retryable
from sluice.command_line.ending import INTERRUPTED
from sluice.eventlog.interface import EventLogError
from sluice.settings import SettingsError, load_settings

ModelT = TypeVar("ModelT", bound=BaseModel)

OK, WRONG, USAGE = 0, 1, 2


class UsageError(Exception):
    """What was asked for cannot be; the message says what can."""


def settings_of(path: Path, model: type[ModelT]) -> ModelT:
    """The settings in a file; raises UsageError with every problem."""
    try:
        return load_settings(path, model)
    except SettingsError as error:
        raise UsageError(str(error)) from error


def run(work: Callable[[], Awaitable[int]]) -> NoReturn:
    """Run a command to its exit code. Whoever reads its output may leave at any time, and so may its user."""
    try:
        code = asyncio.run(_awaited(work))
        sys.stdout.flush()
    except UsageError as error:
        _fail(error, USAGE)
    except (EventLogError, Retryable, Halt) as error:
        _fail(error, WRONG)
    except BrokenPipeError:
        _forget_output()
        code = OK
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


async def _awaited(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


def _fail(error: Exception, code: int) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(code) from error


def _forget_output() -> None:
    """What is still in the buffer would break the pipe once more, when the interpreter flushes it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
