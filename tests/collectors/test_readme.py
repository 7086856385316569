"""What the README shows runs: its settings load, and its collector collects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from collectors.settings import Settings
from tests.collectors.deciding import Deciding

README = (Path(__file__).parents[2] / "collectors" / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Its fenced blocks."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return found


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if "data_collection_plugins" in text])
def test_settings_that_it_shows_load(text: str) -> None:
    """Every key of them."""
    document = yaml.safe_load(text)
    settings = Settings.model_validate(document)
    assert len(settings.data_collection_plugins) == len(document["data_collection_plugins"])


async def test_the_collector_that_it_shows_collects(tmp_path: Path) -> None:
    """In fifteen lines: what it handles and what it passes is in the fallback, and what it passes is told apart."""
    [source] = [text for text in blocks("python") if "class Costly" in text]
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    (tmp_path / "costly.py").write_text(source)
    entry = {"path": "costly.py", "config": {"above_nanos": 1_000}, "hook_types": ["analytics"]}
    deciding = Deciding(tmp_path, "singly", {"costly": entry})
    cheap = await deciding.write(cost_nanos=999)
    costly = await deciding.write(cost_nanos=1_000)
    assert await deciding.run_until_finished(2) == {"fallback": 1, "delivered": 1}
    assert sorted(deciding.stored) == sorted(each for each in cheap + costly if each.endswith("-a"))
