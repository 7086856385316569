"""Tests of ``gateway.upstreams.vendors.openai.request``: what a request asks, our edits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.openai import OpenAi

CHAT = "/v1/chat/completions"
DIALECT = OpenAi()


def ask(body: bytes, path: str = CHAT) -> Asked:
    """What a body asks."""
    return DIALECT.ask(body, path)


def test_the_fields_that_matter_are_read() -> None:
    """Model, stream, usage, maximum and choices; everything else is skipped unseen."""
    body = (
        b'{"messages":[{"role":"user","content":"\xc3\xa9 \\"model\\""}],"model":"gpt-4o","stream":true,'
        b'"stream_options":{"include_usage":true,"include_obfuscation":false},"max_tokens":7,"n":3,"seed":1e999}'
    )
    with pytest.raises(ValueError, match="out of range"):
        ask(body.replace(b'"n":3', b'"n":1e999'))
    assert ask(body) == Asked("gpt-4o", is_stream=True, wants_usage=True, max_response_tokens=7, choices=3)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/batches/batch_1/cancel",
        "/v1/responses/resp_1/cancel",
        "/fine_tuning/jobs/ftjob-1/cancel",
        "/v1/threads/thread_1/runs/run_1/cancel",
        "/v1/uploads/upload_1/cancel",
        "/v1/responses/input_tokens",
    ],
)
def test_counting_and_cancelling_are_free(path: str) -> None:
    """Whatever their body; nothing is generated."""
    assert ask(b"", path) == Asked(wants_usage=True, max_response_tokens=0, is_free=True)
    found = ask(b'{"model":"gpt-4o","input":"x"}', path)
    assert (found.model, found.is_free, found.max_response_tokens) == ("gpt-4o", True, 0)


@pytest.mark.parametrize("path", [CHAT, "/v1/cancel", "/v1/x/cancel", "/v1/input_tokens", "/v1/batches/a/b/cancel"])
def test_nothing_else_is_free(path: str) -> None:
    """Not what only ends alike."""
    assert not ask(b'{"model":"gpt-4o"}', path).is_free


def test_models_of_routers_and_of_tools_are_further_ones() -> None:
    """OpenRouter's list, a tool that draws."""
    body = b'{"model":"m","models":["m","a"],"tools":[{"type":"image_generation","model":"gpt-image-1"}]}'
    assert ask(body, "/v1/responses").further_models == ("gpt-image-1", "a")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"model":null,"stream":null,"stream_options":null,"n":null}', b' { "x" : 1 }\n']
)
def test_absent_and_null_are_the_same(body: bytes) -> None:
    """What is not said is not asked."""
    assert ask(body) == Asked()


@pytest.mark.parametrize("body", [b"", b"--form\r\n", b"[1]", b"null"])
def test_bodies_elsewhere_need_not_be_json(body: bytes) -> None:
    """A path that takes forms or files is none of the dialect's business."""
    assert ask(body, "/v1/audio/transcriptions") == Asked()


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings", "/v1/responses", "/chat/completions?x=y"])
@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[1]",
        b"null",
        b'{"model":"a"',
        b'{"model":"a"} x',
        b'{"model":5}',
        b'{"model":["a"]}',
        b'{"stream":"true"}',
        b'{"stream":1}',
        b'{"stream_options":[]}',
        b'{"stream_options":{"include_usage":"yes"}}',
        b'{"max_tokens":"7"}',
        b'{"max_tokens":7.5}',
        b'{"max_tokens":true}',
        b'{"n":"2"}',
        b'{"n":NaN}',
        b"{'model':'a'}",
        b'\xef\xbb\xbf{"model":"a"}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_garbage_and_wrong_types_are_value_errors(path: str, body: bytes) -> None:
    """A body that is not what its path wants is refused with a reason, and never anything but a ``ValueError``."""
    with pytest.raises(ValueError, match=r"."):
        ask(body, path)


@pytest.mark.parametrize("body", [b'{"model":5}', b'{"model":"a"'])
def test_what_begins_like_json_must_be_json_everywhere(body: bytes) -> None:
    """Otherwise a broken body on an unknown path would hide its model."""
    with pytest.raises(ValueError, match=r"."):
        ask(body, "/v1/images/generations")


@given(st.binary(max_size=60))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever the bytes: an answer or a ``ValueError``."""
    for path in (CHAT, "/v1/files"):
        try:
            assert isinstance(ask(body, path), Asked)
        except ValueError:
            continue


def test_of_repeated_names_the_last_counts() -> None:
    """As it does for every common parser, the vendor's too; escapes in names do not hide them."""
    assert ask(b'{"model":"cheap","model":"dear"}').model == "dear"
    assert ask(b'{"model":"cheap","mod\\u0065l":"dear"}').model == "dear"


@pytest.mark.parametrize(
    ("body", "maximum"),
    [
        (b'{"max_tokens":0}', 0),
        (b'{"max_tokens":-1}', None),
        (b'{"max_completion_tokens":5,"max_tokens":9}', 9),
        (b'{"max_output_tokens":1,"max_tokens":9}', 9),
        (b'{"max_completion_tokens":-1,"max_tokens":9}', None),
        (b'{"max_output_tokens":6}', 6),
        (b'{"max_tokens":null,"max_completion_tokens":null}', None),
        (b'{"max_tokens":' + b"9" * 40 + b"}", (1 << 31) - 1),
    ],
)
def test_maximum_response_tokens(body: bytes, maximum: int | None) -> None:
    """The largest counts, since servers differ in which name they heed; a negative number is no maximum; a huge one
    stays within what can be reserved."""
    assert ask(body).max_response_tokens == maximum


