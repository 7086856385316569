"""structlog for every process of ours: a fixed phrase and key-values to standard error, JSON where nobody watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import cast


def configure_logs(level: str = "info", *, as_json: bool | None = None) -> None:
    """Called once by each command, before anything logs. JSON unless standard error is a terminal."""
    import logging  # noqa: PLC0415 - every command imports this file, and most log nothing

    with _hidden("rich"):  # loaded by structlog, with pygments, for tracebacks that we do not show: 4 MiB of a process
        import structlog  # noqa: PLC0415 - as above

    plain = sys.stderr.isatty() if as_json is None else not as_json
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if plain
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Libraries log through the standard library: only what operators must see, in their own words.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    # A connection closed without its last byte is our answer to a failed record, and counted: no fault of the server.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its errors reach us as exceptions, and are ours to say


@contextlib.contextmanager
def _hidden(module: str) -> Iterator[None]:
    """As if it were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = cast("ModuleType", None)  # an import of it fails then
    try:
        yield
    finally:
        del sys.modules[module]
