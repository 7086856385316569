"""What foreign JSON may raise when it is decoded."""

from __future__ import annotations

import msgspec
import pytest

from sluice.usage.reading import MISFIT, UNREADABLE


class Named(msgspec.Struct):
    """Something with a name."""

    name: str | None = None


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"name":"\xff"}', b'{"\xff":1}', b'{"name":7}', b"\xff"])
def test_whatever_is_wrong_with_it_is_named(body: bytes) -> None:
    """Broken, too deep, not UTF-8, of the wrong type: nothing else is raised by a decoder; some fields it skips."""
    try:
        msgspec.json.decode(body, type=Named)
    except UNREADABLE:
        return
    assert body == b'{"\xff":1}'


@pytest.mark.parametrize("body", [b'{"name":"\xff"}', b'{"name":7}'])
def test_a_field_that_does_not_fit_leaves_the_others(body: bytes) -> None:
    """A decoder that asks for fewer fields still reads what it asks for."""
    with pytest.raises(MISFIT):
        msgspec.json.decode(body, type=Named)
    assert msgspec.json.decode(body, type=dict[str, msgspec.Raw]).keys() == {"name"}
