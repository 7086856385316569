"""A ClickHouse as far as our sink uses one, over real HTTP: tables, tokens, and its exceptions in their own form.

What it cannot do is parse rows as the real one does: ``test_chdb.py`` has that, on the real engine.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import orjson

from tests.collectors.sinks.scripted_http import Reply, Request, ScriptedHttp

_NAME = re.compile(r"`(\w+)`")


def exception(code: int, name: str, text: str, status: int = 500) -> Reply:
    """As the server's HTTP interface shows one."""
    body = f"Code: {code}. DB::Exception: {text}. ({name}) (version 25.8.1.1 (official build))\n".encode()
    return Reply(status, body, {"X-ClickHouse-Exception-Code": str(code)})


class ClickHouseFront(ScriptedHttp):
    """Rows by table; a block whose token is known changes nothing; a block with one of ``refused`` fails whole."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, set[str]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.tokens: set[tuple[str, str]] = set()
        self.refused: set[str] = set()
        self.databases = {"default"}

    async def behave(self, request: Request) -> Reply:
        query = request.query.get("query")
        statement = query if query is not None else request.body.decode()
        if statement == "SELECT 1":
            return Reply(200, b"1\n")
        if statement.startswith("SELECT name FROM system.columns"):
            columns = self.tables.get(request.query["param_table"], set())
            return Reply(200, "".join(f"{name}\n" for name in sorted(columns)).encode())
        return self._change(statement, request)

    def _change(self, statement: str, request: Request) -> Reply:
        database, table = _NAME.findall(statement)[:2]
        if database not in self.databases:
            return exception(81, "UNKNOWN_DATABASE", f"Database {database} does not exist", 404)
        if statement.startswith("CREATE TABLE IF NOT EXISTS"):
            self.tables.setdefault(table, set(re.findall(r"^ +`(\w+)` ", statement, re.MULTILINE)))
            return Reply()
        if table not in self.tables:
            return exception(60, "UNKNOWN_TABLE", f"Table {database}.{table} does not exist", 404)
        if statement.startswith("ALTER TABLE"):
            self.tables[table] |= set(re.findall(r"IF NOT EXISTS `(\w+)`", statement))
            return Reply()
        return self._insert(table, request)

    def _insert(self, table: str, request: Request) -> Reply:
        rows = [orjson.loads(line) for line in request.body.splitlines()]
        for number, row in enumerate(rows, 1):
            if strange := set(row) - self.tables[table]:
                return exception(117, "INCORRECT_DATA", f"Unknown field found while parsing: {strange}", 400)
            if row["event_id"] in self.refused:
                text = f"Cannot parse input: expected '\"' before: '{row['request_id']}': (at row {number})\n"
                return exception(27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", text, 400)
        token = (table, request.query["insert_deduplication_token"])
        if token not in self.tokens:
            self.tokens.add(token)
            self.rows.setdefault(table, []).extend(rows)
        return Reply()

    def ids(self) -> Counter[str]:
        return Counter(row["event_id"] for rows in self.rows.values() for row in rows)

    def inserts(self) -> list[Request]:
        """Every INSERT, in order."""
        return [request for request in self.requests if request.query.get("query", "").startswith("INSERT")]
