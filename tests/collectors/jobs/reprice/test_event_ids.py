"""Tests of ``collectors.jobs.reprice.event_ids``: one id for one exchange and version."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collectors.frames import EVENT_ID_PATTERN
from collectors.jobs.interface import UsageError
from collectors.jobs.reprice.event_ids import correction_id, version_in_ids
from schemas.ids import exchange_id_of, new_exchange_id

VERSIONS = st.text(min_size=1, max_size=13)


@given(VERSIONS, VERSIONS)
def test_every_version_has_ids_of_its_own(one: str, other: str) -> None:
    """Whatever is in it: an id that sinks take, of that exchange, and no other version's."""
    exchange_id = new_exchange_id()
    event_id = correction_id(exchange_id, version_in_ids(one))
    assert re.fullmatch(EVENT_ID_PATTERN, event_id)
    assert exchange_id_of(event_id) == exchange_id
    assume(one != other)
    assert event_id != correction_id(exchange_id, version_in_ids(other))


@pytest.mark.parametrize("version", ["", "v" * 161, "é" * 40])
def test_what_does_not_fit_is_refused(version: str) -> None:
    """An id that was cut would be another version's."""
    with pytest.raises(UsageError, match="--price-version"):
        version_in_ids(version)
