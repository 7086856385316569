"""Tests of ``sluice.usage.huggingface``: the details of one answer, or of several."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sluice.money.usage import Usage
from sluice.usage.huggingface import usage_of


def details(**members: Any) -> msgspec.Raw:
    """Of one answer."""
    return msgspec.Raw(json.dumps(members).encode())


@pytest.mark.parametrize(
    "given",
    [
        {"generated_tokens": 5, "input_length": 3},
        {"generated_tokens": 5, "prefill": [{"id": 1}, {"id": 2}]},
        {"generated_tokens": 5, "input_length": 3, "best_of_sequences": [{"generated_tokens": 4, "tokens": [1]}, {
            "generated_tokens": 2}]},
    ],
)  # fmt: skip
def test_its_text_reads_as_the_same(given: dict[str, Any]) -> None:
    """What events keep of details counts what they counted, without the tokens themselves."""
    found = usage_of([details(**given)])
    assert found.text is not None
    assert found.usage is not None
    assert usage_of([msgspec.Raw(found.text.encode())]).usage == found.usage
    assert '"id"' not in found.text


def test_all_or_none() -> None:
    """Several answers are one sum; where one says nothing there is none."""
    one = details(generated_tokens=5, input_length=3)
    assert usage_of([one, one]).usage == Usage(6, 10)
    assert usage_of([one, msgspec.Raw(b"null")]).problem == "no_details"
    assert usage_of([one, details(generated_tokens=-1)]).problem == "negative_tokens"
    assert usage_of([msgspec.Raw(b"[]")]).usage is None
