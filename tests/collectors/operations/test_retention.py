"""``sluice retention``: what it prints, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.operations.retention import retention, show
from collectors.operations.running import UsageError
from collectors.retention.job import Result
from collectors.retention.stores import Due
from tests.collectors.operations.benches import Seen
from tests.collectors.retention.test_job import Bench


def files(folder: Path, text: str) -> tuple[Path, Path]:
    """Both settings files."""
    collectors, config = folder / "collectors.yaml", folder / "sluice.yaml"
    collectors.write_text(text)
    config.write_text(f"data_dir: {folder}\n")
    return collectors, config


async def test_it_runs_once(tmp_path: Path) -> None:
    """First dry, then in earnest: the same figures, as documents and for eyes."""
    await Bench(tmp_path).write("analytics", 19_000)
    paths = files(tmp_path, "retention: {stores: {fallback: {analytics: {max_age: 30d}}}}")
    for dry_run in (True, False):
        seen = Seen()
        assert await retention(*paths, "", seen.printer, dry_run=dry_run) == 0
        assert [(each["store"], each["events"], each["dry_run"]) for each in seen.documents] == [
            ("fallback", 1, dry_run),
            ("expired_kv", 0, dry_run),
        ]
        assert seen.documents[0]["due"] == [{"name": "analytics", "events": 1, "bytes": None}]
    eyes = Seen(as_json=False)
    await retention(*paths, "fallback", eyes.printer, dry_run=True)
    assert eyes.lines[0].split()[:4] == ["STORE", "KIND", "WOULD", "DELETE"]
    assert eyes.lines[1].split()[:3] == ["fallback", "analytics", "0"]


@pytest.mark.parametrize(
    ("text", "store", "error"),
    [
        ("{}", "", "retention: is not set; .*max_age"),
        ("retention: {stores: {fallback: {}}}", "serch", "none of fallback, expired_kv"),
        (
            "retention: {stores: {fallback: {budget: {max_age: 1d}}}}",
            "",
            "max_age is 1d, and the log keeps budget for 7d",
        ),
        ("retention: {stores: {nobody: {}}}", "", "no entry 'nobody'"),
    ],
)
async def test_what_cannot_be_is_refused(text: str, store: str, error: str, tmp_path: Path) -> None:
    """With what can."""
    with pytest.raises(UsageError, match=error):
        await retention(*files(tmp_path, text), store, Seen().printer, dry_run=True)


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        (
            Result("s", "budget", (Due("i-2025.01.01", 3), Due("i-2025.01.02", 4)), 7),
            0,
            "i-2025.01.01 … i-2025.01.02 (2)",
        ),
        (Result("s", "budget", problem="Elasticsearch does not answer"), 1, "does not answer"),
        (Result("s", "budget", excess_bytes=5), 1, "5 bytes above max_bytes"),
    ],
)
def test_what_could_not_go_is_wrong(result: Result, code: int, said: str) -> None:
    """1, with the reason in the row."""
    seen = Seen(as_json=False)
    assert show([result], seen.printer, dry_run=False) == code
    assert said in seen.out.getvalue()
