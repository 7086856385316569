"""Keeps credentials out of what is recorded, and what is recorded within its bounds.

Credentials are masked whole: only a scheme (``Bearer``) stays, because "which kind" is what operators need and any
part of a short secret is too much of it. Bodies are cut between characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import unquote_plus

from schemas.encoder import keep_text

MASK = "***"

_CREDENTIAL_WORDS = frozenset(
    ("apikey", "auth", "authorization", "cookie", "cookie2", "credential", "credentials", "jwt", "passwd", "password",
     "secret", "session", "sessionid", "signature", "token")
)  # fmt: skip
# Words, so that x-ratelimit-remaining-tokens, which counts tokens rather than being one, stays readable.
_WORD_BREAK = re.compile(r"[^a-z0-9]+")
_CREDENTIAL_PAIRS = frozenset((("api", "key"), ("access", "key"), ("subscription", "key"), ("private", "key")))
_SCHEMES = frozenset(
    ("apikey", "aws4-hmac-sha256", "basic", "bearer", "digest", "key", "negotiate", "ntlm", "token")
)  # fmt: skip
_CREDENTIAL_PARAMETERS = frozenset(("code", "key", "pass", "pwd", "sig"))  # too common as words of header names
_URL_HEADERS = frozenset(
    (b"content-location", b"location", b"origin", b"referer", b"x-forwarded-uri", b"x-original-uri", b"x-original-url",
     b"x-rewrite-url")
)  # fmt: skip
_USER_INFO = re.compile(r"(//)[^/?#\s]*@")
"""Up to the last ``@`` of the authority, as clients read it."""

_UNIQUE = (
    b"cf-ray", b"content-length", b"date", b"traceparent", b"tracestate", b"x-request-id", b"x-sluice-exchange-id",
    b"x-vendor-request-id", b"openai-processing-ms",
)  # fmt: skip
"""Headers that differ each time, none of them a credential or a URL: they must not flow through the cache."""
_UNIQUE_PREFIXES = {name: f"{name.decode()}: " for name in _UNIQUE}

_MAX_CACHED_LINES = 4096
_MAX_CACHED_BYTES = 256
_CUT_NOTE = "x-sluice-truncated: {} more header lines"
_masked_names: dict[bytes, bool] = {}


def header_lines(raw: Sequence[tuple[bytes, bytes]], max_bytes: int) -> list[str]:
    """``name: value`` lines with credentials masked; what passes ``max_bytes`` is replaced by a line that counts it."""
    lines = [*map(_line, raw)]
    # at most two bytes of UTF-8 for each of latin-1, and ": "
    if 2 * len("".join(lines)) <= max_bytes:
        return lines
    return _within(lines, max_bytes)


class _Lines(dict[tuple[bytes, bytes], str]):
    """Lines that stand in many messages, kept for events in their encoded form too; neither credentials nor what
    differs each time is kept."""

    def __missing__(self, pair: tuple[bytes, bytes]) -> str:
        name, value = pair
        prefix = _UNIQUE_PREFIXES.get(name)
        if prefix is not None:
            return prefix + value.decode("latin-1")
        text = name.decode("latin-1")
        if is_credential_header(name):
            return f"{text}: {_masked(value)}"
        shown = value.decode("latin-1")
        if name in _URL_HEADERS:
            return f"{text}: {mask_url(shown)}"
        line = f"{text}: {shown}"
        if len(name) + len(value) <= _MAX_CACHED_BYTES:
            if len(self) >= _MAX_CACHED_LINES:
                self.clear()
            self[pair] = line
            keep_text(line)
        return line


_lines = _Lines()
_line = _lines.__getitem__


def _masked(value: bytes) -> str:
    scheme, space, _ = value.decode("latin-1").partition(" ")
    return f"{scheme} {MASK}" if space and scheme.lower() in _SCHEMES else MASK


def _within(lines: list[str], max_bytes: int) -> list[str]:
    kept: list[str] = []
    room = max_bytes
    for index, line in enumerate(lines):
        size = len(line.encode("utf-8"))
        note = _CUT_NOTE.format(len(lines) - index)
        is_last = index == len(lines) - 1
        if size > room or (not is_last and size + len(note) > room):
            return [*kept, note] if len(note) <= room else kept
        kept.append(line)
        room -= size
    return kept


def is_credential_header(name: bytes) -> bool:
    """Whether a header of this (lower-case) name carries a credential."""
    known = _masked_names.get(name)
    if known is None:
        known = _names_credential(name.decode("latin-1"))
        if len(_masked_names) >= _MAX_CACHED_LINES:
            _masked_names.clear()
        if len(name) <= _MAX_CACHED_BYTES:
            _masked_names[name] = known
    return known


def _names_credential(name: str) -> bool:
    words = [word for word in _WORD_BREAK.split(name.lower()) if word]
    return not _CREDENTIAL_WORDS.isdisjoint(words) or not _CREDENTIAL_PAIRS.isdisjoint(pairwise(words))


def mask_query(query: str) -> str:
    """A query string whose credential parameters are masked; the others stay byte for byte."""
    if "=" not in query:
        return query
    return re.sub(r"[^&;]+", _masked_parameter, query)


def _masked_parameter(match: re.Match[str]) -> str:
    name, equals, _ = match[0].partition("=")
    plain = unquote_plus(name).lower()
    is_credential = plain in _CREDENTIAL_PARAMETERS or _names_credential(plain)
    return f"{name}={MASK}" if equals and is_credential else match[0]


def mask_url(url: str) -> str:
    """A URL without the credentials in its user part, query and fragment."""
    head, mark, fragment = url.partition("#")
    head, question, query = head.partition("?")
    head = _USER_INFO.sub(rf"\1{MASK}@", head)
    return f"{head}{question}{mask_query(query)}{mark}{mask_query(fragment)}"


def cut_text(raw: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """The first bytes, cut between UTF-8 characters where it is text; and whether any are missing."""
    end = max(max_bytes, 0)
    if len(raw) <= end:
        return raw, False
    for start in range(end, max(end - 4, -1), -1):  # a character has at most four bytes
        if raw[start] & 0xC0 != 0x80:
            return raw[:start], True
    return raw[:end], True


def whole_characters(raw: bytes) -> bytes:
    """What was cut anywhere, without the part of a UTF-8 character at its end; itself where it is no such text."""
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte & 0xC0 == 0x80:
            continue
        missing = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return raw[:-back] if missing > back else raw
    return raw
