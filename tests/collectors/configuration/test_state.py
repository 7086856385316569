"""How the configuration stands is one word, and what there is to know of it shows no value that was found in it."""

from __future__ import annotations

from collectors.configuration.state import ConfigurationState


def test_one_word_says_what_matters_most() -> None:
    """What cannot be read, before what was refused, before what waits."""
    state = ConfigurationState("there", "v1")
    names: list[tuple[str, bool]] = [(state.name, state.is_stale)]
    state.applied("v2", {"a": "its sink is away"}, ())
    names.append((state.name, state.is_stale))
    state.refused = ["x: unknown key"]
    names.append((state.name, state.is_stale))
    state.away = ["does not answer"]
    names.append((state.name, state.is_stale))
    assert names == [("current", False), ("waiting", True), ("refused", True), ("unreachable", True)]
    state.away = ()
    state.applied("v3", {}, ())
    assert (state.name, state.version) == ("current", "v3")


def test_the_page_has_no_values() -> None:
    """A secret under a key that does not look like one would be among them; the log has them."""
    state = ConfigurationState("there", "v1", wall_clock=lambda: 1_764_000_000_000_000)
    state.refused = ["a.b: must be a number (found 'hush (found hush)')", "c: unknown key; remove it"]
    state.needs_restart = ("server",)
    document = state.document()
    assert document == {
        "source": "there",
        "version": "v1",
        "applied_at": "2025-11-24T16:00:00.000000Z",
        "state": "refused",
        "problems": ["a.b: must be a number", "c: unknown key; remove it"],
        "waiting": {},
        "needs_restart": ["server"],
    }
