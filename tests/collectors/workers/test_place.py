"""A worker learns its place from its command line."""

from __future__ import annotations

from pathlib import Path

from collectors.workers.place import WorkerPlace


def test_options_say_it_all() -> None:
    """Each as one word, so that nothing is split."""
    assert WorkerPlace(2, Path("/run/a b/2.sock"), 7).options() == [
        "--worker=2",
        "--socket=/run/a b/2.sock",
        "--parent=7",
    ]
