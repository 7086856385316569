"""Redaction: no credential survives, nothing else is lost, and every bound holds whatever is sent."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from schemas import encoder
from sluice import redaction
from sluice.redaction import MASK, cut_text, header_lines, is_credential_header, mask_query, mask_url

SECRET = "s3cr3t-v4lue"
PLENTY = 1 << 20

HEADER_NAMES = st.binary(max_size=24).map(bytes.lower)
HEADERS = st.lists(st.tuples(HEADER_NAMES, st.binary(max_size=80)), max_size=12)
NOTE = re.compile(r"x-sluice-truncated: (\d+) more header lines")


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "proxy-authorization", "x-api-key", "api-key", "apikey", "x_api_key", "cookie", "set-cookie",
        "x-auth-token", "x-amz-security-token", "x-goog-api-key", "ocp-apim-subscription-key", "x-access-key",
        "private-key", "x-client-secret", "x.session.id", "x-jwt", "x-hub-signature", "password",
    ],
)  # fmt: skip
def test_credential_headers_are_masked_whole(name: str) -> None:
    """Whoever sends the credential, and however its name is joined."""
    assert is_credential_header(name.encode())
    assert header_lines([(name.encode(), SECRET.encode())], PLENTY) == [f"{name}: {MASK}"]


@pytest.mark.parametrize(
    "name",
    [
        "x-ratelimit-remaining-tokens", "max-tokens", "content-type", "author", "authority", "key", "x-key", "monkey",
        "x-api-version", "keyboard", "", "---",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_credential_stays_readable(name: str) -> None:
    """Whole words decide: a count of tokens is no token."""
    assert not is_credential_header(name.encode())
    assert header_lines([(name.encode(), b"17")], PLENTY) == [f"{name}: 17"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f"Bearer {SECRET}", f"Bearer {MASK}"),
        (f"bearer  {SECRET}", f"bearer {MASK}"),
        (f"Basic {SECRET} {SECRET}", f"Basic {MASK}"),
        (f"{SECRET} Bearer", MASK),
        ("Bearer", MASK),
        (f"Bearer\t{SECRET}", MASK),
        ("", MASK),
    ],
)
def test_only_a_known_scheme_is_shown(value: str, shown: str) -> None:
    """Which kind of credential is worth knowing; the first word of an unknown kind may be the secret itself."""
    assert header_lines([(b"authorization", value.encode())], PLENTY) == [f"authorization: {shown}"]


@pytest.mark.parametrize("name", [b"referer", b"location", b"origin", b"x-original-url"])
def test_urls_in_headers_lose_their_credentials(name: bytes) -> None:
    """In user part and query; the rest of the address stays."""
    (line,) = header_lines([(name, f"https://me:{SECRET}@host/p?a=1&api_key={SECRET}".encode())], PLENTY)
    assert line == f"{name.decode()}: https://{MASK}@host/p?a=1&api_key={MASK}"


@settings(deadline=None)
@given(HEADERS, st.integers(-1, 400))
def test_header_lines_stay_within_their_bound(raw: list[tuple[bytes, bytes]], max_bytes: int) -> None:
    """Any bytes, any bound: the lines in UTF-8 fit, and either all are there or the last one counts what is not."""
    lines = header_lines(raw, max_bytes)
    assert sum(len(line.encode()) for line in lines) <= max(max_bytes, 0)
    whole = header_lines(raw, PLENTY)
    if lines == whole:
        return
    note = NOTE.fullmatch(lines[-1]) if lines else None
    kept = lines[:-1] if note else lines
    assert kept == whole[: len(kept)]
    if note:
        assert int(note[1]) == len(raw) - len(kept)


@settings(deadline=None)
@given(HEADERS)
def test_lines_do_not_depend_on_what_was_seen_before(raw: list[tuple[bytes, bytes]]) -> None:
    """The cache of lines changes nothing but the time."""
    redaction._lines.clear()
    redaction._masked_names.clear()
    first = header_lines(raw, PLENTY)
    assert header_lines(raw, PLENTY) == first
    assert [line.partition(": ")[0] for line in first] == [line.partition(": ")[0] for line in first]
    assert len(first) == len(raw)


def test_the_caches_are_bounded() -> None:
    """Names and values come from clients: what is remembered of them has an end, and credentials are never in it."""
    for number in range(9_000):
        header_lines([(b"x-number-%d" % number, b"1"), (b"authorization", b"Bearer %d" % number)], PLENTY)
    header_lines([(b"x" * 100_000, b"1"), (b"x-large", b"y" * 100_000), (b"date", b"today")], PLENTY)
    assert 0 < len(redaction._lines) <= 4096
    assert 0 < len(redaction._masked_names) <= 4096
    assert sum(map(len, redaction._masked_names)) < 4096 * 256
    assert not any(name in {b"authorization", b"date", b"x-large"} for name, _ in redaction._lines)
    assert max(len(name) + len(value) for name, value in redaction._lines) <= 256
    assert max(map(len, encoder._TEXTS)) <= 256 + len(": ")


@pytest.mark.parametrize(
    "name",
    [
        "key", "code", "sig", "pwd", "pass", "token", "access_token", "api-key", "X-Amz-Signature", "api%5Fkey",
        "api+key", "%74oken", "client_secret",
    ],
)  # fmt: skip
def test_credential_parameters_are_masked(name: str) -> None:
    """In either way of joining, encoded or not; the name stays as it was sent."""
    assert mask_query(f"a=1&{name}={SECRET}&b=2;{name}={SECRET}") == f"a=1&{name}={MASK}&b=2;{name}={MASK}"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="latin-1")))
@example("&&=;=&x")
@example("=")
def test_a_query_without_credentials_stays_as_it_is(text: str) -> None:
    """Byte for byte, however it is written: only what is masked is touched."""
    safe = re.sub(r"[a-zA-Z%+]", "z", text)
    assert mask_query(safe) == safe


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["key", "token", "q", "model"]), st.text(max_size=8)), max_size=6))
def test_no_value_of_a_credential_parameter_survives(pairs: list[tuple[str, str]]) -> None:
    """Whatever stands before and behind it."""
    masked = mask_query("&".join(f"{name}={quote(value)}" for name, value in pairs))
    for given_pair, shown in zip(pairs, masked.split("&"), strict=False):
        name, value = given_pair
        assert shown == (f"{name}={MASK}" if name in {"key", "token"} else f"{name}={quote(value)}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/path", "https://host/path"),
        (f"https://user:{SECRET}@host", f"https://{MASK}@host"),
        (f"//{SECRET}@host/a@b", f"//{MASK}@host/a@b"),
        (f"/relative?token={SECRET}#end", f"/relative?token={MASK}#end"),
        ("https://host/a@b?q=c@d", "https://host/a@b?q=c@d"),
        ("", ""),
    ],
)
def test_urls_lose_user_part_and_credential_parameters(url: str, shown: str) -> None:
    """An ``@`` of a path or of a harmless value is no user part."""
    assert mask_url(url) == shown


@pytest.mark.parametrize("url", [f"https://host/#access_token={SECRET}", f"https://host/?a=1#id_token={SECRET}"])
def test_a_fragment_loses_its_credentials(url: str) -> None:
    """OAuth's implicit grant puts the token behind the ``#``."""
    assert SECRET not in mask_url(url)


