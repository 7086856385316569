"""A command says where its plugin runs; what cannot run anywhere is refused by its name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.opening import Opening, open_plugin
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.settings import PluginHostSettings
from sluice.sdk.testing import RecordingServices

HERE = "tests.sluice.plugin_host.plugins"


def opening(folder: Path) -> Opening:
    """What a host hands in."""
    return Opening(
        folder=folder,
        settings=PluginHostSettings(),
        services=RecordingServices(),
        runtime="gateway",
        data_dir=folder,
    )


def registration(command: str, **values: Any) -> PluginRegistration:
    """As the API makes one: validated by nobody."""
    return PluginRegistration.model_construct(id=1, name="mine", command=command, **values)


async def refusal(folder: Path, command: str, **values: Any) -> PluginLoadError:
    """Why it is not opened."""
    with pytest.raises(PluginLoadError) as caught:
        await open_plugin(registration(command, **values), opening(folder))
    assert caught.value.plugin == "mine"
    return caught.value


async def test_classes_and_files_run_in_this_process(tmp_path: Path) -> None:
    """Relative paths begin in the folder that is handed in."""
    (tmp_path / "own.py").write_text(f"from {HERE} import Limit\nclass Own(Limit):\n    pass\n")
    for command in (f"python://{HERE}:Limit", "own.py", "own.py:Own"):
        assert isinstance(await open_plugin(registration(command), opening(tmp_path)), LocalPlugin)


@pytest.mark.parametrize("command", ["", "limit", "oci://registry/plugin:1", "file://relative", "grpc://host"])
async def test_what_is_no_command_is_refused(tmp_path: Path, command: str) -> None:
    """With all that can be written."""
    error = await refusal(tmp_path, command)
    assert error.problem == f"{command!r} is no plugin"
    assert "grpc://host:port" in error.remedy


@pytest.mark.parametrize(
    ("command", "values", "problem"),
    [
        (f"python://{HERE}:Limit", {"checksum": "0" * 64}, "checksum: a python:// plugin is no one file"),
        ("a.py", {"token": "env:A"}, "token: only a grpc:// plugin is shown one"),
        ("grpc://a:1", {"checksum": "0" * 64}, "checksum: a grpc:// plugin runs already"),
    ],
)
async def test_what_its_command_has_no_use_for_is_refused(
    tmp_path: Path, command: str, values: dict[str, Any], problem: str
) -> None:
    """Though nobody validated the registration: what is believed to protect must."""
    error = await refusal(tmp_path, command, **values)
    assert error.problem.startswith(problem)
    assert error.remedy.startswith("leave it empty")


@pytest.mark.parametrize("command", ["file:///a/b", "grpc://127.0.0.1:1"])
async def test_without_the_extra_it_is_named(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway without plugins in processes of their own needs no gRPC; one with them says what to install."""
    for name in [name for name in sys.modules if name.startswith("sluice.plugin_host.processes")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grpc", None)
    error = await refusal(tmp_path, command)
    assert "plugins need what is not installed (grpc" in error.problem
    assert error.remedy == "pip install 'sluice-gateway[plugins]'"
