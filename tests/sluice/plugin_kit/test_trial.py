"""A plugin is tried from where it lies, and from nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_kit.trial import START_SECONDS, trial_opening
from sluice.sdk.testing import make_context


@pytest.mark.parametrize(
    ("command", "allowed"),
    [("file:///a/b/plugin", ("/a/b",)), ("plugin.py", ()), ("grpc://127.0.0.1:1", ()), ("python://a:B", ())],
)
def test_an_executable_s_own_folder_is_allowed(command: str, allowed: tuple[str, ...], tmp_path: Path) -> None:
    """And soon given up."""
    registration = PluginRegistration(id=1, name="x", command=command)
    opening = trial_opening(registration, tmp_path, tmp_path / "scratch", make_context().services)
    assert opening.settings.allowed_directories == allowed
    assert opening.settings.process.start_timeout_seconds == START_SECONDS
    assert (opening.folder, opening.data_dir) == (tmp_path, tmp_path / "scratch")