@pytest.mark.parametrize(("n", "choices"), [(b"0", 1), (b"-3", 1), (b"1", 1), (b"128", 128), (b"9" * 40, 1 << 15)])
def test_choices_are_at_least_one_and_bounded(n: bytes, choices: int) -> None:
    """So that a reservation is never zero nor negative, and an event can hold it."""
    assert ask(b'{"n":' + n + b"}").choices == choices


def test_an_empty_model_is_none() -> None:
    """An empty name is filled in like a missing one."""
    assert ask(b'{"model":""}').model is None


@pytest.mark.parametrize(
    ("path", "wants"),
    [(CHAT, False), ("/v1/completions", False), ("/v1/responses", True), ("/v1/images/generations", True)],
)
def test_usage_is_asked_for_where_it_can_be(path: str, wants: bool) -> None:
    """Only chat and completions know ``stream_options``; elsewhere usage comes by itself, or never."""
    assert ask(b'{"stream":true}', path).wants_usage is wants


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"stream":true}', b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (b" {\n} ", b' {\n"stream_options":{"include_usage":true}} '),
        (
            b'{"stream_options" : {"include_obfuscation": false} , "big":12345678901234567890123, "f":1.0}',
            b'{"stream_options" : {"include_obfuscation":false,"include_usage":true} , "big":12345678901234567890123, "f":1.0}',  # noqa: E501
        ),
        (b'{"stream_options":null,"x":"\\u00e9"}', b'{"stream_options":{"include_usage":true},"x":"\\u00e9"}'),
        (b'{"stream_options":{"include_usage":false}}', b'{"stream_options":{"include_usage":true}}'),
        (
            b'{"tools":[{"stream_options":1}]}',
            b'{"tools":[{"stream_options":1}],"stream_options":{"include_usage":true}}',
        ),
    ],
)
def test_asking_for_usage_touches_no_other_byte(body: bytes, edited: bytes) -> None:
    """Numbers, spacing, escapes and order outside the stream options stay as the client wrote them."""
    assert DIALECT.with_usage(body, CHAT) == edited
    assert ask(edited).wants_usage


def test_a_client_cannot_hide_from_usage() -> None:
    """Stream options under an escaped name are overruled too."""
    edited = DIALECT.with_usage(b'{"stream_option\\u0073":{"include_usage":false},"stream":true}', CHAT)
    assert edited is not None
    assert json.loads(edited)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{ "a":1.00 }', b'{ "a":1.00 ,"model":"m\\"1"}'),
        (b'{"model":null,"a":1.00}', b'{"model":"m\\"1","a":1.00}'),
        (b'{"a":{"model":"x"},"model": "" }', b'{"a":{"model":"x"},"model": "m\\"1" }'),
        (b"--form", b"--form"),
        (b"", b""),
    ],
)
def test_filling_in_a_model_touches_no_other_byte(body: bytes, edited: bytes) -> None:
    """A missing or empty model is filled in; a body that is no object stays as it is."""
    assert DIALECT.with_model(body, CHAT, 'm"1') == (edited, CHAT)
    if edited.startswith(b"{"):
        assert ask(edited).model == 'm"1'


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/chat/completions", "max_completion_tokens"),
        ("/v1/chat/completions", "max_completion_tokens"),
        ("/v1/completions/", "max_tokens"),
        ("/responses", "max_output_tokens"),
        ("/embeddings", None),
        ("/responses/input_tokens", None),
        ("/my-completions", None),
    ],
)
def test_a_maximum_has_the_name_it_has_there(path: str, name: str | None) -> None:
    """Added as a member of its own; nothing where a path has none, or a body is no object."""
    body = b'{"model":"gpt-4o" }'
    edited = DIALECT.with_maximum(body, path, 77)
    assert edited == (None if name is None else b'{"model":"gpt-4o" ,"%s":77}' % name.encode())
    assert DIALECT.with_maximum(b"--form", path, 77) is None
    if edited is not None:
        assert DIALECT.ask(edited, path).max_response_tokens == 77


def form(**fields: str) -> bytes:
    """An upload with these fields behind a file whose bytes try to be fields."""
    lie = b'\r\n--other\r\nContent-Disposition: form-data; name="model"\r\n\r\nlie\r\n'
    parts = [b'--b1\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n' + lie + b"\r\n"]
    for name, value in fields.items():
        parts.append(f'--b1\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    return b"".join(parts) + b"--b1--\r\n"


def test_an_upload_names_its_model_in_its_form() -> None:
    """So that neither allow-lists nor prices are passed by; usage needs no asking there."""
    path = "/v1/audio/transcriptions"
    asked = ask(form(model="gpt-4o-transcribe", stream="true", n="2"), path)
    assert asked == Asked("gpt-4o-transcribe", is_stream=True, wants_usage=True, choices=2)
    assert ask(form(prompt="x"), path) == Asked()
    assert ask(form(model="m", n="many"), path).choices == 1
