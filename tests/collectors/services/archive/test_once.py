"""``sluice archive``: list, verify and run, for eyes and for scripts; exit codes; what it says where nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.operations.running import OK, WRONG, UsageError
from collectors.services.archive.layout import MANIFEST
from collectors.services.archive.once import Options, archive, span_of
from collectors.services.archive.verify import Span
from tests.collectors.operations.benches import Seen
from tests.collectors.services.archive.test_service import EACH, journals, swept
from tests.integration.stack import write_yaml


@pytest.fixture
async def host(tmp_path: Path) -> Path:
    """Journals, archived; both settings files."""
    await journals(tmp_path, "one")
    write_yaml(tmp_path / "sluice.yaml", {"data_dir": str(tmp_path)})
    write_yaml(tmp_path / "collectors.yaml", {"archive": {"folder": "archive", "topics": ["all"]}})
    await swept(tmp_path)
    return tmp_path


async def asked(host: Path, action: str = "list", *, as_json: bool = True, **options: Any) -> tuple[int, Seen]:
    """The command."""
    seen = Seen(as_json=as_json)
    code = await archive(host / "collectors.yaml", host / "sluice.yaml", Options(action, **options), seen.printer)
    return code, seen


async def test_list_says_what_there_is(host: Path) -> None:
    """A document for each hour of each topic, or a table with the sum."""
    code, seen = await asked(host)
    assert (code, sum(each["records"] for each in seen.documents)) == (OK, EACH * 3 + 1)
    code, seen = await asked(host, as_json=False)
    assert (code, seen.lines[-1]) == (OK, f"{EACH * 3 + 1} records in 4 hours of topics, in {host / 'archive'}")
    code, seen = await asked(host, topics=("analytics",))
    assert [each["records"] for each in seen.documents] == [EACH]


async def test_verify_exits_1_where_something_is_wrong(host: Path) -> None:
    """And compares with the log where it is asked to."""
    code, seen = await asked(host, "verify", against_log=True)
    [found] = seen.documents
    assert (code, found["problems"], found["compared"]) == (OK, [], EACH * 3 + 1)
    victim = next((host / "archive").glob("*analytics*/**/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    code, seen = await asked(host, "verify")
    assert (code, len(seen.documents[0]["problems"])) == (WRONG, 1)
    code, seen = await asked(host, "verify", as_json=False)
    assert code == WRONG
    assert any("truncated" in line and victim.name in line for line in seen.lines)
    code, _ = await asked(host, "verify", topics=("budget",))
    assert code == OK


async def test_list_exits_1_where_a_manifest_is_damaged(host: Path) -> None:
    """It is named beside the rest."""
    next((host / "archive").glob(f"*budget*/**/{MANIFEST}")).write_bytes(b"")
    code, seen = await asked(host)
    assert (code, len(seen.documents)) == (WRONG, 3)
    assert "budget" in seen.err.getvalue()


async def test_run_does_what_the_service_does(host: Path) -> None:
    """Nothing is over by now that is not archived."""
    code, seen = await asked(host, "run")
    assert (code, seen.documents) == (OK, [{"hours": 0}])
    assert (await asked(host, "run", as_json=False))[1].lines == ["0 hours archived"]


async def test_an_archive_elsewhere_needs_no_settings(host: Path, tmp_path: Path) -> None:
    """``--archive`` is enough."""
    (host / "collectors.yaml").unlink()
    code, seen = await asked(host, "verify", archive=str(host / "archive"))
    assert (code, seen.documents[0]["records"]) == (OK, EACH * 3 + 1)


@pytest.mark.parametrize(
    ("action", "options", "said"),
    [
        ("delete", {}, "none of list, verify, run"),
        ("list", {"against_log": True}, "goes with verify"),
        ("list", {"topics": ("analitics",)}, "did you mean analytics"),
        ("list", {"topics": ("alert", "schema")}, "is not archived; there are"),
        ("list", {"since": "-1h", "until": "-2h"}, "is not before"),
        ("list", {"archive": "/nowhere"}, "is no folder"),
        ("run", {"archive": "/tmp"}, "run needs it"),
    ],
)
async def test_what_cannot_be_is_said_so(host: Path, action: str, options: dict[str, Any], said: str) -> None:
    """With what can."""
    with pytest.raises(UsageError, match=said):
        await asked(host, action, **options)


async def test_without_settings_it_says_what_to_set(host: Path) -> None:
    """The key, and an example."""
    write_yaml(host / "collectors.yaml", {"version": "1.0"})
    for action in ("list", "run"):
        with pytest.raises(UsageError, match=r"archive: is not set.*folder: /var/lib/sluice/archive"):
            await asked(host, action)


def test_spans_are_whole_hours() -> None:
    """That in which it begins, and that in which it ends."""
    span = span_of(Options(since="1970-01-02T03:30", until="1970-01-02T05:01"))
    assert span == Span(27, 30)
    assert span_of(Options()).first == 0
