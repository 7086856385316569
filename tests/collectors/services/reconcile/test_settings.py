"""``reconcile`` of ``collectors.yaml``: off by default, and never blind between two turns."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.services.reconcile.settings import ReconcileSettings
from collectors.settings import Settings
from sluice.settings import SettingsError, settings_of


def settings(**given: Any) -> ReconcileSettings | None:
    """As the file has it."""
    return settings_of({"reconcile": given}, Settings, "c.yaml", {}).reconcile


def test_it_is_off_unless_asked_for() -> None:
    """The section alone starts nothing; durations as everywhere."""
    assert settings_of({}, Settings, "c.yaml", {}).reconcile is None
    assert settings() == ReconcileSettings(every=None, window=86_400.0, grace=900.0)
    assert settings(every="1h", window="2d", grace="10m") == ReconcileSettings(
        every=3_600.0, window=172_800.0, grace=600.0
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"every": "1d"}, "reconcile: window: 86400s is less than every and grace together (87300s)"),
        ({"every": 0}, "reconcile.every"),
        ({"window": "-1h"}, "reconcile.window"),
        ({"grace": "soon"}, "reconcile.grace"),
        ({"evry": "1h"}, "reconcile.evry: unknown key; did you mean every?"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], said: str) -> None:
    """With the key, the value and the remedy."""
    with pytest.raises(SettingsError) as caught:
        settings(**given)
    assert said in str(caught.value)
