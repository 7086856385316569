"""Tests of ``schemas.events``: the one definition of the three events."""

from __future__ import annotations

import pytest

from schemas.avro_schema import field_hints
from schemas.events import EVENT_TYPES, KINDS, SUFFIXES, Common, Kind, event_id
from schemas.ids import exchange_id_of
from tests.schemas.samples import EXCHANGE_ID

# The design's own list, written down a second time: a field that disappears must be missed.
COMMON = """event_id sequence exchange_id request_id occurred_at completed_at gateway_id worker boot_id app_id user_id
    llm_id llm_slug vendor outcome trace_id labels"""
OWN: dict[Kind, str] = {
    "proxy_log": """method path model_name is_stream response_code upstream_status request_headers response_headers
        request_body request_body_bytes request_body_truncated request_content_type response_body response_body_bytes
        response_body_truncated response_content_type chunk_count error_kind error_message remote_addr total_micros
        upstream_micros first_byte_micros plugins partial""",
    "analytics": """model_name prompt_tokens response_tokens cache_write_prompt_tokens cache_read_prompt_tokens
        reasoning_tokens total_tokens raw_usage cost_nanos currency price_id price_version cost_status tool_calls
        choices response_code is_stream partial total_micros upstream_micros first_byte_micros attempts""",
    "budget": """kind corrects model_name tokens_used prompt_tokens completion_tokens cost_nanos currency price_version
        requests_count reserved_nanos charges""",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_has_the_common_fields_and_its_own(kind: Kind) -> None:
    """No field of the three events is missing or added without this list saying so."""
    assert list(field_hints(EVENT_TYPES[kind])) == f"{COMMON} {OWN[kind]}".split()


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_documented(kind: Kind) -> None:
    """Every field says what it is: the text goes into the Avro file."""
    assert [name for name, (_, doc) in field_hints(EVENT_TYPES[kind]).items() if not doc] == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_differs_stands_first(kind: Kind) -> None:
    """``event_id`` and ``sequence`` lead, then what all share: the encoder writes the shared part once."""
    names = list(field_hints(EVENT_TYPES[kind]))
    assert names[:2] == ["event_id", "sequence"]
    assert names[2 : 2 + len(field_hints(Common))] == list(field_hints(Common))


def test_an_event_id_is_its_exchange_s_and_says_which_event() -> None:
    """``<exchange_id>-p``, ``-a``, ``-b``; and the exchange is found in it again."""
    ids = {kind: event_id(EXCHANGE_ID, kind) for kind in KINDS}
    assert ids == {kind: EXCHANGE_ID + SUFFIXES[kind] for kind in KINDS}
    assert len(set(ids.values())) == len(KINDS)
    assert {exchange_id_of(text) for text in ids.values()} == {EXCHANGE_ID}
