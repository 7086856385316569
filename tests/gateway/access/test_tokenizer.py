"""The tokenizer: known counts, models by their documented names, and nothing without the library."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import tokenizer
from gateway.access.tokenizer import Count, counter_of

KNOWN = [
    ("tiktoken is great!", 6, 6),
    ("antidisestablishmentarianism", 6, 6),
    ("2 + 2 = 4", 7, 7),
    ("お誕生日おめでとう", 9, 8),
    ("hello world", 2, 2),
    ("", 0, 0),
]
"""Texts and their tokens in cl100k_base and o200k_base, from the vendor's cookbook."""


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """What is loaded for one test is not for the next."""
    tokenizer._load.cache_clear()
    yield
    tokenizer._load.cache_clear()


def counter(model: str) -> Count:
    """Of a model; the library is part of the development environment."""
    count = counter_of(model)
    assert count is not None, "install the extra: tokenizer"
    return count


@pytest.mark.parametrize(("text", "old", "new"), KNOWN)
def test_known_texts_have_their_known_counts(text: str, old: int, new: int) -> None:
    """As the vendor's own library counts them."""
    assert counter("gpt-4")(text) == old
    assert counter("gpt-4o")(text) == new


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
def test_special_tokens_are_text(text: str) -> None:
    """Or a prompt that writes them would be counted as one token and charged as six."""
    assert counter("gpt-4o")(text) > 1


@pytest.mark.parametrize(
    "model",
    ["gpt-4o", "gpt-4o-mini", "gpt-4o-2024-08-06", "gpt-4.1", "gpt-4.1-nano", "gpt-4.5-preview", "gpt-5", "gpt-5-mini",
     "gpt-5.1", "chatgpt-4o-latest", "o1", "o1-mini", "o3", "o3-mini-2025-01-31", "o4-mini", "ft:gpt-4o:org::id"],
)  # fmt: skip
def test_newer_models_have_the_larger_vocabulary(model: str) -> None:
    """The Japanese text tells them apart."""
    assert counter(model)("お誕生日おめでとう") == 8


@pytest.mark.parametrize(
    "model",
    ["gpt-4", "gpt-4-turbo", "gpt-4-0613", "gpt-4-32k", "gpt-3.5-turbo", "gpt-3.5-turbo-0125", "gpt-35-turbo",
     "ft:gpt-3.5-turbo:org::id", "text-embedding-3-small", "text-embedding-ada-002", "davinci-002"],
)  # fmt: skip
def test_older_models_have_the_smaller_one(model: str) -> None:
    """And embeddings."""
    assert counter(model)("お誕生日おめでとう") == 9


@pytest.mark.parametrize(
    "model",
    [None, "", "llama3", "claude-sonnet-4", "gpt-6", "gpt-40", "o2", "o11", "my-gpt-4o", "gpt-4\n", "text-davinci-003"],
)
def test_other_models_have_none(model: str | None) -> None:
    """A vocabulary that is not the model's would be a guess, and no bound."""
    assert counter_of(model) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    """So bytes are a bound for every byte-level vocabulary."""
    size = len(text.encode("utf-8"))
    assert counter("gpt-4o")(text) <= size
    assert counter("gpt-4")(text) <= size


def test_threads_may_count_at_the_same_time() -> None:
    """All find the same."""
    count, text, found = counter("gpt-4o"), KNOWN[3][0] * 200, []
    threads = [threading.Thread(target=lambda: found.append([count(text) for _ in range(20)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {tokens for row in found for tokens in row} == {count(text)}
    assert len(found) == len(threads)


@pytest.mark.usefixtures("_forgotten")
def test_without_the_library_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an optional extra; the log says once what to install."""
    monkeypatch.setitem(sys.modules, "rs_bpe.bpe", None)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert counter_of("gpt-4o") is None
    assert [log["event"] for log in logs] == ["input is counted by bytes"]
    assert "sluice-gateway[tokenizer]" in logs[0]["remedy"]


@pytest.mark.usefixtures("_forgotten")
def test_the_library_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a tenth of a second."""
    loaded: list[str] = []
    real = importlib.import_module

    def load(name: str) -> object:
        loaded.append(name)
        return real(name)

    monkeypatch.setattr("gateway.access.tokenizer.importlib.import_module", load)
    assert counter_of("gpt-4o") is counter_of("gpt-4o-mini") is not None
    assert loaded == ["rs_bpe.bpe"]
