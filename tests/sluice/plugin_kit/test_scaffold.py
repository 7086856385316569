"""A new plugin is written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sluice.plugin_kit.scaffold import ScaffoldError, class_name_of, write_scaffold
from sluice.plugin_kit.templates import TEMPLATES


def test_a_plugin_and_its_test_are_written(tmp_path: Path) -> None:
    """Under the name, with what to add to the settings."""
    made = write_scaffold("prompt-counter", tmp_path)
    assert made.plugin == tmp_path / "prompt_counter" / "prompt_counter.py"
    assert made.test.name == "test_prompt_counter.py"
    text = made.plugin.read_text()
    assert "class PromptCounter(BasePlugin" in text
    assert "my_plugin" not in text + made.test.read_text()
    assert yaml.safe_load(made.settings)["plugins"][0]["command"] == str(made.plugin)


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a b", "../up", "class", "x" * 64, "é", "a/b", "a.b"])
def test_a_name_that_cannot_be_a_module_is_refused(name: str, tmp_path: Path) -> None:
    """With an example of one that can."""
    with pytest.raises(ScaffoldError, match="my_plugin"):
        write_scaffold(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """What is there stays as it is."""
    made = write_scaffold("mine", tmp_path)
    made.plugin.write_text("# work of days")
    with pytest.raises(ScaffoldError, match="there already"):
        write_scaffold("mine", tmp_path)
    assert made.plugin.read_text() == "# work of days"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write_scaffold("mine", tmp_path / "file")


def test_a_class_is_named_after_its_module() -> None:
    """As Python names classes."""
    assert class_name_of("pii_redactor_2") == "PiiRedactor2"


def test_every_kind_s_own_test_passes(tmp_path: Path) -> None:
    """As it is written, in a folder that knows nothing of this project."""
    for kind in TEMPLATES:
        write_scaffold(f"my_{kind}", tmp_path, kind)
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "9 passed" in found.stdout
