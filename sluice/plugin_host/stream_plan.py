"""What the body hooks of an LLM do to its streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.plugin_host.link import Link
from sluice.plugin_host.registration import OnStream


class StreamPlan(NamedTuple):
    """What the body hooks of an LLM do to its streams."""

    chunks: Chain | None = None
    """Piece by piece; ``None`` where some plugin reads streams whole, or nobody reads them."""
    whole: Chain | None = None
    """Gathered to their end; a plugin that handles chunks gets all of it as one."""
    refused_by: str = ""
    """The plugin that lets no stream pass."""
    skipped: tuple[Link, ...] = ()
    """Those that streams pass by, to be counted."""


def plan_streams(acting: Sequence[tuple[Link, OnStream]], limits: Limits) -> StreamPlan:
    """Of the links of ``response_body`` in order; ``on_stream`` is asked of those alone who handle no chunks."""
    readers = tuple(link for link, on_stream in acting if link.handles_chunks or on_stream != "skip")
    skipped = tuple(link for link, on_stream in acting if not link.handles_chunks and on_stream == "skip")
    for link, on_stream in acting:
        if not link.handles_chunks and on_stream == "refuse":
            return StreamPlan(refused_by=link.plugin, skipped=skipped)
    chain = Chain("response_body", readers, limits) if readers else None
    if all(link.handles_chunks for link in readers):
        return StreamPlan(chunks=chain, skipped=skipped)
    return StreamPlan(whole=chain, skipped=skipped)
