"""``pii_redactor``."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sluice.plugins.pii_redactor import HOLD_CHARACTERS, PiiRedactor
from sluice.sdk.testing import (
    make_context,
    make_frames,
    make_plugin,
    make_request,
    make_response,
    run_stream,
    start_plugin,
)

FOUND = {
    "ada@example.com": "EMAIL",
    "ada.lovelace+x@mail.corp.example.co.uk": "EMAIL",
    "a" * 64 + "@" + "b" * 60 + ".photography": "EMAIL",
    "+49 30 901820": "PHONE",
    "+1 (555) 123-4567": "PHONE",
    "(555) 123-4567": "PHONE",
    "555.123.4567": "PHONE",
    "4111 1111 1111 1111": "CARD",
    "4111111111111111": "CARD",
    "3782-822463-10005": "CARD",
    "DE89 3704 0044 0532 0130 00": "IBAN",
    "GB82WEST12345698765432": "IBAN",
    "AT61 1904 3002 3457 3201": "IBAN",
    "NO93 8601 1117 947": "IBAN",
    "078-05-1120": "SSN",
    "sk-" + "a1B2" * 8: "API_KEY",
    "AKIAIOSFODNN7EXAMPLE": "API_KEY",
    "ghp_" + "a1" * 18: "API_KEY",
}
NOT_FOUND = [
    "4111 1111 1111 1112",
    "1111 1111 1111 1111",
    "NO93 8601 1117 948",
    "2024-01-15",
    "000-12-3456",
    "666-12-3456",
    "900-12-3456",
    "123-00-4567",
    "127.0.0.1",
    "3.14159265358979",
    "ada at example.com",
    "@ada",
    "a@b",
    "sk-short",
    "sk-is-no-key-but-a-long-word",
    "chatcmpl-9aXb1234567890",
    "2026-01-01T12:00:00.000Z",
    "1234567890",
    "+1 2 3",
]


async def redacted(text: str, **config: Any) -> str:
    """What the vendor sees of a prompt."""
    ctx = make_context()
    plugin = await start_plugin(PiiRedactor, ctx, **config)
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    answer = await plugin.handle_post_auth(ctx, make_request(body))
    return str(json.loads(answer.body or body)["messages"][0]["content"])


@pytest.mark.parametrize("value", FOUND)
@pytest.mark.parametrize("around", ["{}", "mail {} now", "({}).", "x: {}, AND", "\n{}\n"])
async def test_what_has_the_form_of_personal_data_is_replaced(value: str, around: str) -> None:
    """Alone, in a sentence, in brackets, before words in capitals; nothing of it is left."""
    assert await redacted(around.format(value)) == around.format(f"[{FOUND[value]}_1]")


@pytest.mark.parametrize("text", NOT_FOUND)
async def test_what_only_looks_like_it_stays(text: str) -> None:
    """Wrong checksums, dates, versions, ids."""
    assert await redacted(f"a {text} b") == f"a {text} b"


async def test_a_number_before_a_card_does_not_hide_it() -> None:
    """Nor do digits behind it."""
    assert await redacted("1 4111 1111 1111 1111") == "1 [CARD_1]"
    assert await redacted("4111 1111 1111 1111 12") == "[CARD_1] 12"


async def test_equal_values_have_one_placeholder() -> None:
    """So that the model can tell who is who; other values have others."""
    assert await redacted("a@b.co, c@d.co, a@b.co") == "[EMAIL_1], [EMAIL_2], [EMAIL_1]"


async def test_only_the_kinds_that_are_asked_for_are_replaced() -> None:
    """The others stay."""
    assert await redacted("a@b.co 078-05-1120", kinds=["SSN"]) == "a@b.co [SSN_1]"
    assert await redacted("a@b.co", redact_requests=False) == "a@b.co"


async def test_every_text_of_a_request_is_read_and_no_id() -> None:
    """Arguments of tools, the user's name, what is no JSON; a request without any is not touched."""
    ctx = make_context()
    plugin = await start_plugin(PiiRedactor, ctx)
    body = {"user": "a@b.co", "tools": [{"input": {"to": "a@b.co"}}], "id": "a@b.co", "call_id": "a@b.co"}
    answer = await plugin.handle_post_auth(ctx, make_request(json.dumps(body).encode()))
    assert json.loads(answer.body or b"") == {
        "user": "[EMAIL_1]", "tools": [{"input": {"to": "[EMAIL_1]"}}], "id": "a@b.co", "call_id": "a@b.co",
    }  # fmt: skip
    assert (await plugin.handle_post_auth(ctx, make_request(b"mail a@b.co"))).body == b"mail [EMAIL_1]"
    for untouched in (b'{ "a": "b" }', b"", b"\xff", b"[" * 100_000):
        assert (await plugin.handle_post_auth(make_context(), make_request(untouched))).decision == "allow"


