"""Tests of ``gateway.upstreams.vendors.registry``: every vendor's name stands for a dialect."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.entity_settings import LlmSettings
from gateway.upstreams.vendors.registry import VENDORS, dialect_of


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_vendor_has_one_dialect(vendor: str) -> None:
    """The same object for all its LLMs, under its own name; and the settings take it."""
    assert dialect_of(vendor) is dialect_of(vendor)
    assert dialect_of(vendor).name == vendor
    assert LlmSettings(id=1, slug="a", vendor=vendor, base_url="http://localhost").vendor == vendor  # type: ignore[arg-type]


@pytest.mark.parametrize("vendor", ["", "OpenAI", "google", "dialect", "../openai"])
def test_other_names_are_none(vendor: str) -> None:
    """The error names those that are known."""
    with pytest.raises(ValueError, match=r"known: openai, azure.*mock"):
        dialect_of(vendor)


def test_a_dialect_is_loaded_when_it_is_needed() -> None:
    """A gateway that calls OpenAI alone does not load the others."""
    code = (
        "import sys; from gateway.upstreams.vendors.registry import dialect_of; dialect_of('openai'); "
        "print([name for name in sys.modules if name.split('.')[-1] in "
        "('anthropic', 'google', 'bedrock', 'ollama', 'huggingface', 'compatible', 'botocore')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
