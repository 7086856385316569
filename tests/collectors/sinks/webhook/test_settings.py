"""What a webhook may be configured as, and that its URL, which may be a key, is not shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.settings import Settings
from collectors.sinks.webhook.settings import WebhookSettings
from sluice.settings import SettingsError, load_settings

GOOD = {"url": "https://hooks.example/T0/secret-path?code=secret"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "url: is required"),
        ({"url": "hooks.example/secret"}, "url: must be an absolute"),
        ({"url": "https://u:secret@hooks.example"}, "url: must not hold credentials"),
        ({**GOOD, "body": "xml"}, "body"),
        ({**GOOD, "max_events": 0}, "max_events"),
        ({**GOOD, "max_bytes": "1 PB"}, "max_bytes"),
        ({**GOOD, "answer": "maybe"}, "answer"),
        ({**GOOD, "previous_signing_secret": "secret"}, "signing_secret"),
        ({**GOOD, "headers": {"Idempotency-Key": "secret"}}, "given by the sink itself"),
        ({**GOOD, "headers": {"X-Sluice-Signature": "secret"}}, "given by the sink itself"),
        ({**GOOD, "headers": {"X": "secret\n"}}, "the value of X"),
        ({**GOOD, "signing_secrt": "secret"}, "did you mean signing_secret"),
    ],
)
def test_bad_config_is_refused_by_key_and_shows_no_secret(
    tmp_path: Path, config: dict[str, Any], expected: str
) -> None:
    """As ``collectors.yaml`` is read: the message has the key and the remedy."""
    path = tmp_path / "collectors.yaml"
    entry = {"name": "w", "path": "sink://webhook", "config": config}
    path.write_text(yaml.safe_dump({"data_collection_plugins": [entry]}))
    with pytest.raises(SettingsError) as caught:
        load_settings(path, Settings)
    assert expected in str(caught.value)
    assert "data_collection_plugins[0].config" in str(caught.value)
    assert "secret" not in str(caught.value).replace("signing_secret", "")


def test_secrets_are_the_newest_first() -> None:
    """And none where none is set."""
    settings = WebhookSettings.model_validate({**GOOD, "signing_secret": "new", "previous_signing_secret": "old"})
    assert settings.secrets() == [b"new", b"old"]
    assert WebhookSettings.model_validate(GOOD).secrets() == []
