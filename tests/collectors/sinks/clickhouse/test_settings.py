"""What is refused before ClickHouse is asked anything."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.sinks.clickhouse.settings import ClickHouseSettings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url": "localhost:8123"}, "url: must be an absolute"),
        ({"url": "http://u:hidden@localhost:8123"}, "url: must not hold credentials"),
        ({"url": "http://localhost:8123/?user=hidden"}, "url: must not have a query"),
        ({"database": "a`; DROP TABLE x"}, "database"),
        ({"tables": {"analytics": "a-b"}}, "analytics"),
        ({"tables": {"analytics": "t", "budget": "t"}}, "a table of its own"),
        ({"password": "hidden"}, "needs a username"),
        ({"username": "u", "password": "hidden\r\nx: y"}, "password: must be one line"),
        ({"username": "u\n", "password": "hidden"}, "username"),
        ({"username": "u", "bearer_token": "hidden"}, "bearer_token"),
        ({"headers": {"X-ClickHouse-Key": "hidden"}}, "given by the sink itself"),
        ({"max_block_rows": 0}, "max_block_rows"),
        ({"oldest_days": 0}, "oldest_days"),
        ({"create_table": True}, "create_table"),
    ],
)
def test_bad_settings_name_their_key(settings: dict[str, Any], expected: str) -> None:
    """Each by its own; no secret is in the message."""
    with pytest.raises(ValidationError, match=expected) as caught:
        ClickHouseSettings.model_validate(settings)
    assert "hidden" not in " ".join(error["msg"] for error in caught.value.errors())


def test_the_user_goes_into_headers() -> None:
    """Not into the URL, which servers and proxies log."""
    settings = ClickHouseSettings.model_validate({"username": "u", "password": "hidden"})
    assert settings.sent_headers() == {"x-clickhouse-user": "u", "x-clickhouse-key": "hidden"}
    assert "hidden" not in repr(settings)
    assert ClickHouseSettings().sent_headers() == {}