@pytest.mark.parametrize("url", [f"https://me:p@{SECRET}@host", f"https://@{SECRET}@host/p"])
def test_a_user_part_ends_at_its_last_at_sign(url: str) -> None:
    """As every client reads it: a password may hold an ``@`` that nobody encoded."""
    assert SECRET not in mask_url(url)


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(-3, 60))
def test_text_is_cut_between_characters(text: str, max_bytes: int) -> None:
    """What is kept is a beginning, is text, fits, and misses less than one character of what would."""
    raw = text.encode()
    assume(raw or max_bytes >= 0)
    kept, is_cut = cut_text(raw, max_bytes)
    assert raw.startswith(kept)
    assert text.startswith(kept.decode())
    assert len(kept) <= max(max_bytes, 0)
    assert is_cut == (kept != raw)
    if is_cut:
        assert max(max_bytes, 0) - len(kept) < 4


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(-3, 60))
def test_bytes_that_are_no_text_are_cut_within_the_bound_too(raw: bytes, max_bytes: int) -> None:
    """Garbage loses at most three bytes more than it must."""
    assume(raw or max_bytes >= 0)
    kept, is_cut = cut_text(raw, max_bytes)
    assert raw.startswith(kept)
    assert len(kept) <= max(max_bytes, 0)
    assert is_cut == (kept != raw)
    assert not is_cut or max(max_bytes, 0) - len(kept) <= 3


def test_nothing_is_cut_to_less_than_nothing() -> None:
    """A bound below zero is one of zero, for no bytes too."""
    assert cut_text(b"", -1)[0] == b""


def test_continuation_bytes_alone_are_cut_at_the_bound() -> None:
    """Where no character begins, the bound itself is the cut."""
    assert cut_text(b"\x80" * 9, 7) == (b"\x80" * 7, True)
    assert cut_text(b"", 0) == (b"", False)