async def test_the_log_has_no_value() -> None:
    """How many there were, and whose."""
    ctx = make_context(app_id=7)
    plugin = await start_plugin(PiiRedactor, ctx)
    await plugin.handle_post_auth(ctx, make_request(b"a@b.co"))
    assert [entry.values for entry in ctx.services.logger.entries] == [{"app_id": 7, "values": 1}]


def answer_of(text: str) -> bytes:
    """A vendor's."""
    return json.dumps({"id": "chatcmpl-1", "choices": [{"message": {"content": text}}]}).encode()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "to [EMAIL_1] and [EMAIL] [EMAIL_9]"),
        ({"restore": True}, "to ada@example.com and [EMAIL] [EMAIL_9]"),
        ({"restore": True, "redact_responses": False}, "to ada@example.com and new@example.com [EMAIL_9]"),
        ({"redact_responses": False}, "to [EMAIL_1] and new@example.com [EMAIL_9]"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_answers_are_redacted_and_restored(config: dict[str, Any], said: str, is_stream: bool) -> None:
    """What the model made up is replaced, what the client said comes back; a placeholder of nobody stays."""
    ctx = make_context()
    plugin = await start_plugin(PiiRedactor, ctx, **config)
    await plugin.handle_post_auth(ctx, make_request(b'{"prompt":"mail ada@example.com"}'))
    text = "to [EMAIL_1] and new@example.com [EMAIL_9]"
    if is_stream:
        run = await run_stream(plugin, make_frames([text[at : at + 3] for at in range(0, len(text), 3)]), ctx)
        assert streamed(run.body) == said
        return
    answer = await plugin.on_before_write(ctx, make_response(answer_of(text)))
    assert json.loads(answer.body or answer_of(text))["choices"][0]["message"]["content"] == said


def streamed(body: bytes) -> str:
    """The text of a stream."""
    values = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content", "") for value in values for choice in value["choices"])


async def test_an_answer_without_personal_data_is_the_vendor_s_own() -> None:
    """Byte for byte; a stream that another plugin gathered is read as one."""
    plugin = await start_plugin(PiiRedactor, make_context())
    assert (await plugin.on_before_write(make_context(), make_response(answer_of("hi")))).decision == "allow"
    body = b"".join(make_frames(["ada@exam", "ple.com"]))
    gathered = make_response(body, headers={"content-type": "text/event-stream"})
    assert streamed((await plugin.on_before_write(make_context(), gathered)).body or b"") == "[EMAIL]"
    without_an_end = make_response(b"".join(make_frames(["ada@exam", "ple.com"])[:2]), headers=gathered.headers)
    assert streamed((await plugin.on_before_write(make_context(), without_an_end)).body or b"") == "[EMAIL]"


async def test_exchanges_are_apart() -> None:
    """One's placeholder is nothing to another."""
    plugin = await start_plugin(PiiRedactor, make_context(), restore=True)
    await plugin.handle_post_auth(make_context(), make_request(b'"ada@example.com"'))
    assert (await plugin.on_before_write(make_context(), make_response(answer_of("[EMAIL_1]")))).decision == "allow"


PIECES = [*FOUND, *NOT_FOUND, "A", " ", ".", "-", "1", "+", "[EMAIL_1]", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.integers(0, 1 << 32))
async def test_a_stream_says_what_the_whole_answer_would(pieces: list[str], seed: int) -> None:
    """Wherever it is cut: no pattern looks further than what is held."""
    text, cut = " ".join(pieces), random.Random(seed)
    plugin = make_plugin(PiiRedactor)
    await plugin.initialize(make_context(), plugin.config)
    whole = await plugin.on_before_write(make_context(), make_response(answer_of(text)))
    expected = json.loads(whole.body or answer_of(text))["choices"][0]["message"]["content"]
    deltas, at = [], 0
    while at < len(text):
        size = cut.choice([1, 2, 5, 30, HOLD_CHARACTERS, 2 * HOLD_CHARACTERS])
        deltas.append(text[at : at + size])
        at += size
    assert streamed((await run_stream(plugin, make_frames(deltas))).body) == expected


@pytest.mark.parametrize(
    "text",
    [
        "1 " * 100_000,
        "1234 " * 40_000,
        "1" * 200_000,
        "AB12 " * 40_000,
        "a" * 200_000,
        "a@" * 100_000,
        "A1" * 100_000,
        "+1" * 100_000,
        "1-" * 99_999,
    ],
)
async def test_no_text_takes_for_ever(text: str) -> None:
    """Every pattern is bounded: 200,000 characters of what almost matches take well under a deadline's second."""
    assert isinstance(await redacted(text), str)


def test_nothing_to_redact_is_refused() -> None:
    """And what is no kind."""
    for kinds in ([], ["NAME"]):
        with pytest.raises(ValidationError):
            make_plugin(PiiRedactor, kinds=kinds)
