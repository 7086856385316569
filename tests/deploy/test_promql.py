"""The reader of expressions finds what is wrong in them: else the tests that stand on it could not fail."""

from __future__ import annotations

import pytest

from tests.deploy.promql import problems_of, spoken_of


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sluice_collector_redy == 0", "no metric sluice_collector_redy"),
        ('sluice_collector_ready{svc="a"}', "sluice_collector_ready has no label svc"),
        ("sum by (reason) (sluice_collector_ready)", "no metric of it has the label reason"),
        ("a > 1 and on (service) sluice_collector_ready", "no metric a"),
        ("histogram_quantile(0.5, sluice_collector_write_seconds)", "no metric sluice_collector_write_seconds"),
        ('sluice_exchanges_total{service="a"}', "sluice_exchanges_total has no label service"),
        ("vector(1)", "speaks of no metric"),
    ],
)
def test_what_is_wrong_is_found(expression: str, problem: str) -> None:
    """Names, labels in braces, labels in lists."""
    assert problem in problems_of(expression)


@pytest.mark.parametrize(
    "expression",
    [
        'sum by (service) (rate(sluice_collector_records_total{outcome="x, {y}", service=~"$s"}[5m])) / 1e6 > 1',
        "absent(sluice_collector_ready) unless on (service, instance) sluice_collector_paused == 1",
        "sum by (le) (rate(sluice_collector_write_seconds_bucket[5m]))",
        "sluice_journal_left_bytes{worker='0'} / (sluice_journal_left_bytes + sluice_journal_used_bytes) < 0.2",
    ],
)
def test_what_is_right_is_not(expression: str) -> None:
    """Functions, aggregations, joins, ranges, the labels that Prometheus and workers add."""
    assert problems_of(expression) == []


@pytest.mark.parametrize("expression", ["sum(a", "a{b='c'", "a ; b", 'a{b="c}'])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    """Brackets that do not match, signs that there are not."""
    with pytest.raises(ValueError, match="in "):
        spoken_of(expression)
