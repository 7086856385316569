"""Calls that hold the event loop: what a hook must not do, as its every exchange, and all others, wait meanwhile."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_INSTEAD: dict[str, str] = {
    "time.sleep": "await asyncio.sleep(…)",
    "os.system": "await asyncio.create_subprocess_exec(…)",
    "os.popen": "await asyncio.create_subprocess_exec(…)",
    "input": "nothing: a plugin has no terminal",
    "open": "read files in initialize, or in asyncio.to_thread(…)",
}
_INSTEAD_OF_MODULE: dict[str, str] = {
    "requests": "await ctx.services.http.get(…)",
    "urllib.request": "await ctx.services.http.get(…)",
    "http.client": "await ctx.services.http.get(…)",
    "subprocess": "await asyncio.create_subprocess_exec(…)",
    "socket": "asyncio's streams, or ctx.services.http",
    "sqlite3": "ctx.services.kv, or asyncio.to_thread(…)",
    "psycopg2": "an asynchronous driver, or asyncio.to_thread(…)",
    "pymysql": "an asynchronous driver, or asyncio.to_thread(…)",
    "redis": "redis.asyncio",
    "smtplib": "asyncio.to_thread(…)",
}
_HARMLESS = frozenset(("socket.gethostname", "redis.asyncio", "subprocess.PIPE", "subprocess.DEVNULL"))
_LIFE = frozenset(("initialize", "shutdown", "on_session_ready", "on_session_closing"))
"""Where a file may be read: once, and no exchange waits for it long."""
_HTTPX_BLOCKING = frozenset(("get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "Client"))


@dataclass(frozen=True, slots=True)
class BlockingCall:
    """One place in the source."""

    line: int
    function: str
    call: str
    instead: str


def blocking_calls(source: str) -> list[BlockingCall]:
    """Those within ``async def`` of this source, in order. Raises SyntaxError. Calls by other ways are not seen."""
    tree = ast.parse(source)
    names = _imported_names(tree)
    found: list[BlockingCall] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            found += _in_function(node, names)
    return sorted(found, key=lambda call: call.line)


def _in_function(function: ast.AsyncFunctionDef, names: dict[str, str]) -> Iterator[BlockingCall]:
    for node in _own_nodes(function):
        if isinstance(node, ast.Call):
            name = _dotted(node.func, names)
            instead = _instead_of(name)
            if instead and not (name == "open" and function.name in _LIFE):
                yield BlockingCall(node.lineno, function.name, name, instead)


def _own_nodes(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What runs in the function itself: not what it only defines."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What a name in this file stands for: ``from time import sleep as nap`` makes ``nap`` ``time.sleep``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _instead_of(name: str) -> str:
    if not name or name in _HARMLESS:
        return ""
    if name in _INSTEAD:
        return _INSTEAD[name]
    module, _, member = name.rpartition(".")
    if module == "httpx" and member in _HTTPX_BLOCKING:
        return "await ctx.services.http.get(…)"
    for blocking, instead in _INSTEAD_OF_MODULE.items():
        is_within = name == blocking or name.startswith(f"{blocking}.")
        if is_within and not any(name == each or name.startswith(f"{each}.") for each in _HARMLESS):
            return instead
    return ""
