"""Settings of traces: what is refused, and what is said of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.tracing.settings import TracingSettings
from sluice.settings import SettingsError, load_settings


def test_nothing_is_traced_by_default() -> None:
    """And then one exchange in a hundred."""
    settings = Settings().tracing
    assert (settings.endpoint, settings.sample, settings.parent) == ("", 0.01, "follow")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When the settings are read, before anything starts, with what to install; who traces nothing needs nothing."""
    monkeypatch.setattr("sluice.otlp.find_spec", lambda name: None if name == "opentelemetry.proto" else sys)
    assert TracingSettings().endpoint == ""
    file = tmp_path / "sluice.yaml"
    file.write_text("tracing:\n  endpoint: http://collector:4318/v1/traces\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, Settings, {})
    assert "pip install 'sluice-gateway[otel]'" in str(caught.value)
    assert "opentelemetry.proto" in str(caught.value)
    assert "tracing" in str(caught.value)


@pytest.mark.parametrize(
    "tree",
    [{"sample": 1.5}, {"sample": -0.1}, {"sample": float("nan")}, {"parent": "never"}, {"timeout_seconds": 0},
     {"max_queued_exchanges": 0}, {"max_batch_exchanges": 0}, {"unknown": 1}, {"service_name": ""}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tree: dict[str, object]) -> None:
    """Before a port opens."""
    with pytest.raises(ValueError, match=next(iter(tree))):
        TracingSettings.model_validate(tree)
