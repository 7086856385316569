"""A configuration is checked as a whole before anything of it is touched; each problem names key and remedy."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.configuration.checking import Configuration, configuration_of, notes_on
from collectors.sinks import registry
from sluice.settings import SettingsError


def checked(folder: Path, *entries: dict[str, Any], services: tuple[str, ...] = (), **more: Any) -> Configuration:
    """What a document of these entries is here."""
    needs_files = more.pop("needs_files", True)
    text = yaml.safe_dump({"data_collection_plugins": list(entries), **more})
    return configuration_of(text.encode(), "https://there", folder, services, needs_files=needs_files)


def problems(folder: Path, *entries: dict[str, Any], **more: Any) -> list[str]:
    """What is said of it."""
    with pytest.raises(SettingsError) as caught:
        checked(folder, *entries, **more)
    assert str(caught.value).startswith("https://there: ")
    return caught.value.problems


STORE = {"name": "store", "path": "sink://database"}


def test_what_can_be_used_is_a_configuration(tmp_path: Path) -> None:
    """Its services, and a version that only other bytes change."""
    one, same, other = checked(tmp_path, STORE), checked(tmp_path, STORE), checked(tmp_path, {**STORE, "sample": 0.5})
    assert [plan.name for plan in one.plans] == ["store"]
    assert one.version == same.version != other.version


def test_named_services_alone_are_asked_for(tmp_path: Path) -> None:
    """One that is not there any more refuses the whole: nothing is left out in silence."""
    second = {**STORE, "name": "second"}
    assert [plan.name for plan in checked(tmp_path, STORE, second, services=("second",)).plans] == ["second"]
    [problem] = problems(tmp_path, STORE, services=("second",))
    assert problem == "no enabled service 'second'; there are: store"


@pytest.mark.parametrize("entries", [[], [{**STORE, "enabled": False}]])
def test_nothing_to_do_is_refused(tmp_path: Path, entries: list[dict[str, Any]]) -> None:
    """An emptied file must not end every service."""
    assert problems(tmp_path, *entries) == ["data_collection_plugins: has no enabled entry; add one, or enable one"]


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each entry that needs it, the fallback too."""
    missing = replace(registry.SINKS["sink://database"], needs=("not_there",), extra="some")
    monkeypatch.setitem(registry.SINKS, "sink://database", missing)
    said = problems(tmp_path, STORE, {"name": "p", "path": "python://x:Y", "service": "p"})
    assert said == [
        f"{name}: sink://database needs what is not installed (not_there); pip install 'sluice-gateway[some]'"
        for name in ("store", "fallback")
    ]


CLUSTER = {"bootstrap_servers": "h:1", "security_protocol": "SSL"}
HOOK = {"url": "https://h", "ca_file": "/no.pem"}
FILES = [
    ({"name": "p", "path": "plugin.py:P"}, "p: path: there is no file {folder}/plugin.py"),
    ({"name": "p", "path": "file:///nowhere/p"}, "p: path: there is no file /nowhere/p"),
    ({"name": "p", "path": "grpc://h.example:1", "token": "file:token"}, "p: token: there is no file {folder}/token"),
    ({"name": "p", "path": "grpc://h.example:1", "ca_file": "ca.pem"}, "p: ca_file: there is no file {folder}/ca.pem"),
    (
        {"name": "w", "path": "sink://webhook", "config": {"url": "https://h", "ca_file": "/no.pem"}},
        "w: config.ca_file: there is no file /no.pem",
    ),
    (
        {"name": "k", "path": "sink://kafka", "config": {"topic": "t", "cluster": {**CLUSTER, "ca_file": "/no.pem"}}},
        "k: config.cluster.ca_file: there is no file /no.pem",
    ),
    (
        {**STORE, "replace_database": False, "fallback": {"path": "sink://webhook", "config": HOOK}},
        "fallback: config.ca_file: there is no file /no.pem",
    ),
]


@pytest.mark.parametrize(("entry", "said"), FILES)
def test_a_missing_file_is_named(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    """With entry and key at any depth, where it was looked for; at a start it is no problem of the whole."""
    [problem] = problems(tmp_path, entry)
    assert problem == said.format(folder=tmp_path) + "; name an existing one"
    assert [plan.name for plan in checked(tmp_path, entry, needs_files=False).plans] == [entry["name"]]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there and closed to us."""
    path = tmp_path / "plugin.py"
    path.touch(mode=stat.S_IWUSR)
    monkeypatch.setattr("os.access", lambda *_: False)
    [problem] = problems(tmp_path, {"name": "p", "path": "plugin.py"})
    assert problem == f"p: path: {path} cannot be read; let the user that runs collectors read it"


def test_what_is_not_the_recommended_form_is_noted() -> None:
    """The reference's ``$VAR``, which is not expanded here, and secrets in clear; what is well is not noted."""
    document = {
        "a": ["$HOME", "${HOME}", "$", "$5", "US$"],
        "config": {"password": "clear", "api_key": "${KEY}", "token": "file:/x", "in": {"token": "env:T"}},
        "tokens": "not one",
    }
    assert list(notes_on(document)) == [
        "a[0]: $HOME is not expanded; write ${HOME}",
        "config.password: a secret stands in clear; write ${VARIABLE} or ${file:/path}",
    ]
