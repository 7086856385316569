"""`sluice replay` as people type it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from collectors.jobs.replay import run
from collectors.jobs.replay.command import register_replay
from collectors.jobs.replay.plan import ReplayOptions
from collectors.operations.printing import Printer


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command alone; logs stay as the tests have them."""
    monkeypatch.setattr("sluice.logs.configure_logs", lambda _level: None)
    app = typer.Typer()
    app.callback()(lambda: None)
    register_replay(app)
    return app


def test_every_option_reaches_the_work(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is parsed and ignored."""
    seen: list[tuple[Path, Path, ReplayOptions, Printer]] = []

    async def work(config: Path, collectors: Path, options: ReplayOptions, printer: Printer) -> int:
        seen.append((config, collectors, options, printer))
        return 1

    monkeypatch.setattr(run, "replay", work)
    words = (
        "replay -t analytics -t budget --from -1d --to now --by occurred -p 3 --offset-from 5 --offset-to 9 "
        "--since-letter a/0/1 --filter app_id=7 --sink es --to-topic t --rate 50 --dry-run --job j --resume r --yes "
        "--archive s3://b/p --rebuild --swap --delete-old --undo --collectors c.yaml --config s.yaml --json"
    )
    assert CliRunner().invoke(app, words.split()).exit_code == 1
    [(config, collectors, options, printer)] = seen
    assert (str(config), str(collectors), printer.as_json) == ("s.yaml", "c.yaml", True)
    assert options.wanted.as_dict() == {
        "topics": ["analytics", "budget"], "since": "-1d", "until": "now", "by": "occurred", "partitions": ["3"],
        "offset_from": 5, "offset_to": 9, "since_letter": "a/0/1", "where": "app_id=7",
    }  # fmt: skip
    assert (options.how.job, options.how.resume, options.how.rate) == ("j", "r", 50.0)
    assert (options.how.dry_run, options.how.yes, options.sink, options.to_topic) == (True, True, "es", "t")
    assert options.archive == "s3://b/p"
    rebuild = options.rebuild
    assert (rebuild.rebuild, rebuild.swap, rebuild.delete_old, rebuild.undo, rebuild.yes) == (True,) * 5


def test_help_has_an_example(app: typer.Typer) -> None:
    """And says how it exits."""
    text = CliRunner().invoke(app, ["replay", "--help"]).output
    assert "Example: sluice replay" in text
    assert "Exits 1" in text


def test_settings_that_are_not_there_are_said(app: typer.Typer, tmp_path: Path) -> None:
    """Exit code 2."""
    result = CliRunner().invoke(app, ["replay", "--sink", "x", "--config", str(tmp_path / "absent.yaml")])
    assert result.exit_code == 2
    assert "absent.yaml" in result.output
