"""Whether the sinks of a service that is to be exchanged answer: asked before the one that runs is touched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence

import structlog

from collectors.entries import AnyEntry
from collectors.errors import Halt, Retryable
from collectors.sinks.registry import SinkOpening, open_sink
from collectors.sinks.settings import DatabaseSettings

PROBE_SECONDS = 10.0

_UNASKED = ("sink://file", "sink://stdout")
"""Of these, of SQLite and of plugins only a start can tell, which makes folders and processes: they are not asked."""

_log = structlog.get_logger(__name__)


async def why_not(entries: Sequence[AnyEntry], opening: SinkOpening) -> str:
    """Why these cannot take over now; empty where they can, as far as asking tells. All of them are opened at least."""
    for entry in entries:
        if reason := await _why_not(entry, opening):
            return f"{entry.name}: {reason}"
    return ""


def can_be_asked(entry: AnyEntry) -> bool:
    """Whether a sink that was not started can tell whether it would be."""
    if isinstance(entry.config, DatabaseSettings):
        return not entry.config.url.startswith("sqlite")
    return entry.path.startswith("sink://") and entry.path not in _UNASKED


async def _why_not(entry: AnyEntry, opening: SinkOpening) -> str:
    try:
        sink = open_sink(entry, opening)
    except Exception as error:  # noqa: BLE001 - whatever a sink cannot be made of, the one that runs goes on
        return f"cannot be opened ({type(error).__name__})"
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            if can_be_asked(entry):
                await sink.check()
    except (Retryable, Halt) as error:
        return str(error)
    except TimeoutError:
        return f"does not answer within {PROBE_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - as above
        _log.exception("sink broke its contract: it raised as it was checked")
        return f"the sink raised {type(error).__name__} as it was checked"
    finally:
        await _close(sink.close())
    return ""


async def _close(closing: Awaitable[None]) -> None:
    """Whatever it meets: the sink was only asked."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(PROBE_SECONDS):
            await closing
