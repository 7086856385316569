"""``budget_truth`` of ``collectors.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.configuration.changes import restart_keys
from collectors.settings import Settings
from sluice.settings import SettingsError, settings_of


def settings(**section: Any) -> Settings:
    """As a file with this section says them."""
    return settings_of({"budget_truth": section}, Settings, "c.yaml", {})


def test_an_empty_section_will_do() -> None:
    """Totals are kept below the data folder; without the section nothing is counted."""
    truth = settings().budget_truth
    assert truth is not None
    assert truth.database_in(Path("/data")).url == "sqlite+aiosqlite:////data/budget_truth.db"
    assert Settings().budget_truth is None


def test_a_database_is_a_sink_s() -> None:
    """With its forms, its password, and its refusals, which show none."""
    truth = settings(database={"url": "postgres://me@host/db", "password": "secret"}).budget_truth
    assert truth is not None
    assert truth.database_in(Path("/data")).url == "postgresql+asyncpg://me@host/db"
    assert "secret" not in repr(truth)
    with pytest.raises(SettingsError, match=r"budget_truth\.database") as caught:
        settings(database={"url": "mysql://me:secret@host/db"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("poll", 0), ("publish", "soon"), ("check", -1), ("checks", 0), ("checks", 101), ("tolerance_nanos", -1),
        ("gap_grace", 0), ("lease", 0.5), ("lease", "2h"), ("batch_records", 0), ("batch_records", 20_001),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_key(key: str, value: Any) -> None:
    """The message names it."""
    with pytest.raises(SettingsError, match=rf"budget_truth\.{key}"):
        settings(**{key: value})


def test_a_reload_may_change_it() -> None:
    """Nobody has to restart the process for it."""
    assert restart_keys(Settings(), settings(poll=1)) == ()
