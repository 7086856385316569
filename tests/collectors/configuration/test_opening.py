"""A process begins with what its origin gives, else with what was kept of a service, else not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from collectors.configuration.opening import begin
from collectors.configuration.reloading import Reloading
from collectors.settings import HostSettings
from sluice.settings import SettingsError

GOOD = b"data_collection_plugins: [{name: good, path: 'sink://database'}]"
OLD = b"data_collection_plugins: [{name: old, path: 'sink://database'}]"
BAD = b"data_collection_plugins: [{name: bad, path: 'sink://database', smaple: 1}]"


class GivenOrigin:
    """Gives this, or raises it."""

    where = "https://there"
    folder = Path()
    file = Path("collectors.yaml")
    interval_seconds = 30.0
    tells_unchanged = True

    def __init__(self, given: bytes | SettingsError | None, kept: bytes | SettingsError | None = None) -> None:
        self._given = given
        self._kept = kept
        self.written: list[bytes] = []

    async def read(self, *, insists: bool) -> bytes | None:
        assert insists
        if isinstance(self._given, SettingsError):
            raise self._given
        return self._given

    def keep(self, data: bytes) -> None:
        self.written.append(data)

    def kept(self) -> bytes | None:
        if isinstance(self._kept, SettingsError):
            raise self._kept
        return self._kept


AWAY = SettingsError("https://there", ["does not answer"])
UNTRUSTED = SettingsError("kept", ["could have been written by others"])


async def begun(origin: GivenOrigin, services: Sequence[str] = (), host: HostSettings | None = None) -> Reloading:
    """What a process begins with."""
    with structlog.testing.capture_logs():
        return await begin(origin, services, host or HostSettings())


def names(reloading: Reloading) -> list[str]:
    """Its services."""
    return [plan.name for plan in reloading.running.plans]


async def test_what_is_given_is_used_and_kept() -> None:
    """Though something was kept before."""
    origin = GivenOrigin(GOOD, OLD)
    reloading = await begun(origin)
    assert (names(reloading), reloading.state.name, origin.written) == (["good"], "current", [GOOD])


async def test_without_the_service_what_was_kept_is_used() -> None:
    """And the page says that the service is away."""
    origin = GivenOrigin(AWAY, OLD)
    reloading = await begun(origin)
    assert (names(reloading), reloading.state.name, origin.written) == (["old"], "unreachable", [])


async def test_a_refused_one_begins_with_what_was_kept() -> None:
    """A restart in the middle of somebody's mistake is no outage."""
    reloading = await begun(GivenOrigin(BAD, OLD))
    assert (names(reloading), reloading.state.name) == (["old"], "refused")
    assert "did you mean sample?" in reloading.state.document()["problems"][0]


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (GivenOrigin(AWAY), "does not answer"),
        (GivenOrigin(AWAY, BAD), "smaple"),
        (GivenOrigin(AWAY, UNTRUSTED), "written by others"),
        (GivenOrigin(BAD), "smaple"),
        (GivenOrigin(BAD, BAD), "smaple"),
        (GivenOrigin(BAD, UNTRUSTED), "smaple"),
        (GivenOrigin(None), "nothing changed"),
        (GivenOrigin(b""), "has no enabled entry"),
    ],
)
async def test_with_nothing_to_begin_with_it_does_not(origin: GivenOrigin, said: str) -> None:
    """The reason is raised, with where it comes from."""
    with pytest.raises(SettingsError, match=said):
        await begun(origin)


async def test_named_services_alone_are_begun() -> None:
    """One that there is not is said."""
    assert names(await begun(GivenOrigin(GOOD), ["good"])) == ["good"]
    with pytest.raises(SettingsError, match="no enabled service 'other'"):
        await begun(GivenOrigin(GOOD), ["other"])


async def test_a_file_that_is_missing_is_warned_of() -> None:
    """There is nothing better to run: the service itself says that it cannot start."""
    with structlog.testing.capture_logs() as lines:
        await begin(GivenOrigin(b"data_collection_plugins: [{name: p, path: none.py}]"), [], HostSettings())
    [line] = [line for line in lines if line["event"] == "configuration names a file that is not there"]
    assert line["problem"].startswith("p: path: there is no file none.py")


async def test_what_the_host_does_not_allow_is_refused() -> None:
    """As a store that would delete what the log still has."""
    data = GOOD + b"\nretention: {stores: {good: {proxy_log: {max_age: 1h}}}}"
    with pytest.raises(SettingsError, match=r"retention.stores.good.proxy_log.max_age"):
        await begun(GivenOrigin(data))
