"""Which configuration is used: the option, then the path, then the service, then the file of the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from collectors.configuration.file import FileOrigin
from collectors.configuration.origin import choose, is_address, open_origin
from collectors.configuration.service import ServiceOrigin
from sluice.settings import SettingsError

SERVICE = "https://config.example/base"


@pytest.mark.parametrize(
    ("option", "variables", "place", "because"),
    [
        ("", {}, "collectors.yaml", "default"),
        ("", {"PLUGINS_CONFIG_PATH": "a.yaml"}, "a.yaml", "PLUGINS_CONFIG_PATH"),
        ("", {"PLUGINS_CONFIG_SERVICE_URL": SERVICE}, SERVICE, "PLUGINS_CONFIG_SERVICE_URL"),
        ("", {"PLUGINS_CONFIG_PATH": "", "PLUGINS_CONFIG_SERVICE_URL": SERVICE}, SERVICE, "PLUGINS_CONFIG_SERVICE_URL"),
        ("", {"PLUGINS_CONFIG_PATH": "a", "PLUGINS_CONFIG_SERVICE_URL": SERVICE}, "a", "PLUGINS_CONFIG_PATH"),
        ("b.yaml", {"PLUGINS_CONFIG_PATH": "a", "PLUGINS_CONFIG_SERVICE_URL": SERVICE}, "b.yaml", "--collectors"),
        (SERVICE, {"PLUGINS_CONFIG_PATH": "a"}, SERVICE, "--collectors"),
    ],
)
def test_one_place_wins(option: str, variables: dict[str, str], place: str, because: str) -> None:
    """An empty variable is none; what was not used is known too."""
    choice = choose(option, variables)
    assert (choice.place, choice.because) == (place, because)
    given = [name for name in ("PLUGINS_CONFIG_PATH", "PLUGINS_CONFIG_SERVICE_URL") if variables.get(name)]
    assert choice.instead_of == ", ".join(name for name in given if name != because)


def test_the_log_says_which_and_why(tmp_path: Path) -> None:
    """And never the token, nor that of a proxy of the same environment."""
    variables = {"PLUGINS_CONFIG_SERVICE_URL": SERVICE, "PLUGINS_CONFIG_SERVICE_TOKEN": "hush-hush"}
    with structlog.testing.capture_logs() as lines:
        origin = open_origin("", tmp_path, variables)
        open_origin("x.yaml", tmp_path, variables)
    assert isinstance(origin, ServiceOrigin)
    assert [(line["source"], line["because"], line["instead_of"]) for line in lines] == [
        (f"{SERVICE}/plugins/data-collection", "PLUGINS_CONFIG_SERVICE_URL", None),
        ("x.yaml", "--collectors", "PLUGINS_CONFIG_SERVICE_URL"),
    ]
    assert "hush-hush" not in repr(lines)


@pytest.mark.parametrize(("url", "count"), [("http://far.example", 1), ("http://127.0.0.1:1", 0), (SERVICE, 0)])
def test_a_token_in_clear_is_warned_of(tmp_path: Path, url: str, count: int) -> None:
    """Where it leaves this host without TLS."""
    with structlog.testing.capture_logs() as lines:
        open_origin(url, tmp_path, {"PLUGINS_CONFIG_SERVICE_TOKEN": "t"})
    assert [line["event"] for line in lines].count("configuration token travels in clear") == count


@pytest.mark.parametrize(("text", "seconds"), [("", 30), ("45", 45), ("5m", 300), ("1s", 1), ("24h", 86_400)])
def test_the_poll_s_interval(tmp_path: Path, text: str, seconds: float) -> None:
    """30 s by default; a number is seconds."""
    origin = open_origin(SERVICE, tmp_path, {"PLUGINS_CONFIG_POLL_INTERVAL": text})
    assert origin.interval_seconds == seconds


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PLUGINS_CONFIG_POLL_INTERVAL": "0"}, "PLUGINS_CONFIG_POLL_INTERVAL: must be from 1s to 24h"),
        ({"PLUGINS_CONFIG_POLL_INTERVAL": "soon"}, "(found 'soon')"),
        ({"PLUGINS_CONFIG_POLL_INTERVAL": "-5s"}, "must be from 1s to 24h"),
        ({"PLUGINS_CONFIG_SERVICE_URL": "ftp://x"}, "must be http://HOST"),
        ({"PLUGINS_CONFIG_SERVICE_URL": "config.example"}, "must be http://HOST"),
        ({"PLUGINS_CONFIG_SERVICE_URL": "https://user:hush@x"}, "holds a user or a password"),
        ({"PLUGINS_CONFIG_SERVICE_URL": "https://x?token=hush"}, "more than a path"),
        ({"PLUGINS_CONFIG_SERVICE_CA_FILE": "nowhere.pem"}, "nowhere.pem cannot be used"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    """With its remedy, before anything is asked; what may be a secret is not shown."""
    with pytest.raises(SettingsError) as caught:
        open_origin("", tmp_path, {"PLUGINS_CONFIG_SERVICE_URL": SERVICE, **variables})
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_path_is_no_address(tmp_path: Path) -> None:
    """A file may be called whatever it likes."""
    assert [is_address(each) for each in ("http://x", "https://x", "x.yaml", "file:///x")] == [True, True, False, False]
    assert isinstance(open_origin("http.yaml", tmp_path, {}), FileOrigin)
