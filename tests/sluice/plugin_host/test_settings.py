"""How plugins are hosted has bounds, and a misspelt key is told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugin_host.settings import PluginHostSettings


def test_by_default_every_queue_and_every_wait_is_bounded() -> None:
    """What the protocol's peers expect: 4 MiB a message, a minute for an endpoint, five for its stream."""
    settings = PluginHostSettings()
    assert settings.process.max_message_bytes == 4 << 20
    assert (settings.endpoints.timeout_seconds, settings.endpoints.stream_timeout_seconds) == (60, 300)
    assert (settings.max_control_payload_bytes, settings.endpoints.max_body_bytes) == (1 << 20, 1 << 20)
    assert settings.process.restart_base_seconds < settings.process.restart_max_seconds


@pytest.mark.parametrize(
    "values",
    [
        {"payload_attempts": 0}, {"max_queued_messages": 0}, {"max_message_bytes": 0}, {"alowed_directories": []},
        {"process": {"ping_seconds": 0}}, {"process": {"start_timeout_seconds": float("inf")}},
        {"process": {"max_log_lines_per_second": -1}}, {"process": {"ping": 1}}, {"kv": {"purge_seconds": -1}},
        {"kv": {"max_value_bytes": 0}}, {"endpoints": {"timeout_seconds": float("nan")}},
        {"allowed_directories": "plugins"},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(values: dict[str, Any]) -> None:
    """By its key; unknown keys too."""
    (key,) = values
    with pytest.raises(ValidationError, match=key):
        PluginHostSettings.model_validate(values)


def test_settings_do_not_change() -> None:
    """Every plugin of a process has them."""
    with pytest.raises(ValidationError):
        PluginHostSettings().payload_attempts = 5
