"""What jobs are made of fits what the collectors have."""

from __future__ import annotations

from collectors.columns import Decoder
from collectors.jobs.interface import OK, USAGE, WRONG, Origin
from schemas.codec import SchemaBook
from tests.collectors.jobs.bench import origin_of


def test_exit_codes_are_those_of_every_command() -> None:
    """Scripts rely on them."""
    assert (OK, WRONG, USAGE) == (0, 1, 2)


async def test_an_origin_brings_its_decoder() -> None:
    """Which knows the schemas that it is given, as the collectors' own does."""
    origin: Origin = origin_of(3)
    book = SchemaBook()
    decoder = origin.decoder(book)
    assert isinstance(decoder, Decoder)
    assert decoder.book is book
