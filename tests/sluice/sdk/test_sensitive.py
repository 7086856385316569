"""What is found in texts, what is not, and that no text takes long."""

from __future__ import annotations

import random
import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.sdk.sensitive import SENSITIVE_KINDS, SensitiveKind, gate_of, possible_kinds, sensitive_places

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"
FOUND: list[tuple[SensitiveKind, str]] = [
    ("key", "sk-" + "a1B2" * 8), ("key", "sk-ant-api03-" + "aB3-_" * 8), ("key", "sk-proj-" + "aB3_" * 10),
    ("key", "sk_live_" + "4eC39HqLyjWDarjtT1zd"), ("key", "AIza" + "Sy0-_" * 7), ("key", "AKIAIOSFODNN7EXAMPLE"),
    ("key", "ASIAIOSFODNN7EXAMPLE"), ("key", "xoxb-123456789012-abcdef"), ("key", "ghp_" + "a1" * 18),
    ("key", "github_pat_" + "a1" * 20), ("key", "glpat-" + "a1" * 10), ("key", "hf_" + "aB3" * 11),
    ("key", "gsk_" + "aB3" * 11), ("key", "xai-" + "aB3" * 11), ("key", PEM),
    ("jwt", JWT), ("jwt", JWT.rpartition(".")[0] + "."),
    ("credential", "abcdef0123456789"),
    ("email", "ada@example.com"), ("email", "ada.lovelace+x@mail.corp.example.co.uk"),
    ("email", "müller@köln.example"),
    ("phone", "+49 30 901820"), ("phone", "+1 (555) 123-4567"), ("phone", "+442079460958"), ("phone", "(555) 223-4567"),
    ("phone", "555.223.4567"), ("phone", "1-415-555-2671"), ("phone", "01 23 45 67 89"), ("phone", "01.23.45.67.89"),
    ("phone", "020 7946 0958"), ("phone", "0171/1234567"), ("phone", "0044 20 7946 0958"), ("phone", "(030) 1234567"),
    ("card", "4111 1111 1111 1111"), ("card", "4111111111111111"), ("card", "3782-822463-10005"),
    ("card", "5555555555554444"), ("card", "6011111111111117"), ("card", "3530111333300000"), ("card",
    "30569309025904"),
    ("iban", "DE89 3704 0044 0532 0130 00"), ("iban", "GB82WEST12345698765432"), ("iban", "de89370400440532013000"),
    ("iban", "AT61 1904 3002 3457 3201"), ("iban", "NO93 8601 1117 947"), ("iban", "MT84MALT011000012345MTLCAST001S"),
    ("ssn", "078-05-1120"),
]  # fmt: skip
NOT_FOUND = [
    "4111 1111 1111 1112", "1111 1111 1111 1111", "9111111111111111", "NO93 8601 1117 948", "ZZ89370400440532013000",
    "DE8937040044053201300", "2024-01-15", "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "127.0.0.1",
    "3.14159265358979", "ada at example.com", "@ada", "a@b", "react@18.2.0", "sk-short",
    "sk-is-no-key-but-a-long-word",
    "task-" + "a1B2" * 8, "chatcmpl-9aXb1234567890", "2026-01-01T12:00:00.000Z", "2026-01-01 12:00:00", "1234567890",
    "+1 2 3", "eyJ", "eyJhbGciOiJIUzI1NiJ9", "Bearer of bad news", "basic understanding of it",
    "the password is needed",
    "-----BEGIN CERTIFICATE-----\nMIIEow\n-----END CERTIFICATE-----", "max_tokens: 4096", "10.1000/182.555.1234",
    "01-02-2026", "1.2.3.4", "$1,234,567,890.00", "ISBN 978-3-16-148410-0",
]  # fmt: skip


def found(text: str) -> dict[SensitiveKind, list[str]]:
    """Everything, by kind."""
    places = {kind: [text[begins:ends] for begins, ends in sensitive_places(kind, text)] for kind in SENSITIVE_KINDS}
    return {kind: values for kind, values in places.items() if values}


