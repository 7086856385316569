"""Prometheus text, as its own format says it (0.0.4)."""

from __future__ import annotations

import pytest

from sluice.exposition import dump_families, load_families, render_families
from sluice.telemetry import Registry


def registry() -> Registry:
    """One of each kind."""
    made = Registry()
    made.counter("sluice_things_total", "Things.", labels=("name",)).add(3, 'a "b"\n\\')
    made.gauge("sluice_level", "Level.", "bytes").set(0.1)
    histogram = made.histogram("sluice_seconds", "Time.", "seconds", (0.1, 1.0))
    histogram.observe(0.05)
    histogram.observe(5.0)
    return made


def test_the_text_is_prometheus() -> None:
    """Help, type, escaped labels, cumulative buckets, sum and count."""
    assert registry().render() == (
        "# HELP sluice_things_total Things.\n# TYPE sluice_things_total counter\n"
        'sluice_things_total{name="a \\"b\\"\\n\\\\"} 3\n'
        "# HELP sluice_level Level. (bytes)\n# TYPE sluice_level gauge\nsluice_level 0.10000000000000001\n"
        "# HELP sluice_seconds Time. (seconds)\n# TYPE sluice_seconds histogram\n"
        'sluice_seconds_bucket{le="0.1"} 1\nsluice_seconds_bucket{le="1"} 1\nsluice_seconds_bucket{le="+Inf"} 2\n'
        "sluice_seconds_sum 5.0499999999999998\nsluice_seconds_count 2\n"
    )


def test_processes_are_merged_with_a_label_each() -> None:
    """A metric's lines stand together, whichever process they are of: Prometheus refuses a family that comes twice."""
    text = render_families([({"worker": "w0"}, registry().families()), ({"worker": "w1"}, registry().families())])
    assert text.count("# TYPE sluice_level gauge") == 1
    assert 'sluice_level{worker="w0"} 0.10000000000000001\nsluice_level{worker="w1"} 0.10000000000000001\n' in text


def test_families_travel_between_processes() -> None:
    """What one process wrote another renders the same."""
    families = registry().families()
    assert render_families([({}, load_families(dump_families(families)))]) == registry().render()


@pytest.mark.parametrize("text", [b"", b"{", b"7", b"[7]", b"[[1]]"])
def test_damaged_families_are_refused(text: bytes) -> None:
    """A half-written file is an error with a type, not a surprise."""
    with pytest.raises((ValueError, TypeError)):
        load_families(text)
