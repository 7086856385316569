"""The options of ``sluice up``: each reaches the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sluice import up as up_module
from sluice.command_line.application import Application
from sluice.up_command import up


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--demo", "--once"], {"demo": True, "once": True}),
        (["--demo", "--real"], {"demo": True, "real": True}),
        (["-c", "a.yaml", "--collectors", "b.yaml"], {"config": Path("a.yaml"), "collectors": Path("b.yaml")}),
        (["--verbose", "--json"], {"verbose": True, "as_json": True}),
    ],
)
def test_every_option_is_handed_on(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: dict[str, Any]
) -> None:
    """None is parsed and ignored."""
    given: dict[str, Any] = {}

    def run_up(config: Path, collectors: Path, **others: bool) -> None:
        given.update(others, config=config, collectors=collectors)

    monkeypatch.setattr(up_module, "run_up", run_up)
    app = Application()
    app.command("up")(up)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    defaults = {"demo": False, "once": False, "real": False, "verbose": False, "as_json": False}
    places = {"config": Path("sluice.yaml"), "collectors": Path("collectors.yaml")}
    assert given == defaults | places | expected
