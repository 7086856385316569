"""Everything the control database keeps of what is managed: entities, their changes, the audit, idempotency keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import bindparam, delete, select, update

from gateway.control.audit import AuditEntry, read_entries, write_note
from gateway.control.database import ControlDatabase
from gateway.control.entities import (
    Actor,
    AppEntity,
    Attachment,
    Changes,
    Entities,
    LlmEntity,
    LlmLink,
    Page,
    PluginEntity,
)
from gateway.control.errors import NotFoundError
from gateway.control.file_rows import apply_file
from gateway.control.idempotency import Idempotency
from gateway.control.reading import MAX_ID, glance_at_generation, read_all, read_changes, read_entities, read_generation
from gateway.control.repository import Repository, check_page
from gateway.control.rows import decrypt_secret, encrypt_secret
from gateway.control.specs import APP, LLM, PLUGIN, PRICE, SPECS, TOKEN, EntityT, Spec
from gateway.control.tables import CHANGES, LLMS, TOKENS
from gateway.control.transaction import Transaction
from sluice.clock import now_micros
from sluice.secrets import SecretBox

_COMMAND = Actor("command")

KEPT_CHANGES = 100_000
"""Generations that a gateway may be behind before it loads everything."""


class ControlStore:
    """The contract between what manages and what it is kept in. Its database is migrated by whoever made it.

    ``on_change`` is called with the new generation after each commit that changed an entity.
    """

    def __init__(
        self, database: ControlDatabase, box: SecretBox, on_change: Callable[[int], None] | None = None
    ) -> None:
        self.database = database
        self.on_change = on_change
        self.idempotency = Idempotency(database)
        self._box = box
        self.llms = self._repository(LLM)
        self.apps = self._repository(APP)
        self.tokens = self._repository(TOKEN)
        self.prices = self._repository(PRICE)
        self.plugins = self._repository(PLUGIN)

    async def load(self) -> Entities:
        """Everything, of one generation. Raises SecretError where a vendor key cannot be decrypted."""
        async with self.database.read() as connection:
            return await read_all(connection, self._box)

    async def load_in_parts(self) -> AsyncGenerator[Changes, None]:
        """As ``load``, a kind at a time and of one generation: of many entities only one kind is in memory at once."""
        async with self.database.read() as connection:
            generation = await read_generation(connection)
            for spec in SPECS.values():
                found = {spec.plural: await read_entities(connection, spec, self._box)}
                yield Changes(generation=generation, **found)

    async def changes_since(self, generation: int) -> Changes | None:
        """What changed since a generation; ``None``: nothing. Raises ChangesLostError: load everything."""
        if await glance_at_generation(self.database) == generation:  # nearly always
            return None
        async with self.database.read() as connection:
            return await read_changes(connection, self._box, generation)

    async def generation(self) -> int:
        """The number of the last change; 0 before the first."""
        async with self.database.read() as connection:
            return await read_generation(connection)

    async def set_attachments(self, llm_id: int, attachments: Sequence[Attachment], actor: Actor) -> LlmEntity:
        """The LLM with these plugins, in this order. Raises as ``Repository.update``."""
        return await self.llms.update(llm_id, {"attachments": tuple(attachments)}, actor)

    async def set_llm_links(self, app_id: int, links: Sequence[LlmLink], actor: Actor) -> AppEntity:
        """The app with these LLMs. Raises as ``Repository.update``."""
        return await self.apps.update(app_id, {"llms": tuple(links)}, actor)

    async def renew_plugin(self, plugin_id: int, actor: Actor) -> PluginEntity:
        """The plugin in its next version, with which every worker loads it anew; of the file's too. NotFoundError."""
        async with self._begin(actor) as transaction:
            before = (await transaction.read(PLUGIN, [plugin_id])).get(plugin_id)
            if before is None:
                raise NotFoundError(PLUGIN.kind, plugin_id)
            at = max(transaction.now, before.updated_at)
            after = replace(before, version=before.version + 1, updated_at=at)
            await transaction.update(PLUGIN, before, after)
            return after

    async def audit_entries(
        self, page: int = 1, limit: int = 20, kind: str | None = None, entity_id: int | None = None
    ) -> Page[AuditEntry]:
        """A page of the audit, the newest entry first."""
        check_page(page, limit)
        if entity_id is not None and abs(entity_id) > MAX_ID:
            return Page([], 0)
        async with self.database.read() as connection:
            return await read_entries(connection, page, limit, kind, entity_id)

    async def touch_tokens(self, used: Mapping[int, int]) -> None:
        """When tokens (by id) were used last, in micros; an older moment changes nothing. No change, no audit."""
        if not used:
            return
        last, at = TOKENS.c.last_used_at, bindparam("at", type_=TOKENS.c.last_used_at.type)
        is_later = last.is_(None) | (last < at)
        statement = update(TOKENS).where(TOKENS.c.id == bindparam("used_id"), is_later).values(last_used_at=at)
        async with self.database.write() as connection:
            await connection.execute(statement, [{"used_id": token, "at": moment} for token, moment in used.items()])

    async def apply_file(self, entities: Entities, sha256: str) -> bool:
        """Make what the file manages equal to ``entities``, unless it was made equal to the same file before.

        Ids of LLMs, apps and plugins are the file's. Those of tokens and prices only tell them apart: the token of
        the same SHA-256, the price of the same key keeps the id it has, a new one gets its own. Returns whether
        anything was done; of several gateways that start at once one does it. Raises FileConflictError, InvalidError.
        """
        async with self._begin(Actor("file")) as transaction:
            return await apply_file(transaction, entities, sha256)

    async def reencrypt(self, new_box: SecretBox, actor: Actor = _COMMAND) -> int:
        """Encrypt every vendor key with the new box's newest key, and use that box; how many there were.

        What is kept is the same, so there are no changes; the audit has one entry. Raises SecretError.
        """
        key = LLMS.c.api_key_encrypted
        async with self.database.write() as connection:
            rows = (await connection.execute(select(LLMS.c.id, key).where(key != b""))).all()
            for llm_id, encrypted in rows:
                text = decrypt_secret(LLM, "api_key", llm_id, encrypted, self._box)
                again = encrypt_secret(LLM, "api_key", llm_id, text, new_box)
                await connection.execute(update(LLMS).where(LLMS.c.id == llm_id).values(api_key_encrypted=again))
            await write_note(connection, actor, now_micros(), "reencrypt", LLM.kind, {"llms": len(rows)})
        self._box = new_box
        return len(rows)

    async def prune(self) -> None:
        """Forget changes that are older than ``KEPT_CHANGES`` generations."""
        async with self.database.write() as connection:
            newest = await read_generation(connection)
            await connection.execute(delete(CHANGES).where(CHANGES.c.generation <= newest - KEPT_CHANGES))

    @asynccontextmanager
    async def _begin(self, actor: Actor) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            transaction = Transaction(connection, self._box, actor, now_micros())
            yield transaction
            generation = await transaction.finish()
        if generation and self.on_change is not None:
            self.on_change(generation)

    def _repository(self, spec: Spec[EntityT]) -> Repository[EntityT]:
        return Repository(spec, self.database, self._begin, lambda: self._box)
