"""Secrets at rest: AES-256-GCM under keys that can be changed while the old ones still decrypt.

What ``SecretBox.encrypt`` gives is, in this order: a version byte, the id of the key (the first bytes of its SHA-256),
a random nonce, the encrypted text with its tag. The first two and the context are authenticated with the text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32

_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES
_NONCE_BYTES = 12
"""96 random bits: safe for some four thousand million encryptions with one key (NIST SP 800-38D, 8.3)."""
_TAG_BYTES = 16
_MIN_BYTES = _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES

_BASE64 = str.maketrans("-_", "+/")
_KEY_REMEDY = f"give {KEY_BYTES} random bytes in base64, e.g. what `openssl rand -base64 {KEY_BYTES}` prints"


class SecretError(Exception):
    """A key that cannot be used, or a secret that cannot be decrypted; the message shows neither."""


class SecretBox:
    """Encrypts with the first of its keys and decrypts with all of them, so that a newer key can be put in front.

    ``reload`` is asked for the keys anew where a secret's key is not among ours: another process may have put one in
    front. It may raise SecretError.
    """

    __slots__ = ("_ciphers", "_key_id", "_reload")

    def __init__(self, keys: Sequence[bytes], reload: Callable[[], Sequence[bytes]] | None = None) -> None:
        self._reload = reload
        self._take(keys)

    def encrypt(self, text: str, context: str) -> bytes:
        """The text under the newest key; only the same context decrypts it.

        The context says where the secret belongs (``"llms.api_key"``), so that one cannot be passed off as another.
        Raises SecretError where the text is no Unicode (a lone surrogate).
        """
        header, nonce = _VERSION + self._key_id, os.urandom(_NONCE_BYTES)
        try:
            plain = text.encode("utf-8")
        except UnicodeEncodeError:  # which would show the text
            raise SecretError(f"{context}: the secret has characters that are no Unicode; set another") from None
        return header + nonce + self._ciphers[self._key_id].encrypt(nonce, plain, header + context.encode("utf-8"))

    def decrypt(self, data: bytes, context: str) -> str:
        """The text. Raises SecretError where its key is not among ours, or where data or context were changed."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - loaded with the first box

        cipher, header = self._cipher_of(data, context), data[:_HEADER_BYTES]
        nonce, sealed = data[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES], data[_HEADER_BYTES + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, header + context.encode("utf-8")).decode("utf-8")
        except InvalidTag:
            remedy = "it was changed, or moved from where it belongs: set the secret again"
            raise SecretError(f"{context}: the stored secret does not decrypt with its key; {remedy}") from None

    def is_current(self, data: bytes) -> bool:
        """Whether the newest key encrypted this; what is not current is to be encrypted again before a key goes."""
        return data[:_HEADER_BYTES] == _VERSION + self._key_id

    def _take(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise SecretError(f"no secret key is given; {_KEY_REMEDY}")
        for key in keys:
            _check_length(key)
        self._ciphers = {_key_id(key): _cipher(key) for key in keys}
        self._key_id = _key_id(keys[0])

    def _cipher_of(self, data: bytes, context: str) -> AESGCM:
        if len(data) < _MIN_BYTES or data[: len(_VERSION)] != _VERSION:
            remedy = "it was damaged, or written by another version: set the secret again"
            raise SecretError(f"{context}: the stored secret has no form known here; {remedy}")
        key_id = data[len(_VERSION) : _HEADER_BYTES]
        if key_id not in self._ciphers and self._reload is not None:
            self._take(self._reload())
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            remedy = "put the key that encrypted it behind the newest one, or set the secret again"
            raise SecretError(f"{context}: no secret key here has the id {key_id.hex()}; {remedy}")
        return cipher


def new_key() -> bytes:
    """A random key."""
    return os.urandom(KEY_BYTES)


def key_text(key: bytes) -> str:
    """A key as ``read_key`` takes it: base64."""
    return base64.b64encode(key).decode("ascii")


def read_key(text: str) -> bytes:
    """The key that a text holds in base64 (also the URL-safe kind). SecretError, without the text, where it is none."""
    try:
        key = base64.b64decode(text.strip().translate(_BASE64).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise SecretError(f"the secret key is no base64; {_KEY_REMEDY}") from None
    _check_length(key)
    return key


def _check_length(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise SecretError(f"the secret key has {len(key)} bytes; {_KEY_REMEDY}")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_KEY_ID_BYTES]


def _cipher(key: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - only the extra has it
    except ImportError as error:
        raise SecretError("secrets need the package cryptography: pip install 'sluice-gateway[gateway]'") from error
    return AESGCM(key)
