"""Every vendor can be reached over the bridge."""

from __future__ import annotations

import pytest

from gateway.bridge.passing import Passing
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import VENDORS, dialect_of


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_a_translator(vendor: str) -> None:
    """One for all exchanges; it takes chat at least, and never models. Who speaks OpenAI's dialect is passed on."""
    dialect = dialect_of(vendor)
    translator = translator_of(dialect)
    assert translator is translator_of(dialect)
    assert "chat" in translator.operations
    assert "models" not in translator.operations
    assert isinstance(translator, Passing) == (dialect.family == "openai")
