"""Bodies: whatever they are coded in, cut to or made of, nothing that a rule names is kept."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from typing import Any

import brotli
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.privacy.bodies import BodyRedactor, KeptBody
from sluice.privacy.settings import RulesSettings

REDACTOR = BodyRedactor(RulesSettings())
ADA = b"ada@example.com"


def kept(
    body: bytes, kind: str = "application/json", codings: str = "", max_bytes: int = 65_536, cut: bool = False
) -> KeptBody:
    """What is kept of a body."""
    return REDACTOR.body(body, kind, codings, max_bytes, is_cut=cut)


def test_text_is_redacted_and_json_stays_json() -> None:
    """The rest byte for byte."""
    assert kept(b'{ "to" : "ada@example.com","n":1}') == (b'{ "to" : "[email]","n":1}', False)
    assert kept(b"") == (b"", False)


@pytest.mark.parametrize(("compress", "coding"), [(gzip.compress, "gzip"), (brotli.compress, "br")])
def test_codings_hide_nothing(compress: Any, coding: str) -> None:
    """A body is kept decoded, within the bound; one whose coding nobody knows, or that lies, is not kept."""
    assert kept(compress(b"to " + ADA), codings=coding) == (b"to [email]", False)
    assert kept(compress(b"x " * 100_000), codings=coding, max_bytes=100).is_cut
    assert kept(compress(b"to " + ADA), codings="lzma") == (None, True)
    assert kept(compress(b"to " + ADA), codings="") == (None, True)
    assert kept(b"to " + ADA, codings=coding) == (b"to [email]", False)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" + ADA, b"RIFF\x00\x00WAVE" + ADA, ADA.decode().encode("utf-16"), ADA.decode().encode("utf-16-le"),
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nID3\x04\x00\xfb\x90\r\n--b--',
        "é".encode("latin-1"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_not_kept(body: bytes) -> None:
    """Sound, forms with files, UTF-16: no rule would find a thing in it; that it is missing is said."""
    assert kept(body, "multipart/form-data; boundary=b") == (None, True)


def test_a_form_of_texts_is_text() -> None:
    """Multipart or not."""
    body = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nto ada@example.com\r\n--b--'
    assert kept(body, "multipart/form-data; boundary=b") == (body.replace(ADA, b"[email]"), False)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.integers(0, 100), st.booleans())
def test_no_body_breaks_it(body: bytes, max_bytes: int, is_cut: bool) -> None:
    """What is kept is UTF-8 within the bound; what was cut is said to be; it comes to rest."""
    for kind in ("application/json", "text/event-stream"):
        found = kept(body, kind, max_bytes=max_bytes, cut=is_cut)
        assert found.is_cut or not is_cut
        if found.body is not None:
            found.body.decode()
            assert len(found.body) <= max_bytes


@given(st.text(alphabet="aé€😀 ", max_size=40), st.integers(0, 60))
def test_a_cut_is_between_characters(text: str, at: int) -> None:
    """Wherever the copy ended."""
    raw = text.encode()[:at]
    found = kept(raw, "text/plain", cut=True)
    assert found.body is not None
    assert text.startswith(found.body.decode())


def sse(pieces: list[str], made: Any) -> bytes:
    """A stream of these pieces of text."""
    return b"".join(b"data: " + json.dumps(made(piece)).encode() + b"\n\n" for piece in pieces) + b"data: [DONE]\n\n"


DIALECTS: dict[str, Any] = {
    "openai": lambda text: {"id": "c-1", "choices": [{"index": 0, "delta": {"content": text}}]},
    "openai tool": lambda text: {
        "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}]
    },
    "responses": lambda text: {"type": "response.output_text.delta", "output_index": 0, "delta": text},
    "anthropic": lambda text: {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    },
    "google": lambda text: {"candidates": [{"index": 0, "content": {"parts": [{"text": text}]}}]},
    "ollama": lambda text: {"message": {"role": "assistant", "content": text}, "done": False},
    "unheard of": lambda text: {"outer": [{"inner": {"words": text}}]},
}
SECRETS = ["sk-ant-api03-" + "aB3xY" * 6, "ada@example.com", "4111 1111 1111 1111", "DE89370400440532013000"]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(DIALECTS)), st.sampled_from(SECRETS), st.data())
def test_a_secret_split_over_pieces_is_found(dialect: str, secret: str, data: st.DataObject) -> None:
    """Wherever the vendor cut it, whoever the vendor is; as SSE, as an object a line, as an array."""
    cuts = sorted(data.draw(st.lists(st.integers(1, len(secret) - 1), min_size=1, max_size=4, unique=True)))
    whole = f"so: {secret} ok"
    places = [0, *(4 + cut for cut in cuts), len(whole)]
    pieces = [whole[begins:ends] for begins, ends in pairwise(places)]
    made = DIALECTS[dialect]
    objects = [json.dumps(made(piece)) for piece in pieces]
    streams = [
        (sse(pieces, made), "text/event-stream; charset=utf-8"),
        ("\n".join(objects).encode(), "application/x-ndjson"),
        (("[" + ",\r\n".join(objects) + "]").encode(), "application/json"),
    ]
    for body, kind in streams:
        found = kept(body, kind).body or b""
        assert not any(piece.encode() in found for piece in pieces[1:-1] if len(piece) > 4)
        assert secret[:10].encode() not in found
        assert secret[-8:].encode() not in found
        assert b"so: [" in found
        assert kept(found, kind).body == found


def test_choices_are_not_mixed() -> None:
    """Each index is a running text, wherever in its frame it stands."""
    frames = [
        {"choices": [{"index": at % 2, "delta": {"content": piece}}]}
        for at, piece in enumerate(["ada@exa", "bob@exa", "mple.com", "mple.org"])
    ]
    body = b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)
    found = kept(body, "text/event-stream").body or b""
    assert found.count(b"[email]") == 2
    assert b"mple" not in found


def test_what_is_clean_stays_byte_for_byte() -> None:
    """Spaces, comments, ends of lines."""
    body = b': hi\r\nevent: x\r\ndata: {"a" :  "b"}\r\n\r\ndata: {"a" :  "c"}\r\rdata: [DONE]\n\n'
    assert kept(body, "text/event-stream") == (body, False)


def test_a_cut_stream_does_not_keep_half_a_secret() -> None:
    """Neither in the frame that was cut nor in those before it."""
    body = sse(["my key sk-ant-", "api03-aB3", "xYaB3xYaB3"], DIALECTS["openai"])
    for size in range(60, len(body)):
        found = kept(body[:size], "text/event-stream", cut=True).body or b""
        assert b"sk-" not in found
        assert b"api03" not in found


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", "text/event-stream"])
@pytest.mark.parametrize("begin", ["", "\ufeff", "id: 1\n", "retry: 5\n", ": hello\n\n", "event: x\n", " \n"])
def test_a_stream_is_told_by_how_it_begins(begin: str, content_type: str) -> None:
    """Whatever a proxy says of its type, and whatever field or comment or mark of bytes comes first."""
    pieces = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in ("ada@exa", "mple.com")]
    first, second = map(json.dumps, pieces)
    for text in (f"{begin}data: {first}\n\ndata: {second}\n\n", f"{first}\n{second}\n", f"{first} \r\n\r\n{second}"):
        kept = REDACTOR.body(text.encode(), content_type, "", 10_000, is_cut=False).body or b""
        assert b"ada@" not in kept
        assert b"mple.com" not in kept
        assert pl.Series([text]).str.contains(REDACTOR.body_gate or "").all()
