"""Between rows and entities: what is written is what is read, and secrets belong to their row."""

from __future__ import annotations

import pytest

from gateway.control.entities import AppEntity, Attachment, LlmEntity, LlmLink
from gateway.control.rows import RowReader, decrypt_secret, encrypt_secret, entity_row, link_rows
from gateway.control.specs import APP, LLM
from sluice.secrets import SecretBox, SecretError, new_key

LLM_5 = LlmEntity(id=5, slug="a", name="a", vendor="openai", endpoint="https://host/v1", api_key="sk-1", labels=("x",))


def test_a_row_makes_the_entity_again(box: SecretBox) -> None:
    """An entity's row, read, is the entity."""
    row = entity_row(LLM, LLM_5, box)
    read = RowReader(LLM, box).entity([row[column.name] for column in LLM.columns.values()])
    assert read == LLM_5


def test_a_secret_belongs_to_its_row(box: SecretBox) -> None:
    """A vendor key that is copied to another row, or read with another key, is refused; nothing is nothing."""
    stored = encrypt_secret(LLM, "api_key", 5, "sk-1", box)
    assert decrypt_secret(LLM, "api_key", 5, stored, box) == "sk-1"
    for entity_id, other in ((6, box), (5, SecretBox([new_key()]))):
        with pytest.raises(SecretError) as refused:
            decrypt_secret(LLM, "api_key", entity_id, stored, other)
        assert "sk-1" not in str(refused.value)
    assert encrypt_secret(LLM, "api_key", 5, "", box) == b""
    assert decrypt_secret(LLM, "api_key", 5, b"", box) == ""


def test_links_have_their_owner_and_place() -> None:
    """A link's row has what it links; its place is its index, where order counts."""
    assert LLM.links is not None
    assert APP.links is not None
    attachments = [Attachment(plugin_id=3), Attachment(plugin_id=1)]
    rows = link_rows(LLM.links, 5, attachments)
    assert [(row["llm_id"], row["plugin_id"], row["place"]) for row in rows] == [(5, 3, 0), (5, 1, 1)]
    (row,) = link_rows(APP.links, 7, [LlmLink(llm_id=5)])
    assert row == {"app_id": 7, "llm_id": 5, "monthly_budget_nanos": 0}


def test_equal_parts_are_one_object(box: SecretBox) -> None:
    """What many entities have alike is kept once; what cannot be compared by hash is kept as it is."""
    reader = RowReader(APP, box)
    apps = []
    for number in (1, 2):
        row = entity_row(APP, AppEntity(id=number, name=f"app {number}", allowed_ips=("10.0.0.0/8",)), box)
        row["time_zone"] = f"Europe/{number and 'Paris'}"
        link = reader.link([9, 0])
        apps.append(reader.entity([row[column.name] for column in APP.columns.values()], [link]))
    assert apps[0].time_zone is apps[1].time_zone
    assert apps[0].allowed_ips is apps[1].allowed_ips
    assert apps[0].llms is apps[1].llms
    unhashable = (Attachment(plugin_id=1, config={}),)
    assert reader.share(unhashable) is unhashable
