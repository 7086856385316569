"""Where a vendor's key is: found, or refused with where it was looked for, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.vendor_keys import VendorKeyError, VendorKeys


@pytest.mark.parametrize("key", ["", "sk-plain", "environment:X", "filed"])
def test_a_key_that_is_written_down_is_itself(key: str) -> None:
    """None is none."""
    assert VendorKeys(variables={}).find(key) == key


def test_a_key_is_taken_from_the_environment() -> None:
    """Without the spaces around it."""
    assert VendorKeys(variables={"KEY": " sk-1\n"}).find("env:KEY") == "sk-1"


def test_the_process_s_own_environment_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is when the key is needed."""
    keys = VendorKeys()
    monkeypatch.setenv("SLUICE_TEST_KEY", "sk-2")
    assert keys.find("env:SLUICE_TEST_KEY") == "sk-2"


def test_a_key_is_taken_from_a_file(tmp_path: Path) -> None:
    """A relative path begins in the folder of the settings; the line's end is not the key's."""
    (tmp_path / "key").write_text("sk-3\r\n")
    keys = VendorKeys(tmp_path, {})
    assert keys.find("file:key") == keys.find(f"file:{tmp_path / 'key'}") == "sk-3"


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("env:MISSING", "MISSING"), ("env:EMPTY", "EMPTY"), ("env:", "variable"), ("file:missing", "missing"),
        ("file:empty", "empty"), ("file:", "read"), ("file:.", "read"), ("file:\x00", "read"), ("file:binary", "read"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_there_is_said(tmp_path: Path, key: str, where: str) -> None:
    """With where it was looked for, and what to do."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(VendorKeyError, match=where):
        VendorKeys(tmp_path, {"EMPTY": ""}).find(key)


@pytest.mark.parametrize("key", ["a\nb", "file:two", "env:TWO", "a\x7f"])
def test_what_no_header_takes_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    """It would split the request that it is sent with."""
    (tmp_path / "two").write_text("secret\r\nx-injected: 1")
    with pytest.raises(VendorKeyError) as caught:
        VendorKeys(tmp_path, {"TWO": "secret\x00two"}).find(key)
    assert "control character" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_is_not_read_for_ever(tmp_path: Path) -> None:
    """A device that never ends gives no key, and takes no memory."""
    with pytest.raises(VendorKeyError):
        VendorKeys(tmp_path, {}).find("file:/dev/zero")


def test_a_key_that_is_a_document_is_one_line(tmp_path: Path) -> None:
    """A service account's file as its vendor made it; what only begins like one is held to the rule for all keys."""
    (tmp_path / "key.json").write_text('{\n  "type": "service_account",\n  "private_key": "a\\nb"\n}\n')
    assert VendorKeys(tmp_path).find("file:key.json") == '{"type": "service_account", "private_key": "a\\nb"}'
    with pytest.raises(VendorKeyError, match="control character"):
        VendorKeys().find("{\n")
