"""Python of documents: run as it stands, with a network that is not there, and its plugins tried."""

from __future__ import annotations

import ast
import inspect
import socket
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from sluice.sdk import (
    AuthResponse,
    BasePlugin,
    Credential,
    DataCollectionResponse,
    EndpointResponse,
    PluginResponse,
    ResponseWriteResponse,
    StreamCompleteResponse,
    testing,
)
from sluice.settings import environment


class ReachedTheNetwork(BaseException):
    """A block did what it shows, up to its first connection. No ``Exception``, so that no client tries again."""


@contextmanager
def _no_network() -> Iterator[None]:
    def connect(opened: socket.socket, *_: object) -> None:
        opened.close()
        raise ReachedTheNetwork

    kept = socket.socket.connect
    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        socket.socket.connect = kept  # type: ignore[method-assign]


async def run(text: str, name: str, folder: Path) -> dict[str, Any]:
    """What a block defines, once it ran as the module ``name`` beside those of ``folder``; raises what it raises."""
    module = types.ModuleType(name)
    before = set(sys.modules)
    sys.modules[name] = module  # pydantic and dataclasses look for it there
    sys.path.insert(0, str(folder))
    try:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(text, f"{name}.py", "exec", flags=flags, dont_inherit=True)
        with _no_network(), patch.dict(cast("dict[str, str]", environment())):
            found = eval(code, vars(module))  # noqa: S307 - our own documents
            if inspect.iscoroutine(found):
                await found
    except ReachedTheNetwork:
        pass
    finally:
        sys.path.remove(str(folder))
        for each in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[each], "__file__", None)) or each == name:
                del sys.modules[each]
    return vars(module)


def plugins_of(namespace: dict[str, Any]) -> list[type[BasePlugin[Any]]]:
    """The plugins that a block defines, not those it imports."""
    return [
        each
        for each in namespace.values()
        if isinstance(each, type) and issubclass(each, BasePlugin) and each.__module__ == namespace["__name__"]
    ]


async def exercise(plugin: type[BasePlugin[Any]]) -> list[str]:
    """Give one plugin what its methods are given; names those that were called.

    Raises what a method raises, and TypeError for an answer that nobody expects of it.
    """
    instance = testing.make_plugin(plugin)
    called = []
    for method, (given, answers) in _GIVEN.items():
        if method in vars(plugin):
            answer = await getattr(instance, method)(testing.make_context(), given)
            if not isinstance(answer, answers):
                message = f"{plugin.__name__}.{method} answered {answer!r}"
                raise TypeError(message)
            called.append(method)
    return called


_GIVEN: dict[str, tuple[Any, tuple[type, ...]]] = {
    "handle_pre_auth": (testing.make_request(b'{"messages": []}'), (PluginResponse,)),
    "handle_auth": (testing.make_auth_request(), (AuthResponse, Credential, PluginResponse)),
    "handle_post_auth": (testing.make_request(b'{"messages": []}'), (PluginResponse,)),
    "on_before_write_headers": (testing.make_response(b"{}"), (ResponseWriteResponse,)),
    "on_before_write": (testing.make_response(b'{"text": "hello"}'), (ResponseWriteResponse,)),
    "on_stream_complete": (testing.make_stream_complete(b""), (StreamCompleteResponse, type(None))),
    "handle_proxy_log": (testing.make_proxy_log(), (DataCollectionResponse, type(None))),
    "handle_analytics": (testing.make_analytics(), (DataCollectionResponse, type(None))),
    "handle_budget_usage": (testing.make_budget_usage(), (DataCollectionResponse, type(None))),
    "handle_endpoint_request": (testing.make_endpoint_request(), (EndpointResponse,)),
    "accept_edge_payload": (testing.make_edge_payload(), (bool,)),
}
"""Method → what it is given, and what it may answer."""
