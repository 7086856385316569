"""Prometheus text, as its own format says it (0.0.4)."""

from __future__ import annotations

import orjson
import pytest

from sluice.exposition import (
    Exemplar,
    dump_families,
    load_families,
    render_families,
    render_open_metrics,
    wants_open_metrics,
)
from sluice.telemetry import Histogram, Registry


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


def with_exemplar() -> Registry:
    """As ``registry``, and somebody looks for what took five seconds."""
    made = registry()
    [histogram] = [each for each in made.metrics() if isinstance(each, Histogram)]
    histogram.exemplify(5.0, Exemplar("0af7651916cd43dd8448eb211c80319c", 5.0, 1_700_000_000.25))
    return made


def test_open_metrics_have_exemplars() -> None:
    """Type, unit and help by a counter's name without its ending; bounds are floats; the end is marked."""
    assert with_exemplar().render_open() == (
        "# TYPE sluice_things counter\n# HELP sluice_things Things.\n"
        'sluice_things_total{name="a \\"b\\"\\n\\\\"} 3\n'
        "# TYPE sluice_level gauge\n# HELP sluice_level Level.\nsluice_level 0.10000000000000001\n"
        "# TYPE sluice_seconds histogram\n# UNIT sluice_seconds seconds\n# HELP sluice_seconds Time.\n"
        'sluice_seconds_bucket{le="0.1"} 1\nsluice_seconds_bucket{le="1.0"} 1\n'
        'sluice_seconds_bucket{le="+Inf"} 2 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 5 1700000000.250000\n'
        "sluice_seconds_sum 5.0499999999999998\nsluice_seconds_count 2\n# EOF\n"
    )


def test_the_plain_text_has_none() -> None:
    """Its format knows no exemplars: a scraper would refuse all of it."""
    assert with_exemplar().render() == registry().render()


def test_exemplars_travel_between_processes() -> None:
    """And stay with the bucket and the series that they are of; what an older process wrote has none."""
    families = with_exemplar().families()
    sent = load_families(dump_families(families))
    assert render_open_metrics([({}, sent)]) == with_exemplar().render_open()
    older = load_families(orjson.dumps([tuple(family)[:-1] for family in registry().families()]))
    assert render_open_metrics([({}, older)]) == registry().render_open()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", True),
        ("Application/OpenMetrics-Text ; Q=0.5 , text/plain;q=0.2", True),
        ("application/openmetrics-text;q=0.1,text/plain", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", False),
        ("application/openmetrics-text;q=nan,*/*", False),
        ("application/openmetrics-text;q=9", False),
        ("*/*", False), ("text/plain", False), ("", False), (",;,=;q=", False), ("application/*", False),
    ],
)  # fmt: skip
def test_open_metrics_are_for_who_asks(accept: str, wanted: bool) -> None:
    """By ``Accept`` and its qualities; garbage asks for nothing."""
    assert wants_open_metrics(accept) is wanted
