"""The breaker: opens after failures in a row, lets one try at a time, closes with the first success."""

from __future__ import annotations

from collectors.breaker import Breaker
from collectors.entries import BreakerSettings


class Bench:
    """A breaker on a clock that is turned by hand."""

    def __init__(self, max_failures: int, open_seconds: float = 5.0) -> None:
        self.now = 100.0
        self.told: list[bool] = []
        settings = BreakerSettings(max_failures=max_failures, open_seconds=open_seconds)
        self.breaker = Breaker(settings, lambda: self.now, self.told.append)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.failed()


def test_it_opens_with_the_last_failure_in_a_row() -> None:
    """Not before; a success between starts the count anew. It is told once."""
    bench = Bench(3)
    bench.fail(2)
    bench.breaker.succeeded()
    bench.fail(2)
    assert (bench.breaker.is_open, bench.breaker.seconds_left, bench.told) == (False, 0.0, [])
    bench.fail()
    assert (bench.breaker.is_open, bench.breaker.seconds_left, bench.told) == (True, 5.0, [True])


def test_after_its_time_one_may_try_and_a_failure_opens_it_as_long_again() -> None:
    """Open until a write goes through: that it may be tried does not close it."""
    bench = Bench(1)
    bench.fail()
    bench.now += 3
    assert bench.breaker.seconds_left == 2.0
    bench.now += 3
    assert (bench.breaker.is_open, bench.breaker.seconds_left) == (True, 0.0)
    bench.fail()
    assert (bench.breaker.seconds_left, bench.told) == (5.0, [True])
    bench.breaker.succeeded()
    assert (bench.breaker.is_open, bench.breaker.seconds_left, bench.told) == (False, 0.0, [True, False])


def test_zero_never_opens() -> None:
    """Whatever fails."""
    bench = Bench(0)
    bench.fail(1_000)
    assert not bench.breaker.is_open
    bench.breaker.succeeded()
    assert bench.told == []