@pytest.mark.parametrize(("kind", "value"), FOUND)
@pytest.mark.parametrize("around", ["{}", "mail {} now", "({}).", "x: {}, AND", "\n{}\n", '"{}"', "<{}>", "ü {} ü"])
def test_what_has_a_form_is_found_whole(kind: SensitiveKind, value: str, around: str) -> None:
    """Alone, in a sentence, in brackets and quotes; no more than it and no less."""
    text = around.format(f"Bearer {value}" if kind == "credential" else value)
    assert value in found(text)[kind]
    assert kind in possible_kinds(text)
    assert re.search(gate_of([kind]), text)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    """Wrong check digits, dates, versions, ids, prose."""
    assert found(f"a {text} b") == {}


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}", "authorization={}", '"api_key": "{}"', "API-KEY={}", "password={}", "passwd: {}",
        "client_secret={}&x=1", '{{"access_token":"{}"}}', "Basic {}", "bearer%20{}", "Authorization: Basic {}",
    ],
)  # fmt: skip
def test_of_a_credential_the_secret_is_found(text: str) -> None:
    """Behind its scheme or its name, which are none."""
    assert found(text.format("s3cretS3cret"))["credential"] == ["s3cretS3cret"]


def test_numbers_beside_a_card_do_not_hide_it() -> None:
    """Before it, behind it, and another card."""
    text = "12 4111 1111 1111 1111 99 and 4111-1111-1111-1111 5555555555554444"
    assert found(text)["card"] == ["4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444"]


def test_numbers_that_are_none_are_left_alone() -> None:
    """Of 10,000 ids, moments and numbers of every length hardly one is taken for a phone, a card or an IBAN."""
    rng = random.Random(7)
    wrong: list[str] = []
    for at in range(2_000):
        moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(4 * 10**8), microseconds=at)
        micros = int(moment.timestamp() * 1e6)
        for text in (
            moment.isoformat(), str(uuid.UUID(int=rng.getrandbits(128))),
                str(rng.randrange(10 ** rng.randrange(4, 22))),
            str(rng.choice((micros // 10**6, micros // 10**3, micros, micros * 1000))),
            f"{rng.uniform(0, 10**9):.6f} {rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}.1",
        ):  # fmt: skip
            wrong += [text] if found(f"id: {text}, next") else []
    assert len(wrong) <= 20, wrong
    assert not [text for text in wrong if "-" in text or "." in text]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=300) | st.text(alphabet="eyJ.sk-@+0123456789 ()/DE-\\n:=Bearer", max_size=300))
def test_no_text_breaks_a_search(text: str) -> None:
    """Places are within the text, in order, and found only of kinds that are possible, by every gate."""
    for kind in SENSITIVE_KINDS:
        places = list(sensitive_places(kind, text))
        assert all(0 <= begins < ends <= len(text) for begins, ends in places)
        assert all(first[1] <= second[0] for first, second in pairwise(places))
        if places:
            assert kind in possible_kinds(text)
            assert re.search(gate_of([kind]), text)


HOSTILE = (
    "a" * 64, "1", "1 ", "1-", "eyJ", "eyJaaaaaaaa.", "sk-", "sk-a ", "@", "a@", "a.", "a@b.", "@a.a",
    "+1", "+1 ", "(", "0",
    "00", "01 ", "DE8", "DE89 ", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "Bearer ", "api_key=", "password:",
    "x\t\n",
    "555-", "(555) ", "A", "AKIA", "ü", "%", "4111 ", "-",
)  # fmt: skip


@pytest.mark.parametrize("kind", SENSITIVE_KINDS)
def test_no_text_takes_long(kind: SensitiveKind) -> None:
    """64 KiB of whatever nearly matches: a search that backtracks would take minutes."""
    for unit in HOSTILE:
        text = (unit * (1 << 16))[: 1 << 16]
        began = time.process_time()
        list(sensitive_places(kind, text))
        list(sensitive_places(kind, text + "!"))
        assert time.process_time() - began < 2, (kind, unit)


FULL_WIDTH = {character: character + 0xFEE0 for character in range(0x21, 0x7F)}
CYRILLIC = str.maketrans("aeops", "\u0430\u0435\u043e\u0440\u0455")


@pytest.mark.parametrize("text", ["ada@example.com", "4111 1111 1111 1111"])
def test_full_width_forms_are_not_undone(text: str) -> None:
    """Known not to be found, as the README says."""
    assert found(text.translate(FULL_WIDTH)) == {}


@pytest.mark.parametrize("text", ["sk-" + "a1" * 20, "4111 1111\u200b 1111 1111"])
def test_look_alikes_and_what_nobody_sees_hide_a_value(text: str) -> None:
    """The same."""
    assert found(text.translate(CYRILLIC)) == {}
