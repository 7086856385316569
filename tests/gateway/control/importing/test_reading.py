"""Exports are read whatever they are called; what is none is refused by its file's name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.control.admin.errors import UsageError
from gateway.control.importing.reading import read_export, snake_case


def test_rows_come_from_files_and_folders(tmp_path: Path) -> None:
    """Lists, single answers and bare lists; numbers exactly; other files are not looked at."""
    (tmp_path / "llms.json").write_text('{"data": [{"ID": 1, "CPT": 6e-7}], "pagination": {}}')
    (tmp_path / "one.json").write_text('{"data": {"ID": 2}, "message": "done"}')
    (tmp_path / "bare.json").write_text('[{"ID": 3}]')
    (tmp_path / "none.json").write_text('{"data": null}')
    (tmp_path / "notes.txt").write_text("nothing")
    export = read_export([tmp_path, tmp_path / "one.json"])
    assert sorted((path.name, row["id"]) for path, row in export.rows) == [
        ("bare.json", 3),
        ("llms.json", 1),
        ("one.json", 2),
    ]
    assert {row.get("cpt") for _, row in export.rows} == {None, Decimal("6E-7")}


def test_litellm_s_file_is_known_by_its_list(tmp_path: Path) -> None:
    """Whatever it is called."""
    (tmp_path / "any.yaml").write_text("model_list: []\n")
    assert [path.name for path, _ in read_export([tmp_path]).litellm] == ["any.yaml"]


@pytest.mark.parametrize("name", ["llms-7-plugins.json", "llm_7_plugins.json", "llms7plugins.json"])
def test_the_plugins_of_an_llm_are_known_by_their_file(tmp_path: Path, name: str) -> None:
    """In their order."""
    (tmp_path / name).write_text('{"data": [{"id": 2}, {"id": 1}]}')
    assert [row["id"] for row in read_export([tmp_path]).llm_plugins[7]] == [2, 1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", '{"error": "Unauthorized"}'),
        ("a.json", '{"data": [1]}'),
        ("a.json", "7"),
        ("a.json", '{"data": [{"CPT": NaN}]}'),
        ("a.json", "[" * 100_000),
        ("a.yaml", "a: ["),
        ("a.yaml", "llms: []"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, name: str, text: str) -> None:
    """By its name."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        read_export([tmp_path / name])


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """A file, and a folder without any."""
    with pytest.raises(UsageError, match="away"):
        read_export([tmp_path / "away.json"])
    with pytest.raises(UsageError, match=r"no \.json"):
        read_export([tmp_path])


def test_names_are_clean_whatever_the_dialect() -> None:
    """Inside of rows in rows too; what people wrote themselves stays."""
    row = {"ID": 1, "CreatedAt": 2, "ModelName": "m", "CPIT": 3, "CacheReadPT": 4, "LLMs": [{"ID": 5}], "slug": "s"}
    clean = {
        "id": 1,
        "created_at": 2,
        "model_name": "m",
        "cpit": 3,
        "cache_read_pt": 4,
        "llms": [{"id": 5}],
        "slug": "s",
    }
    assert snake_case(row) == clean
    assert snake_case({"metadata": {"MyKey": 1}, "config": {"ID": 2}}) == {
        "metadata": {"MyKey": 1},
        "config": {"ID": 2},
    }
