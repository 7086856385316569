"""Running texts of streams; with bodies they are tested in ``test_bodies.py``."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.privacy.streams import redact_stream


@settings(deadline=None)
@given(st.text() | st.text(alphabet='data:{}[]"a,\r\n 1', max_size=200))
def test_what_nothing_is_found_in_stays_as_it_is(text: str) -> None:
    """Whatever it is: all of its characters come out again."""
    assert redact_stream(text, lambda found: found, is_cut=False) == text


@pytest.mark.parametrize("unit", ["data: {", "[", '{"a":', "\n", "\r", '[{"a":1},', "data:\n"])
def test_no_stream_takes_long(unit: str) -> None:
    """64 KiB of what is nearly one."""
    began = time.process_time()
    redact_stream((unit * (1 << 16))[: 1 << 16], lambda found: found, is_cut=True)
    redact_stream("[" + (unit * (1 << 16))[: 1 << 16], lambda found: found, is_cut=True)
    assert time.process_time() - began < 3
