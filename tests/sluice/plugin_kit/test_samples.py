"""Samples are what a gateway sends."""

from __future__ import annotations

from typing import get_args

import pytest

from sluice.plugin_host.running import EventType
from sluice.plugin_kit.samples import sample_event, sample_facts, sample_message, sample_stream
from sluice.sdk.capabilities import Hook


@pytest.mark.parametrize("hook", get_args(Hook))
def test_every_hook_has_one(hook: Hook) -> None:
    """Of an exchange that has come so far: an app is known only behind the authentication."""
    assert sample_message(hook) is not None
    assert (sample_facts(hook).app_id is None) == (hook in {"pre_auth", "auth"})
    assert sample_facts(hook) is not sample_facts(hook)


def test_a_stream_has_a_piece_and_an_end() -> None:
    """As the gateway gives it: whole SSE frames, then the last call, which may be empty."""
    piece, end = sample_stream()
    assert (piece.is_stream_chunk, piece.is_last_chunk, piece.body[-2:]) == (True, False, b"\n\n")
    assert (end.is_stream_chunk, end.is_last_chunk, end.body) == (True, True, b"")


@pytest.mark.parametrize("kind", get_args(EventType))
def test_every_kind_of_event_has_one(kind: EventType) -> None:
    """For collectors."""
    assert sample_event(kind).event_id
