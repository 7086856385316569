"""Mapped words: what is stored is in the file, for everybody at once, within 64 bits."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gateway.access.mapped_words import WORD_BYTES, MappedWords


def test_words_are_shared_and_kept(tmp_path: Path) -> None:
    """By every mapping of the file, and by the file."""
    one, other = MappedWords(tmp_path / "words", 8), MappedWords(tmp_path / "words", 8)
    one.words[3] = -5
    assert other.words[3] == -5
    for words in (one, other):
        words.close()
    raw = (tmp_path / "words").read_bytes()
    assert struct.unpack_from("=q", raw, 3 * WORD_BYTES) == (-5,)


def test_a_file_grows_to_what_is_asked_for_and_never_shrinks(tmp_path: Path) -> None:
    """Sparse: it takes the disk of what was allocated."""
    large = MappedWords(tmp_path / "words", 1 << 20)
    small = MappedWords(tmp_path / "words", 8)
    status = (tmp_path / "words").stat()
    assert status.st_size == (1 << 20) * WORD_BYTES
    assert status.st_blocks == 0
    large.allocate(0, 512)
    assert 0 < (tmp_path / "words").stat().st_blocks * 512 < 1 << 20
    assert large.words[(1 << 20) - 1] == 0
    large.close()
    small.close()


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_what_does_not_fit_is_refused(tmp_path: Path, value: int) -> None:
    """The word stays as it was."""
    words = MappedWords(tmp_path / "words", 8)
    with pytest.raises(ValueError, match="invalid value"):
        words.words[0] = value
    assert words.words[0] == 0
    words.close()
