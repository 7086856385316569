"""A plugin's schema is found without configuring it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sluice.plugin_kit import trial
from sluice.plugin_kit.scaffold import write_scaffold
from sluice.plugin_kit.schemas import SchemaError, schema_of_command


async def test_a_model_is_a_schema(tmp_path: Path) -> None:
    """Also where it has keys that must be given."""
    made = write_scaffold("mine", tmp_path, "auth")
    found = await schema_of_command(str(made.plugin), {}, tmp_path)
    assert found["properties"]["app_id"] == {"title": "App Id", "type": "integer"}


async def test_a_plugin_in_a_process_is_asked(tmp_path: Path) -> None:
    """It runs for as long as that takes."""
    made = write_scaffold("mine", tmp_path, "post_auth")
    script = tmp_path / "mine" / "run"
    source = made.plugin.read_text()
    script.write_text(f"#!{sys.executable}\n{source}")
    script.chmod(0o755)
    found = await schema_of_command(f"file://{script}", {}, tmp_path)
    assert found["properties"]["header"]["default"] == "x-app-id"


async def test_what_says_nothing_takes_anything(tmp_path: Path) -> None:
    """So do plugins that read a plain mapping."""
    made = write_scaffold("mine", tmp_path, "collector")
    assert await schema_of_command(str(made.plugin), {}, tmp_path) == {"type": "object"}


@pytest.mark.parametrize("command", ["", "gone.py", "python://nowhere:X", "file:///gone", "grpc://127.0.0.1:1"])
async def test_what_cannot_be_asked_says_why(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, and soon."""
    monkeypatch.setattr(trial, "START_SECONDS", 0.3)
    with pytest.raises(SchemaError) as raised:
        await schema_of_command(command, {}, tmp_path)
    assert str(raised.value)
