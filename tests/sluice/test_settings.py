"""Settings files: refused with file, key, value and remedy, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from sluice.settings import SettingsError, document_text, load_settings, read_document


class Inner(BaseModel):
    """A part."""

    model_config = ConfigDict(extra="forbid")
    port: int = 1
    mode: Literal["fast", "slow"] = "fast"
    password: SecretStr = SecretStr("")


class Tree(BaseModel):
    """A tree."""

    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()


def written(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "sluice.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, **variables: str) -> list[str]:
    """What is said of a file."""
    with pytest.raises(SettingsError) as caught:
        load_settings(written(folder, text), Tree, variables)
    assert str(folder / "sluice.yaml") in str(caught.value)
    return caught.value.problems


def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    """JSON is YAML."""
    assert load_settings(written(tmp_path, "name: a\ninner: {port: 7}\n"), Tree, {}).inner.port == 7
    assert load_settings(written(tmp_path, '{"name": "a"}'), Tree, {}).name == "a"


def test_variables_are_expanded_anywhere(tmp_path: Path) -> None:
    """In any text, with a default where the variable is missing or empty; numbers may come from variables too."""
    path = written(tmp_path, "name: ${A}-${B:-b}${C:-}\ninner: {port: '${PORT}'}\nmany: [{port: '${PORT:-3}'}]\n")
    tree = load_settings(path, Tree, {"A": "x", "B": "", "PORT": "9"})
    assert (tree.name, tree.inner.port, tree.many[0].port) == ("x-b", 9, 9)


def test_a_missing_variable_is_named_with_its_key(tmp_path: Path) -> None:
    """And with the two ways to mend it."""
    assert problems(tmp_path, "name: ${NAME}\nmany: [{port: '${P}'}]") == [
        "name: environment variable NAME is not set; set it, or write ${NAME:-default}",
        "many[0].port: environment variable P is not set; set it, or write ${P:-default}",
    ]


def test_an_unknown_key_gets_a_suggestion(tmp_path: Path) -> None:
    """A misspelt key would be a default in silence."""
    assert problems(tmp_path, "name: a\ninner: {prot: 1}") == ["inner.prot: unknown key; did you mean port?"]
    assert problems(tmp_path, "name: a\nmany: [{prot: 1}]") == ["many[0].prot: unknown key; did you mean port?"]
    assert problems(tmp_path, "name: a\nzzz: 1") == ["zzz: unknown key; remove it"]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """With key and value; a required key is said to be required."""
    found = problems(tmp_path, "inner: {port: many, mode: fsat}")
    assert any(line.startswith("name: is required") for line in found)
    assert any(line.startswith("inner.port:") and "(found 'many')" in line for line in found)
    assert any(line.startswith("inner.mode:") and "'fast' or 'slow'" in line for line in found)


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """A password of the wrong type is not shown either."""
    found = problems(tmp_path, "name: a\ninner: {password: 123456}")
    assert "123456" not in "".join(found)
    assert found[0].startswith("inner.password:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "is no YAML"),
        ("- a\n- b", "holds a list"),
        ("name: a\nname: b", "key 'name' stands twice"),
        ("!!python/object/apply:os.system ['true']", "is no YAML"),
        ("a: &a [*a]", "holds itself"),
    ],
)
def test_what_is_no_settings_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Garbage, lists, repeated keys, and YAML that wants to run something."""
    assert said in problems(tmp_path, text)[0]


def test_a_line_that_is_no_yaml_is_not_shown(tmp_path: Path) -> None:
    """A key may stand in it; where it is, is enough."""
    (problem,) = problems(tmp_path, "name: a\napi_key: [sk-secret\nother: b: c")
    assert "sk-secret" not in problem
    assert "in line 3, column" in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """So is one that is no text, and one that is far too large."""
    with pytest.raises(SettingsError, match="cannot be read"):
        read_document(tmp_path / "none.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_document(tmp_path / "binary")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 << 20)
    with pytest.raises(SettingsError, match="larger than"):
        read_document(tmp_path / "large")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """The same, in the same order, also where YAML would take a text for something else."""
    document = {"b": "7", "a": [{"text": "no", "n": None, "x": "日本: #\n"}], "1": True}
    (tmp_path / "written.yaml").write_text(document_text(document))
    found = read_document(tmp_path / "written.yaml")
    assert (found, list(found)) == (document, list(document))


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    """Defaults alone may be what somebody wants."""
    assert read_document(written(tmp_path, "")) == {}
