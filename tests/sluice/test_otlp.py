"""Where traces go: addresses and headers that can be used, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from sluice.otlp import OtlpSettings, missing_packages
from sluice.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    "endpoint",
    ["collector:4318", "ftp://c/v1", "http://", "http://user:password@c/v1", "http://c:99999/", "http://c:0/",
     "http://c/v1 traces", "http://c/tracé", "http://[::1/v1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    """Before anything is sent there."""
    with pytest.raises(ValueError, match="endpoint"):
        OtlpSettings(endpoint=endpoint)


@pytest.mark.parametrize("endpoint", ["", "http://c:4318/v1/traces", "https://[::1]/x?key=1", "http://127.0.0.1"])
def test_addresses(endpoint: str) -> None:
    """None is one too: nothing is traced."""
    assert OtlpSettings(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize("headers", [{"a b": "c"}, {"": "c"}, {"x": "a\r\ny: b"}, {"x": "é"}, {"x\n": "a"}])
def test_headers_that_would_be_others_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    """By their name; their values are not told: they are secrets."""
    file = tmp_path / "some.yaml"
    file.write_text(yaml.safe_dump({"headers": headers}))
    with pytest.raises(SettingsError, match=r"headers: .*(name|cannot be sent)") as caught:
        load_settings(file, OtlpSettings, {})
    assert "y: b" not in str(caught.value)


def test_what_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module of them; of who does not trace nothing is needed; a package that is missing hides what is in it."""

    def find(name: str) -> object:
        if name == "no.such":
            raise ModuleNotFoundError(name)
        return None if name == "away" else sys

    monkeypatch.setattr("sluice.otlp.find_spec", find)
    needed = ("there", "away", "no.such")
    assert missing_packages(OtlpSettings(), needed) == ""
    problem = missing_packages(OtlpSettings(endpoint="http://c:4318/"), needed)
    assert "(away, no.such)" in problem
    assert "pip install 'sluice-gateway[otel]'" in problem
