"""One scrape shows every worker, whichever of them answers it."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.worker_metrics import MetricsFolder
from sluice.telemetry import Registry


def registry(count: int) -> Registry:
    """A worker's metrics."""
    made = Registry()
    made.counter("sluice_things_total", "Things.").add(count)
    return made


def test_workers_are_shown_together(tmp_path: Path) -> None:
    """One's own metrics as they are now, the others' as they last wrote them."""
    folder = MetricsFolder(tmp_path, "gateway-1")
    folder.write("w0", registry(1).families())
    folder.write("w1", registry(2).families())
    text = folder.render("w0", registry(7).families())
    assert 'sluice_things_total{worker="w0"} 7\n' in text
    assert 'sluice_things_total{worker="w1"} 2\n' in text


def test_what_is_gone_is_not_shown(tmp_path: Path) -> None:
    """A worker that ended takes its file along; that of a killed one is left out when it is old."""
    folder = MetricsFolder(tmp_path, "gateway-1")
    folder.write("w1", registry(2).families())
    folder.remove("w1")
    folder.remove("w1")
    folder.write("w2", registry(3).families())
    path = tmp_path / "run" / "gateway-1" / "w2.metrics.json"
    os.utime(path, (1_000_000, 1_000_000))
    assert folder.render("w0", registry(1).families()).count("sluice_things_total{") == 1


def test_a_damaged_file_hides_nobody_else(tmp_path: Path) -> None:
    """Garbage in one worker's file is left out."""
    folder = MetricsFolder(tmp_path, "gateway-1")
    folder.write("w1", registry(2).families())
    (tmp_path / "run" / "gateway-1" / "w2.metrics.json").write_bytes(b"[[1]]")
    text = folder.render("w0", registry(1).families())
    assert 'worker="w1"' in text
    assert 'worker="w2"' not in text


def test_open_metrics_are_those_of_all_workers_too(tmp_path: Path) -> None:
    """With one end, behind all of them."""
    folder = MetricsFolder(tmp_path, "gateway-1")
    folder.write("w1", registry(2).families())
    text = folder.render_open("w0", registry(1).families())
    assert 'sluice_things_total{worker="w0"} 1\nsluice_things_total{worker="w1"} 2\n' in text
    assert (text.count("# TYPE sluice_things counter"), text.count("# EOF\n")) == (1, 1)
    assert text.endswith("# EOF\n")
