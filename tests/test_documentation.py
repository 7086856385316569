"""The documents say what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from collectors.metrics import CollectorMetrics
from collectors.settings import Settings as CollectorSettings
from gateway.outcomes import Outcome
from gateway.settings import Settings as GatewaySettings
from gateway.telemetry import GatewayMetrics
from sluice.settings import load_settings
from sluice.telemetry import Registry

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "sluice", "gateway", "collectors")
FOLDERS = sorted({path.parent.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}, key=str)


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_every_package_has_a_readme_that_names_its_files(folder: Path) -> None:
    """Whoever opens a folder finds what each file is for."""
    modules = [path.name for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    if not modules:
        return
    text = (ROOT / folder / "README.md").read_text()
    assert [name for name in modules if name not in text] == []


@pytest.mark.parametrize(
    ("folder", "registry"), [("gateway", GatewayMetrics().registry), ("collectors", CollectorMetrics().registry)]
)
def test_every_metric_is_in_its_package_s_readme(folder: str, registry: Registry) -> None:
    """By name, labels and meaning, as it is served."""
    text = (ROOT / folder / "README.md").read_text()
    rows = [f"| `{each.name}` | {', '.join(each.labels)} | {each.meaning} |" for each in registry.families()]
    assert [row for row in rows if row not in text] == []


def test_every_outcome_is_in_the_gateway_s_readme() -> None:
    """With its status and its events."""
    table = (ROOT / "gateway" / "README.md").read_text().partition("## Outcomes")[2].partition("\n## ")[0]
    assert {name for name in get_args(Outcome) if f"`{name}`" not in table} == set()


def blocks(language: str) -> list[str]:
    """The fenced blocks of the root README."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_readme_s_plugin_is_the_one_we_ship() -> None:
    """Byte for byte, so that it is tested and typed."""
    assert blocks("python") == [(ROOT / "sluice" / "plugins" / "prompt_size_limit.py").read_text()]


def test_the_readme_s_settings_are_valid(tmp_path: Path) -> None:
    """Both examples, as they stand."""
    gateway, collectors = blocks("yaml")
    for name, text in (("sluice", gateway), ("collectors", collectors)):
        (tmp_path / f"{name}.yaml").write_text(text)
        assert yaml.safe_load(text)
    assert load_settings(tmp_path / "sluice.yaml", GatewaySettings, {}).llms[0].slug == "gpt"
    assert load_settings(tmp_path / "collectors.yaml", CollectorSettings, {}).data_collection_plugins


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    """So that a release is a move, not a search."""
    assert (ROOT / "CHANGELOG.md").read_text().startswith("# Changelog\n\n## Unreleased\n")


def test_every_make_target_is_explained() -> None:
    """``make help`` lists what the README speaks of."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"help", "setup", "run", "test", "test-long", "chaos", "check", "bench"} <= set(targets)
