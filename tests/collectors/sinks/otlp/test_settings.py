"""What is refused before anything is exported."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.sinks.otlp.settings import OtlpSettings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"endpoint": "localhost:4317"}, "endpoint: must be an absolute"),
        ({"endpoint": "http://u:hidden@localhost:4318"}, "endpoint: must not hold credentials"),
        ({"endpoint": "http://localhost:4318/v1/logs"}, "endpoint: must end before"),
        ({"endpoint": "http://localhost:4318/x?k=hidden"}, "endpoint: must not have a query"),
        ({"encoding": "thrift"}, "encoding"),
        ({"max_events": 0}, "max_events"),
        ({"service_name": ""}, "service_name"),
        ({"resource_attributes": {"service.name": "x"}}, "resource_attributes"),
        ({"resource_attributes": {"Not A Key": "x"}}, "resource_attributes"),
        ({"metric_dimensions": ["request_id"]}, "metric_dimensions"),
        ({"include_body": True}, "include_body"),
    ],
)
def test_bad_settings_name_their_key(settings: dict[str, Any], expected: str) -> None:
    """Each by its own; no secret is in the message."""
    with pytest.raises(ValidationError, match=expected) as caught:
        OtlpSettings.model_validate(settings)
    assert "hidden" not in " ".join(error["msg"] for error in caught.value.errors())


def test_prompts_stay_where_they_are() -> None:
    """As the conventions ask: their content goes out only where somebody says so."""
    assert (OtlpSettings().include_bodies, OtlpSettings().include_headers) == (False, False)
