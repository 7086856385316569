"""Secrets at rest: what is encrypted comes back, and only so, and no message shows any of it."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.secrets import KEY_BYTES, SecretBox, SecretError, key_text, new_key, read_key

OLD, NEW = bytes(range(KEY_BYTES)), bytes(range(100, 100 + KEY_BYTES))
CONTEXT = "llms.api_key"
SECRET = "sk-live-0123456789"


@given(st.text(), st.text())
def test_what_was_encrypted_comes_back(text: str, context: str) -> None:
    """Any text, under any context, decrypts to itself."""
    box = SecretBox([OLD])
    assert box.decrypt(box.encrypt(text, context), context) == text


def test_the_same_text_never_looks_the_same_twice() -> None:
    """Nobody who reads the database can tell that two LLMs share a key; the text is not in the data."""
    box = SecretBox([OLD])
    seen = {box.encrypt(SECRET, CONTEXT) for _ in range(1000)}
    assert len(seen) == 1000
    assert not any(SECRET.encode() in data for data in seen)


@pytest.mark.parametrize("position", range(len(SecretBox([OLD]).encrypt(SECRET, CONTEXT))))
def test_any_changed_byte_is_noticed(position: int) -> None:
    """Version, key id, nonce, text and tag: a bit turned anywhere is refused, and nothing is shown."""
    data = bytearray(SecretBox([OLD]).encrypt(SECRET, CONTEXT))
    data[position] ^= 1
    refused(SecretBox([OLD, NEW]), bytes(data), CONTEXT)


@given(st.binary(max_size=120))
def test_garbage_is_refused(data: bytes) -> None:
    """Whatever lies in the column, the answer is a text or a SecretError."""
    refused(SecretBox([OLD]), data, CONTEXT)
    refused(SecretBox([OLD]), SecretBox([OLD]).encrypt("", CONTEXT)[:9] + data, CONTEXT)


def test_a_text_that_is_no_unicode_is_refused_without_being_shown() -> None:
    """JSON can bring a lone surrogate; Python's own error would print the secret."""
    with pytest.raises(SecretError, match=f"^{CONTEXT}: the secret has characters") as raised:
        SecretBox([OLD]).encrypt(SECRET + "\ud800", CONTEXT)
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("keep", [0, 1, 8, 9, 21, 36, 37])
def test_cut_data_is_refused(keep: int) -> None:
    """Data cut at or inside any of its parts is refused."""
    refused(SecretBox([OLD]), SecretBox([OLD]).encrypt(SECRET, CONTEXT)[:keep], CONTEXT)


def test_a_secret_cannot_be_passed_off_as_another() -> None:
    """What was encrypted for one place does not decrypt at another, also where the parts' borders are moved."""
    box = SecretBox([OLD])
    refused(box, box.encrypt(SECRET, CONTEXT), "plugins.config")
    refused(box, box.encrypt(SECRET, "ab"), "a")


def test_a_newer_key_in_front_encrypts_and_the_old_one_still_decrypts() -> None:
    """Rotation: put the new key first, encrypt again what is not current, take the old key away."""
    stored = SecretBox([OLD]).encrypt(SECRET, CONTEXT)
    both = SecretBox([NEW, OLD])
    assert not both.is_current(stored)
    again = both.encrypt(both.decrypt(stored, CONTEXT), CONTEXT)
    assert both.is_current(again)
    assert SecretBox([NEW]).decrypt(again, CONTEXT) == SECRET
    refused(SecretBox([OLD]), again, CONTEXT)


def test_a_missing_key_is_named_by_its_id() -> None:
    """The operator learns which key is missing, and what to do; the id is stable and not the key."""
    stored = SecretBox([OLD]).encrypt(SECRET, CONTEXT)
    with pytest.raises(SecretError, match=rf"^{CONTEXT}: no secret key here has the id 630dcd2966c43366; put the key"):
        SecretBox([NEW]).decrypt(stored, CONTEXT)


def test_a_key_that_another_process_put_in_front_is_fetched() -> None:
    """A box learns of a rotation from the first secret that it cannot decrypt, and encrypts with the new key then."""
    keys = [OLD]
    fetched: list[int] = []

    def fetch() -> list[bytes]:
        fetched.append(len(keys))
        return keys

    box = SecretBox(keys, fetch)
    assert box.decrypt(SecretBox([OLD]).encrypt(SECRET, CONTEXT), CONTEXT) == SECRET
    refused(box, SecretBox([NEW]).encrypt(SECRET, CONTEXT), CONTEXT)
    assert fetched == [1]
    keys = [NEW, OLD]
    assert box.decrypt(SecretBox([NEW]).encrypt(SECRET, CONTEXT), CONTEXT) == SECRET
    assert box.is_current(box.encrypt(SECRET, CONTEXT))
    assert not box.is_current(SecretBox([OLD]).encrypt(SECRET, CONTEXT))
    assert box.decrypt(SecretBox([OLD]).encrypt(SECRET, CONTEXT), CONTEXT) == SECRET
    assert fetched == [1, 2]


@pytest.mark.parametrize("keys", [[], [b""], [b"x" * 16], [OLD, b"x" * 33]])
def test_a_box_without_proper_keys_is_refused(keys: list[bytes]) -> None:
    """No key, or one of another length (AES would take 16 bytes), is refused when the box is made."""
    with pytest.raises(SecretError, match="openssl rand -base64 32"):
        SecretBox(keys)


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_a_key_can_be_written_and_read(key: bytes) -> None:
    """Both kinds of base64 are read, with white space around them."""
    assert read_key(key_text(key)) == key
    assert read_key(f" {base64.urlsafe_b64encode(key).decode()}\r\n") == key


def test_new_keys_differ() -> None:
    """A new key is random and long enough."""
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {KEY_BYTES}


@pytest.mark.parametrize(
    "text",
    ["", "hunter2", "hunter2=" * 6, "hünter2", "a" * 44, key_text(OLD)[:-1], key_text(OLD) + "=", key_text(OLD[:16])],
)
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    """The message says what to give; the text may be a password, so it is not in it."""
    with pytest.raises(SecretError, match="openssl rand -base64 32") as raised:
        read_key(text)
    assert not text or text not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_box_shows_no_key() -> None:
    """Neither form of a box that a log could print holds a key."""
    shown = f"{SecretBox([OLD])!r} {SecretBox([OLD])}"
    assert repr(OLD) not in shown
    assert key_text(OLD) not in shown


def test_the_base_installation_can_import_it() -> None:
    """cryptography belongs to an extra: without it, the module is imported and making a box says what to install."""
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import sluice.secrets as module\n"
        "try: module.SecretBox([module.new_key()])\n"
        "except module.SecretError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert ended.stdout.strip() == "secrets need the package cryptography: pip install 'sluice-gateway[gateway]'"


def refused(box: SecretBox, data: bytes, context: str) -> None:
    """The data do not decrypt, and no part of the error shows text or data."""
    with pytest.raises(SecretError) as raised:
        box.decrypt(data, context)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
