"""Health: halts and troubles are kept by place, and each is said once when it begins and once when it ends."""

from __future__ import annotations

from typing import Any

import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from collectors.errors import Halt
from collectors.health import LIVE_SECONDS, Health

FORBIDDEN = Halt("403", "grant it")
Alert = tuple[str, str, dict[str, str]]


class Bench:
    """Health with a clock turned by hand, and what it told."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.alerts: list[Alert] = []
        self.health = Health("test", lambda: self.now, lambda *alert: self.alerts.append(alert))
        self.health.is_running = True


def test_a_service_is_ready_while_it_runs_and_nothing_is_wrong() -> None:
    """Not before it runs, not in trouble, not halted; and again once all of it is over."""
    health = Health("test", lambda: 0.0)
    seen = [health.is_ready]
    health.is_running = True
    seen.append(health.is_ready)
    health.trouble("sink", "503")
    health.halt("offsets", FORBIDDEN)
    health.clear("sink")
    seen.append(health.is_ready)
    health.clear("offsets")
    seen.append(health.is_ready)
    assert seen == [False, True, False, True]
    assert health.causes == {}


def test_of_several_sinks_one_that_is_halted_does_not_stop_the_intake() -> None:
    """All of them do, and so does whatever is no sink; the service is halted with the first, and says so."""
    bench = Bench()
    health = bench.health
    health.parts = (frozenset({"sink a"}), frozenset({"sink b"}))
    seen = []
    for where in ("sink a", "sink b"):
        health.halt(where, FORBIDDEN)
        seen.append((health.is_halted, health.stops_intake))
    health.clear("sink a")
    health.halt("offsets", FORBIDDEN)
    seen.append((health.is_halted, health.stops_intake))
    health.clear("offsets")
    health.trouble("sink a", "503")
    seen.append((health.is_halted, health.stops_intake))
    assert seen == [(True, False), (True, True), (True, True), (True, False)]
    assert len(bench.alerts) == 3


def test_of_one_sink_a_halt_stops_the_intake() -> None:
    """There is nobody else to go on."""
    health = Health("test", lambda: 0.0)
    assert not health.stops_intake
    health.halt("sink", FORBIDDEN)
    assert health.stops_intake


def test_a_trouble_does_not_stop_the_intake() -> None:
    """Only a halt does, and which place is halted can be asked."""
    health = Bench().health
    health.trouble("sink", "503")
    assert (health.is_halted, health.is_halted_at("sink"), health.has("sink")) == (False, False, True)
    health.halt("sink", FORBIDDEN)
    assert (health.is_halted, health.is_halted_at("sink")) == (True, True)
    assert not health.is_halted_at("event log")


def test_one_that_ends_does_not_hide_another() -> None:
    """Places are apart; clearing what is well changes nothing."""
    health = Bench().health
    health.halt("sink", FORBIDDEN)
    health.trouble("event log", "no broker")
    health.clear("commits")
    health.clear("event log")
    assert health.causes == {"sink": "403; grant it"}


def test_the_cause_shown_is_the_latest() -> None:
    """Of a place that fails in another way now, the old way is not believed."""
    health = Bench().health
    health.trouble("sink", "refused")
    health.trouble("sink", "timeout")
    assert health.causes == {"sink": "timeout"}
    health.halt("sink", FORBIDDEN)
    health.trouble("sink", "503")
    assert (health.causes, health.is_halted) == ({"sink": "503"}, False)


def test_a_halt_is_an_alert_once() -> None:
    """However often it is found again; a second place is another one, and so is a halt after it had ended."""
    bench = Bench()
    for _ in range(100):
        bench.health.halt("sink", FORBIDDEN)
    assert bench.alerts == [
        (
            "service_halted",
            "service test is halted (sink): 403; grant it",
            {"where": "sink", "reason": "403; grant it"},
        )
    ]
    bench.health.halt("offsets", FORBIDDEN)
    bench.health.clear("sink")
    bench.health.halt("sink", FORBIDDEN)
    assert [facts["where"] for _, _, facts in bench.alerts] == ["sink", "offsets", "sink"]


def test_a_trouble_is_no_alert_until_it_is_a_halt() -> None:
    """Operators are told of what does not pass by itself."""
    bench = Bench()
    bench.health.trouble("sink", "503")
    assert bench.alerts == []
    bench.health.halt("sink", FORBIDDEN)
    assert len(bench.alerts) == 1


def test_without_a_listener_a_halt_is_a_halt() -> None:
    """Alerts are best effort: health does not need one."""
    health = Health("test", lambda: 0.0)
    health.halt("sink", FORBIDDEN)
    assert health.is_halted


def test_the_log_has_a_line_for_each_begin_and_each_end() -> None:
    """Not one for each failed attempt: the hundredth says nothing that the first did not."""
    health = Bench().health
    with structlog.testing.capture_logs() as lines:
        for _ in range(100):
            health.trouble("sink", "503")
        for _ in range(100):
            health.halt("sink", FORBIDDEN)
        for _ in range(100):
            health.clear("sink")
    assert [line["event"] for line in lines] == ["service in trouble", "service halted", "service recovered"]
    assert {(line["service"], line["where"]) for line in lines} == {("test", "sink")}


def test_a_loop_that_does_not_come_round_is_not_alive() -> None:
    """Up to the bound it is, behind it not, and one round makes it alive again, in whatever trouble."""
    bench = Bench()
    bench.health.halt("sink", FORBIDDEN)
    seen = []
    for seconds in (0.0, LIVE_SECONDS, 0.001):
        bench.now += seconds
        seen.append(bench.health.is_live)
    bench.health.tick()
    assert [*seen, bench.health.is_live] == [True, True, False, True]


def test_causes_are_a_copy() -> None:
    """Whoever shows them cannot change them."""
    health = Bench().health
    health.trouble("sink", "503")
    health.causes.clear()
    assert health.has("sink")


class AnyOrder(RuleBasedStateMachine):
    """Halts, troubles and ends at any place, in any order, against a dictionary."""

    places = st.sampled_from(["sink", "event log", "offsets"])

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.model: dict[str, tuple[str, bool]] = {}
        self.told = 0

    @rule(where=places, reason=st.text(max_size=5))
    def trouble(self, where: str, reason: str) -> None:
        self.bench.health.trouble(where, reason)
        self.model[where] = (reason, False)

    @rule(where=places)
    def halt(self, where: str) -> None:
        self.told += not self.model.get(where, ("", False))[1]
        self.bench.health.halt(where, FORBIDDEN)
        self.model[where] = (str(FORBIDDEN), True)

    @rule(where=places)
    def clear(self, where: str) -> None:
        self.bench.health.clear(where)
        self.model.pop(where, None)

    @invariant()
    def agrees(self) -> None:
        health: Any = self.bench.health
        assert health.causes == {where: reason for where, (reason, _) in self.model.items()}
        assert health.is_halted == any(is_halt for _, is_halt in self.model.values())
        assert health.is_ready == (not self.model)
        assert len(self.bench.alerts) == self.told


AnyOrder.TestCase.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)
TestAnyOrder = AnyOrder.TestCase


def test_a_pause_stops_the_intake_and_nothing_else() -> None:
    """It is a cause, it is no halt and no alert, it hides no trouble and ends none; twice is once, and is logged so."""
    bench = Bench()
    bench.health.trouble("sink", "503")
    with structlog.testing.capture_logs() as lines:
        for act in (
            bench.health.pause,
            bench.health.pause,
            bench.health.resume,
            bench.health.resume,
            bench.health.pause,
        ):
            act()
    assert [line["event"] for line in lines] == ["service paused", "service resumed", "service paused"]
    assert (bench.health.stops_intake, bench.health.is_halted, bench.health.is_ready) == (True, False, False)
    assert list(bench.health.causes) == ["paused", "sink"]
    assert bench.alerts == []
    bench.health.resume()
    assert (bench.health.stops_intake, bench.health.causes) == (False, {"sink": "503"})


def test_the_last_trouble_is_remembered() -> None:
    """Where, why and how long ago, also when it is over; a newer one takes its place, and so does news of the same."""
    bench = Bench()
    before = bench.health.last_trouble
    assert before is None
    bench.health.trouble("sink", "503")
    bench.health.clear("sink")
    bench.now += 7
    assert bench.health.last_trouble == ("sink", "503", 7.0)
    bench.health.halt("offsets", FORBIDDEN)
    assert bench.health.last_trouble == ("offsets", "403; grant it", 0.0)
    bench.health.trouble("sink", "502")
    bench.health.trouble("sink", "504")
    assert bench.health.last_trouble == ("sink", "504", 0.0)
