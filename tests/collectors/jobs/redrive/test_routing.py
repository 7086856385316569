"""Where a letter goes: to whoever refused it, as the configuration is now."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.entries import FALLBACK
from collectors.jobs.interface import UsageError
from collectors.jobs.redrive.letters import Letter
from collectors.jobs.redrive.routing import Left, Routing, Target
from collectors.settings import Settings
from sluice.eventlog.interface import Partition, StoredRecord
from tests.collectors.events import TOPICS

ENTRIES: list[dict[str, Any]] = [
    {"name": "alone", "path": "sink://stdout"},
    {"name": "a", "path": "sink://stdout", "service": "s", "dead_letter": {"max_redrives": 1}},
    {"name": "s", "path": "python://x:Y", "service": "s"},
    {"name": "off", "path": "sink://stdout", "enabled": False},
    {"name": "bare", "path": "python://x:Y", "fallback": "none"},
]


def routing(**options: Any) -> Routing:
    """Over a service of one entry, and one of two of which one is called as it."""
    return Routing(Settings.model_validate({"data_collection_plugins": ENTRIES}), TOPICS, **options)


def letter(collector: str = "", reason: str = "too_large", group: str = "", **facts: str) -> Letter:
    """Refused so."""
    named = {"collector": collector, "error.type": reason, "group": group, **facts}
    headers = [(f"dlq.{name}", text.encode()) for name, text in named.items()]
    topic = TOPICS.event("analytics").dead_letters().name
    return Letter.of(Partition(topic, 0), StoredRecord(topic, 0, 0, 0, b"", b"", headers))


ALL_OF_S = Target("s", ("a", "s"))


@pytest.mark.parametrize(
    ("found", "target"),
    [
        (letter("alone"), Target("alone", ("alone",))),
        (letter("alone", "bad_body", "sluice.alone"), Target("alone", ("alone",))),
        (letter("a", group="sluice.s"), Target("s", ("a",))),
        (letter("a", group="sluice.moved"), Target("s", ("a",))),
        (letter("s", "plugin_failed", "sluice.s"), Target("s", ("s",))),
        (letter("s", "bad_body", "sluice.s"), ALL_OF_S),
        (letter("", "bad_body", "sluice.s"), ALL_OF_S),
        (letter(FALLBACK, group="sluice.s"), Target("s", (FALLBACK,))),
    ],
)
def test_who_refused_it_is_given_it(found: Letter, target: Target) -> None:
    """An entry by its name; all of a service what nobody could decode, also where an entry is called as its service."""
    assert routing().route(found) == target


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (letter("gone"), "not_configured"),
        (letter("off"), "not_configured"),
        (letter(FALLBACK, group="sluice.bare"), "not_configured"),
        (letter(FALLBACK, group="sluice.gone"), "not_configured"),
        (letter(), "no_collector"),
        (letter("alone", group="other.alone"), "foreign"),
        (letter("alone", topic="other.analytics.v1"), "foreign"),
        (letter("alone", truncated="true"), "truncated"),
        (letter("alone", redrives="3"), "max_redrives"),
        (letter("a", redrives="1"), "max_redrives"),
    ],
)
def test_what_goes_nowhere(found: Letter, code: str) -> None:
    """Says why, and what to do."""
    left = routing().route(found)
    assert isinstance(left, Left)
    assert left.code == code


def test_a_disabled_entry_is_told_from_one_that_is_none() -> None:
    """With those that there are."""
    assert "'off' is disabled: enable it" in routing().route(letter("off")).why  # type: ignore[union-attr]
    assert "'gone' is no entry: add it, or say --give-to ENTRY; there are: alone, a, s, bare" in str(
        routing().route(letter("gone"))
    )


def test_one_collector_is_meant() -> None:
    """What it refused, and what its service could not decode: that goes to it alone; nothing else is meant."""
    one = routing(collector="a")
    assert [
        one.concerns(each) for each in (letter("a"), letter("s", "bad_body", "sluice.s"), letter("", "bad_body"))
    ] == [True] * 3
    assert [
        one.concerns(each)
        for each in (
            letter("alone"),
            letter("s", "plugin_failed", "sluice.s"),
            letter("alone", "bad_body", "sluice.alone"),
        )
    ] == [False] * 3
    assert one.route(letter("s", "bad_body", "sluice.s")) == Target("s", ("a",))
    assert one.route(letter("", "bad_body")) == Target("s", ("a",))
    assert routing(collector="gone").concerns(letter("gone"))


def test_limits_are_an_entry_s_or_the_command_s() -> None:
    """``max_redrives`` of the one, unless the other says so."""
    assert routing(max_redrives=2).route(letter("a", redrives="1")) == Target("s", ("a",))
    assert isinstance(routing(max_redrives=1).route(letter("alone", redrives="1")), Left)


def test_plans_hold_the_target_s_entries_alone() -> None:
    """With the fallback of their service where one of them may need it."""
    plans = routing()
    assert plans.plan(Target("s", ("a",))).fallback is None
    both = plans.plan(ALL_OF_S)
    assert ([each.name for each in both.entries], both.fallback is not None) == (["a", "s"], True)
    alone = plans.plan(Target("s", (FALLBACK,)))
    assert ([each.name for each in alone.entries], alone.fallback) == ([FALLBACK], None)


def test_whom_to_give_them_to_must_be_there() -> None:
    """An enabled entry."""
    for name in ("off", "gone"):
        with pytest.raises(UsageError, match=f"--give-to: no enabled entry '{name}'; there are: alone, a, s, bare"):
            routing(give_to=name).check()
    assert routing(give_to="alone").route(letter("gone")) == Target("alone", ("alone",))
