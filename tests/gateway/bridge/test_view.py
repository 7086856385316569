"""An LLM as clients of the bridge see it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from gateway.bridge.view import BridgeDialect, bridged
from gateway.snapshot import Chains
from gateway.upstreams.vendors.registry import VENDORS, dialect_of
from tests.gateway.test_exchange import a_snapshot


def test_all_but_the_dialect_stays() -> None:
    """Also of its apps' own views; and the vendor's own dialect is known."""
    _, llm = a_snapshot()
    own = replace(llm, chains=Chains(stream_refused_by="x"), bridged=None)
    llm = replace(llm, dialect=dialect_of("anthropic"), by_app={7: own})
    view = bridged(llm)
    for field in fields(llm):
        if field.name not in {"dialect", "spoken", "bridged", "by_app"}:
            assert getattr(view, field.name) == getattr(llm, field.name)
    assert (view.spoken, view.dialect.family) == (llm.dialect, "openai")
    assert view.by_app[7].chains == own.chains
    assert isinstance(view.by_app[7].dialect, BridgeDialect)


def test_every_llm_of_a_snapshot_has_its_view() -> None:
    """Made once, with the snapshot: nobody pays for it on the way."""
    snapshot, _ = a_snapshot()
    assert all(llm.bridged is not None and llm.bridged.spoken is llm.dialect for llm in snapshot.llms_by_id.values())


@pytest.mark.parametrize("vendor", VENDORS)
def test_clients_prove_themselves_as_openais_do(vendor: str) -> None:
    """A bearer token, or a key in ``x-api-key``, whatever the vendor's own SDK sends; the token is preferred."""
    dialect = BridgeDialect(dialect_of(vendor))
    assert dialect.name == vendor
    assert dialect.credential([(b"x-api-key", b"k"), (b"authorization", b"Bearer t")]) == "t"
    assert dialect.credential([(b"x-api-key", b"k")]) == "k"
    assert dialect.presented([(b"x-api-key", b"k")]) == ("k", "api_key")
    assert dialect.presented([(b"x-api-key", b"k"), (b"authorization", b"Bearer t")]) == ("t", "bearer")
    assert dialect.presented([(b"authorization", b"Basic t")]) == ("", "")
    assert dialect.credential([(b"authorization", b"Basic t")]) is None


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_maximum_is_written_as_the_vendor_reads_it(vendor: str) -> None:
    """Usage is asked for by who is asked, not here."""
    dialect = BridgeDialect(dialect_of(vendor))
    body = dialect.with_maximum(b'{"model":"m"}', "/v1/chat/completions", 9)
    translated = ("openai", "azure", "anthropic", "google_ai", "vertex", "bedrock", "ollama")
    name = "max_completion_tokens" if vendor in translated else "max_tokens"
    assert json.loads(body or b"") == {"model": "m", name: 9}
    assert dialect.with_usage(b'{"stream":true}', "/v1/chat/completions") is None
