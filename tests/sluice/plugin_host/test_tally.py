"""A tally counts what happened, and remembers enough of it to say how long things take."""

from __future__ import annotations

from schemas.events import PluginTiming
from sluice.plugin_host.tally import _REMEMBERED, HookFigures, Tally
from sluice.sdk import PluginResponse
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import make_request
from tests.sluice.plugin_host.plugins import answering, chain, link


def test_nothing_is_zero() -> None:
    """No call, no percentile, no division by it."""
    assert Tally().figures() == HookFigures()


def test_times_are_summed_up_exactly() -> None:
    """Mean and maximum of all calls, percentiles of the calls that there were."""
    tally = Tally()
    for micros in (1, 2, 3, 4, 90):
        tally.add(micros)
    figures = tally.figures()
    assert (figures.calls, figures.mean_micros, figures.max_micros) == (5, 20.0, 90)
    assert (figures.p50_micros, figures.p99_micros) == (3, 90)


def test_percentiles_are_of_the_last_calls() -> None:
    """What was slow an hour ago is not slow now; the maximum stays."""
    tally = Tally()
    tally.add(1_000_000)
    for _ in range(256):
        tally.add(5)
    figures = tally.figures()
    assert (figures.p50_micros, figures.p99_micros, figures.max_micros, figures.calls) == (5, 5, 1_000_000, 257)


async def test_times_that_nobody_asks_for_are_summed_up() -> None:
    """Else each call of a chain would leave one in memory."""
    place = link("a", answering(PluginResponse.allow()))
    over, request, calls = chain(place), make_request(), _REMEMBERED + 9
    timings: list[PluginTiming] = []
    for _ in range(calls):
        await over.run(ExchangeFacts(), request, timings)
    assert len(place.tally._new) == 9
    assert place.tally.figures().calls == calls
