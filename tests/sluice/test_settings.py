"""Settings files: refused with file, key, value and remedy, before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag

from sluice.settings import SettingsError, document_text, load_settings, parse_document, read_document, settings_of


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


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${A:-${B:-${C:-deep}}}", "deep"),
        ("${A:-${SET}/x}", "value/x"),
        ("${SET:-${NOT_LOOKED_AT}}", "value"),
        ("${EMPTY:-${EMPTY:-}}!", "!"),
        ("$${SET} costs $$${SET}", "${SET} costs $${SET}"),
        ("$${SET}${SET}", "${SET}value"),
        ("$ {SET} $SET ${se.t} ${} ${-} ${1} ${SET", "$ {SET} $SET ${se.t} ${} ${-} ${1} ${SET"),
        ("${se.t ${SET}}", "${se.t value}"),
        ("}${SET}}", "}value}"),
        ("${TWICE}", "${SET}"),
        ("${A:-a\nb}", "a\nb"),
        ("${A:-" * 11 + "x" + "}" * 11, "${A:-x}"),
    ],
)
def test_variables_of_every_form(tmp_path: Path, text: str, expanded: str) -> None:
    """Defaults nest, ``$${`` is a literal, what is put in is not looked at again, and anything else is left alone."""
    path = written(tmp_path, document_text({"name": text}))
    variables = {"SET": "value", "EMPTY": "", "TWICE": "${SET}"}
    assert load_settings(path, Tree, variables).name == expanded


def test_a_default_that_is_used_needs_its_own_variables(tmp_path: Path) -> None:
    """A missing one within it is named; one that is not used is not looked at."""
    assert problems(tmp_path, "name: ${A:-${B}}") == [
        "name: environment variable B is not set; set it, or write ${B:-default}"
    ]


def test_variables_in_keys(tmp_path: Path) -> None:
    """They are expanded too; two that become the same key are refused, as the same key twice is."""
    assert load_settings(written(tmp_path, "${KEY:-name}: a"), Tree, {}).name == "a"
    assert problems(tmp_path, "name: a\n${KEY}: b", KEY="name") == [
        "name: stands twice once variables are put in; remove one of the two"
    ]


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """Absolute, or from the folder of the settings; the end of the last line is not part of it, other space is."""
    (tmp_path / "secret").write_bytes(b" two\nlines \r\n")
    text = f"name: ${{file:secret}}\ninner: {{password: '${{file:{tmp_path}/${{NAME:-secret}}}}'}}"
    tree = load_settings(written(tmp_path, text), Tree, {})
    assert (tree.name, tree.inner.password.get_secret_value()) == (" two\nlines ", " two\nlines ")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "FileNotFoundError"), (b"\xff", "UnicodeDecodeError"), (b"x" * 70_000, "is larger than 65536 bytes")],
)
def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """With its key and its path; nothing of it is shown."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    [problem] = problems(tmp_path, "name: '${file:secret}'")
    assert problem.startswith("name: ${file:secret} ")
    assert said in problem
    assert "xxx" not in problem


def test_json_is_read_as_json(tmp_path: Path) -> None:
    """With tabs, and characters that are two in its escapes, which YAML has not; a key twice is refused there too."""
    assert load_settings(written(tmp_path, '{\n\t"name": "\\ud83d\\ude00"}'), Tree, {}).name == "\U0001f600"
    assert "key 'name' stands twice" in problems(tmp_path, '{"name": "a", "name": "b"}')[0]
    assert load_settings(written(tmp_path, "{name: a}"), Tree, {}).name == "a"
    assert load_settings(written(tmp_path, "\ufeffname: a"), Tree, {}).name == "a"


def test_a_document_that_is_served_is_held_to_the_same(tmp_path: Path) -> None:
    """Its problems name where it came from; relative paths begin where the caller says."""
    (tmp_path / "secret").write_text("from a file")
    document = parse_document(b"name: ${file:secret}", "https://there")
    assert settings_of(document, Tree, "https://there", {}, folder=tmp_path).name == "from a file"
    with pytest.raises(SettingsError, match=r"^https://there: nam: unknown key; did you mean name\?"):
        settings_of({"nam": 1, "name": "x"}, Tree, "https://there", {})
    with pytest.raises(SettingsError, match=r"^https://there: is larger than"):
        parse_document(b" " * (5 << 20), "https://there")


@pytest.mark.parametrize("opening", ["${A:-", "${", "$${", "}${"])
def test_hostile_variables_take_no_time(tmp_path: Path, opening: str) -> None:
    """A text of nothing but beginnings is left as it is, soon."""
    text = opening * 50_000
    assert load_settings(written(tmp_path, json.dumps({"name": text})), Tree, {}).name == text.replace("$${", "${")


def test_an_unknown_key_gets_a_suggestion(tmp_path: Path) -> None:
    """A misspelt key would be a default in silence."""
    assert problems(tmp_path, "name: a\ninner: {prot: 1}") == ["inner.prot: unknown key; did you mean port?"]
    assert problems(tmp_path, "name: a\nmany: [{prot: 1}]") == ["many[0].prot: unknown key; did you mean port?"]
    assert problems(tmp_path, "name: a\nzzz: 1") == ["zzz: unknown key; remove it"]


class Near(BaseModel):
    """One member of a union."""

    model_config = ConfigDict(extra="forbid")
    path: Literal["sink://near"]
    inner: Inner = Inner()


class Tagged(BaseModel):
    """A third, known by the value of its key."""

    model_config = ConfigDict(extra="forbid")
    path: Literal["sink://tagged"]
    height: int = 0


class Far(BaseModel):
    """Another."""

    model_config = ConfigDict(extra="forbid")
    path: str
    distance: int = 0


class Unions(BaseModel):
    """A tree in which a key decides what else there is."""

    model_config = ConfigDict(extra="forbid")
    any_of: tuple[
        Annotated[
            Annotated[Near, Tag("sink://near")] | Annotated[Far, Tag("far://")],
            Discriminator(lambda given: "sink://near" if given["path"] == "sink://near" else "far://"),
        ],
        ...,
    ] = ()
    one: Annotated[Near | Tagged, Field(discriminator="path")] | None = None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("any_of: [{path: x, distanc: 1}]", "any_of[0].distanc: unknown key; did you mean distance?"),
        ("any_of: [{path: 'sink://near', iner: 1}]", "any_of[0].iner: unknown key; did you mean inner?"),
        ("any_of: [{path: 'sink://near', inner: {prot: 1}}]", "any_of[0].inner.prot: unknown key; did you mean port?"),
        ("any_of: [{path: 'sink://near', distance: 1}]", "any_of[0].distance: unknown key; remove it"),
        ("one: {path: 'sink://tagged', hight: 1}", "one.hight: unknown key; did you mean height?"),
        ("one: {path: 'sink://near', height: 1}", "one.height: unknown key; remove it"),
    ],
)
def test_a_suggestion_is_of_the_member_that_is_meant(tmp_path: Path, text: str, said: str) -> None:
    """Where a key decides which of several trees it is, only that one's keys are known."""
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text), Unions, {})
    assert caught.value.problems == [said]


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
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
            "aliases",
        ),
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://alice:p@ss/w@host:9200", "http://***@host:9200"),
        ("postgresql+asyncpg://a:b@h/d?password=hidden&x=1", "postgresql+asyncpg://***@h/d?password=***&x=1"),
        ("alice:hidden@broker:9092", "***@broker:9092"),
        ("https://h/hook?api_key=hidden", "https://h/hook?api_key=***"),
        ("http://[::1]:9200/path", "http://[::1]:9200/path"),
        ("me@example.com", "me@example.com"),
        ("alice@host", "alice@host"),
    ],
)
def test_credentials_in_an_address_are_not_shown(value: str, shown: str) -> None:
    """Of a value that is refused: whatever its key is called."""
    with pytest.raises(SettingsError) as refusal:
        settings_of({"name": "n", "inner": {"mode": value}}, Tree, "file")
    assert f"inner.mode: Input should be 'fast' or 'slow' (found '{shown}')"[:100] in str(refusal.value)
    assert "hidden" not in str(refusal.value)
