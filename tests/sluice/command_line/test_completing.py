"""Completion: names of the files at hand, quickly, and never a message."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sluice.command_line import completing
from sluice.command_line.completing import (
    MAX_NAMES,
    complete_entries,
    complete_files,
    complete_kinds,
    complete_services,
    complete_topics,
)


def context(path: Path | None = None) -> Any:
    """As far as it is read."""
    return SimpleNamespace(params={} if path is None else {"collectors": path})


def test_entries_and_services(tmp_path: Path) -> None:
    """By their names; an entry without a service is its own."""
    path = tmp_path / "c.yaml"
    path.write_text("data_collection_plugins: [{name: es-main, service: search}, {name: db}, {name: df}]")
    assert complete_entries(context(path), "") == ["db", "df", "es-main"]
    assert complete_entries(context(path), "d") == ["db", "df"]
    assert complete_services(context(path), "") == ["db", "df", "search"]


def test_the_file_of_the_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the commands themselves; what is named on the line comes before it."""
    (tmp_path / "collectors.yaml").write_text("data_collection_plugins: [{name: here}]")
    monkeypatch.chdir(tmp_path)
    assert complete_entries(context(), "") == ["here"]
    assert complete_entries(context(tmp_path / "there.yaml"), "") == []


@pytest.mark.parametrize(
    "text",
    [
        "", "- list", "a: [", "\x00", "data_collection_plugins: 7", "data_collection_plugins: [7, [], null]",
        'data_collection_plugins: [{name: null}, {}, {name: "a\\nb"}]', "x: ${NOT_SET_ANYWHERE}",
    ],
)  # fmt: skip
def test_garbage_offers_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """And says nothing: it would stand in the middle of what is being typed."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert complete_entries(context(path), "") == []
    assert capsys.readouterr() == ("", "")


def test_what_is_no_small_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe would hold the shell, a large file would make it wait."""
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_text("data_collection_plugins: [{name: a}]")
    monkeypatch.setattr(completing, "MAX_FILE_BYTES", 10)
    for path in (pipe, large, tmp_path):
        assert complete_entries(context(path), "") == []


def test_names_have_a_bound(tmp_path: Path) -> None:
    """Ten thousand are not shown."""
    path = tmp_path / "c.yaml"
    path.write_text("data_collection_plugins:\n" + "".join(f"  - {{name: e{number}}}\n" for number in range(2_000)))
    assert len(complete_entries(context(path), "")) == MAX_NAMES


def test_kinds_and_topics() -> None:
    """What commands take."""
    assert complete_kinds("") == ["analytics", "budget", "proxy_log"]
    assert complete_topics("pro") == ["proxy-log"]


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths as they were begun; folders with a slash; hidden ones only when asked for; nothing where nothing is."""
    for name in ("a.yaml", "ab.yaml", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").touch()
    monkeypatch.chdir(tmp_path)
    assert complete_files("") == ["a.yaml", "ab.yaml", "folder/"]
    assert complete_files("ab") == ["ab.yaml"]
    assert complete_files(".h") == [".hidden"]
    assert complete_files("folder/") == ["folder/inner"]
    assert complete_files(f"{tmp_path}/fol") == [f"{tmp_path}/folder/"]
    assert complete_files("nowhere/x") == []
    assert complete_files("a\x00b") == []
