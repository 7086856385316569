"""A filter is never bypassed by asking for a stream, but where an operator said so."""

from __future__ import annotations

import pytest

from sluice.plugin_host.registration import Placement
from tests.sluice.plugin_host.lives import Pieces, WholeBodies, limit, registration, started


def places(*given: str) -> list[Placement]:
    """``name`` or ``name:on_stream``."""
    split = [each.partition(":") for each in given]
    return [Placement(name, on_stream or None) for name, _, on_stream in split]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "chunks", "whole", "refused_by", "skipped"),
    [
        ([], None, None, "", []),
        (["limit"], None, None, "", []),
        (["pieces"], ["pieces"], None, "", []),
        (["whole"], None, ["whole"], "", []),
        (["pieces", "whole"], None, ["pieces", "whole"], "", []),
        (["whole", "pieces"], None, ["whole", "pieces"], "", []),
        (["pieces", "whole:skip"], ["pieces"], None, "", ["whole"]),
        (["whole:skip"], None, None, "", ["whole"]),
        (["whole", "skips", "pieces"], None, ["whole", "pieces"], "", ["skips"]),
        (["whole:refuse", "pieces"], None, None, "whole", []),
        (["whole", "refuses", "skips"], None, None, "refuses", ["skips"]),
        (["refuses:buffer"], None, ["refuses"], "", []),
        (["refuses:skip"], None, None, "", ["refuses"]),
        (["skips:buffer", "refuses:skip"], None, ["skips"], "", ["refuses"]),
        (["pieces:refuse", "pieces:skip"], ["pieces", "pieces"], None, "", []),
    ],
)
async def test_streams_are_planned(
    given: list[str], chunks: list[str] | None, whole: list[str] | None, refused_by: str, skipped: list[str]
) -> None:
    """Piece by piece where all who read them can; whole where one cannot; not at all where one says so. The place's
    word goes before the registration's, and neither is asked of who takes pieces."""
    host = await started(
        registration(Pieces, "pieces"), registration(WholeBodies, "whole"), limit("limit", 1),
        registration(WholeBodies, "skips", on_stream="skip"), registration(WholeBodies, "refuses", on_stream="refuse"),
    )  # fmt: skip
    plan = host.stream_plan(places(*given))
    named = [None if chain is None else [link.plugin for link in chain.links] for chain in (plan.chunks, plan.whole)]
    assert named == [chunks, whole]
    assert (plan.refused_by, [link.plugin for link in plan.skipped]) == (refused_by, skipped)
