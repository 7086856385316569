"""What is read of a request."""

from __future__ import annotations

import pytest

from sluice.dev.vendor.asked import MAX_CHOICES
from sluice.dev.vendor.formats.openai import kind_of, read_body


def test_the_end_of_the_path_decides_whatever_stands_before_it() -> None:
    """A gateway's base path is the operator's; ``/chat/completions`` is not ``/completions``."""
    assert kind_of("/v1/chat/completions") == "chat"
    assert kind_of("/any/base/completions") == "completion"
    assert kind_of("/v1/embeddings") == "embedding"
    assert kind_of("/v1/responses") == "response"
    assert kind_of("/v1/models") is None


def test_usage_is_wanted_in_plain_answers_and_where_a_stream_asks() -> None:
    """The responses API tells it always."""
    assert read_body("chat", b'{"model":"m"}').wants_usage
    assert not read_body("chat", b'{"stream":true}').wants_usage
    assert read_body("chat", b'{"stream":true,"stream_options":{"include_usage":true}}').wants_usage
    assert read_body("response", b'{"stream":true}').wants_usage


@pytest.mark.parametrize(
    ("body", "vectors"),
    [(b'{"input":"a"}', 1), (b'{"input":["a","b"]}', 2), (b'{"input":[1,2,3]}', 1), (b'{"input":[[1],[2]]}', 2)],
)
def test_embeddings_are_one_an_input(body: bytes, vectors: int) -> None:
    """A flat list of tokens is one input; embeddings never stream."""
    asked = read_body("embedding", body)
    assert (asked.choices, asked.is_stream) == (vectors, False)


def test_choices_have_a_bound() -> None:
    """One request cannot make the vendor build without end."""
    assert read_body("chat", b'{"n":1000000}').choices == MAX_CHOICES


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model":1}', b"\xff"])
def test_a_body_that_is_not_what_it_should_be_is_an_error(body: bytes) -> None:
    """The caller answers 400."""
    with pytest.raises(ValueError, match="JSON"):
        read_body("chat", body)
