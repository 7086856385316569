"""A sign-in as a cookie."""

from __future__ import annotations

import pytest

from gateway.console import sessions
from gateway.console.sessions import Sessions
from sluice.clock import now_micros
from sluice.secrets import SecretBox, new_key


def test_it_holds_the_token_and_shows_it_to_nobody() -> None:
    """Sealed and opened by the same key; without it there is nothing to read. Two sign-ins differ."""
    mine, theirs = Sessions(SecretBox([new_key()]), 1), Sessions(SecretBox([new_key()]), 1)
    value = mine.seal("slc_secret")
    assert mine.open(value) == "slc_secret"
    assert "secret" not in value
    assert theirs.open(value) is None
    assert mine.seal("slc_secret") != value


def test_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its hours it is nobody's, whatever the browser does."""
    made = Sessions(SecretBox([new_key()]), 2)
    value, now = made.seal("t"), now_micros()
    monkeypatch.setattr(sessions, "now_micros", lambda: now + 2 * 3600 * 1_000_000 - 5_000_000)
    assert made.open(value) == "t"
    monkeypatch.setattr(sessions, "now_micros", lambda: now + 2 * 3600 * 1_000_000 + 5_000_000)
    assert made.open(value) is None


@pytest.mark.parametrize("value", ["", "x", "ä", "A" * 3000, "AAAA", "%%%%", "AQ=="])
def test_garbage_is_nobody_s(value: str) -> None:
    """No text makes it raise."""
    assert Sessions(SecretBox([new_key()]), 1).open(value) is None


def test_every_changed_character_ends_it() -> None:
    """Nothing of it can be changed."""
    made = Sessions(SecretBox([new_key()]), 1)
    value = made.seal("slc_secret")
    for at in range(0, len(value), 7):
        changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert made.open(changed) is None
