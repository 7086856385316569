"""A place knows what serves in it, why not, and when that is to be tried again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.place import Attempt, Began, Place, is_due, loaded_in, only_in
from sluice.plugin_host.registration import Instance, Placement, PluginRegistration
from sluice.sdk.testing import RecordingServices
from tests.sluice.plugin_host.plugins import Limit, answering, link

REGISTRATION = PluginRegistration.model_validate({"id": 3, "name": "a", "command": "a.py"})
INSTANCE = Instance("k", REGISTRATION)
ERROR = PluginLoadError("a", "no file", "correct `command`")


def loaded() -> LoadedPlugin:
    """A plugin that serves."""
    links: Any = {"post_auth": link("a", answering(None), key="k")}
    return LoadedPlugin(
        instance=INSTANCE,
        registration=REGISTRATION,
        running=LocalPlugin(Limit()),
        services=RecordingServices(),
        links=links,
    )


def test_a_plugin_that_serves_is_never_tried_again() -> None:
    """And acts at its hooks."""
    plugin = loaded()
    place = Place(INSTANCE, plugin, Began())
    assert not place.is_due()
    assert place.link(Placement("k"), "post_auth") is plugin.links["post_auth"]
    assert place.link(Placement("k"), "pre_auth") is None


def test_each_place_on_an_llm_has_a_state_of_its_own() -> None:
    """All else is one plugin's."""
    plugin = loaded()
    second = Place(INSTANCE, plugin, Began()).link(Placement("k", turn=1), "post_auth")
    first = plugin.links["post_auth"]
    assert second
    assert (first.key, second.key) == ("k", "k#1")
    assert (second.gate, second.tally) == (first.gate, first.tally)


def test_a_failure_leaves_what_served() -> None:
    """With its hooks; without it a refusal stands in its place."""
    plugin = loaded()
    before = Place(INSTANCE, plugin, Began())
    failed = Place.of_failure(Instance("k", REGISTRATION, 1), ERROR, before, Began())
    assert failed.loaded is plugin
    assert failed.link(Placement("k"), "post_auth") is plugin.links["post_auth"]
    nothing = Place.of_failure(INSTANCE, ERROR, None, Began())
    assert nothing.link(Placement("k"), "post_auth") is None
    nothing.refusals = {"post_auth": link("a", answering(None))}
    assert nothing.link(Placement("k"), "post_auth") is nothing.refusals["post_auth"]


def test_the_same_failure_again_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another reason is, and another registration. Pauses grow up to a minute, and begin anew for another."""
    monkeypatch.setattr(time, "monotonic", lambda: 1_000.0)
    first = Place.of_failure(INSTANCE, ERROR, None, Began())
    same = Place.of_failure(INSTANCE, ERROR, first, Began())
    other_reason = Place.of_failure(INSTANCE, PluginLoadError("a", "no right", "see"), same, Began())
    other = Place.of_failure(Instance("k", REGISTRATION, 1), ERROR, other_reason, Began())
    news = [first.is_news(None), same.is_news(first), other_reason.is_news(same), other.is_news(other_reason)]
    assert news == [True, False, True, True]
    assert [place.retry_at - 1_000 for place in (first, same, other_reason, other)] == [1, 2, 4, 1]
    last = other
    for _ in range(100):
        last = Place.of_failure(other.instance, ERROR, last, Began())
    assert last.retry_at == 1_060


def test_what_is_due_is_due_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    place = Place.of_failure(INSTANCE, ERROR, None, Began())
    now[0] += 0.9
    assert not place.is_due()
    now[0] += 0.1
    assert place.is_due()


def test_health_is_of_the_last_attempt() -> None:
    """Though another serves; one that is under way is told first."""
    failed = Place.of_failure(INSTANCE, ERROR, Place(INSTANCE, loaded(), Began()), Began())
    assert (failed.health(None).status, failed.health(None).is_serving) == ("failed", True)
    assert failed.health(INSTANCE).status == "loading"
    assert failed.health(Instance("other", REGISTRATION)).status == "failed"
    assert failed.health(None).attempted_at == failed.began.at


def test_who_serves_no_more_is_found_by_identity() -> None:
    """One that goes on at another place is not among them; nor is a place without any."""
    first, second = loaded(), loaded()
    before = {"a": Place(INSTANCE, first, Began()), "b": Place(INSTANCE, second, Began())}
    after = {"c": Place(INSTANCE, first, Began()), "d": Place(INSTANCE, None, Began())}
    assert only_in(before, after) == [second]
    assert only_in(after, before) == []


def test_an_instance_is_due_where_it_is_not_yet() -> None:
    """Another one, another revision, none at all; or the one that failed, in time."""
    place = Place(INSTANCE, loaded(), Began())
    assert not is_due(place, INSTANCE)
    assert is_due(None, INSTANCE)
    assert is_due(place, Instance("k", REGISTRATION, 1))
    failed = Place.of_failure(INSTANCE, ERROR, None, Began())
    assert not is_due(failed, INSTANCE)
    failed.retry_at = 0.0
    assert is_due(failed, INSTANCE)


def test_what_was_loaded_is_told_from_what_failed() -> None:
    """To be shut down where it is not wanted any more."""
    plugin = loaded()
    assert loaded_in([Attempt(Began(), ERROR), Attempt(Began(), plugin)]) == [plugin]
