"""What a new plugin begins as, for each capability: the file, and its test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["pre_auth", "auth", "post_auth", "response", "stream", "collector", "endpoint"]


@dataclass(frozen=True, slots=True)
class Template:
    """``my_plugin`` and ``MyPlugin`` stand for the name."""

    plugin: str
    test: str
    is_attached: bool = True
    """Whether it acts where an LLM names it."""


_PRE_AUTH = '''
"""Refuses requests that are not what this gateway is for."""

from pydantic import BaseModel

from sluice.sdk import BasePlugin, Context, PluginRequest, PluginResponse, PreAuthHandler, serve


class Config(BaseModel):
    methods: list[str] = ["POST"]


class MyPlugin(BasePlugin[Config], PreAuthHandler):
    name = "my_plugin"
    version = "0.1.0"

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        if request.method in self.config.methods:
            return PluginResponse.allow()
        return PluginResponse.block(405, f"only {', '.join(self.config.methods)} is allowed")


if __name__ == "__main__":
    serve(MyPlugin())
'''

_PRE_AUTH_TEST = """
import asyncio

from my_plugin import MyPlugin

from sluice.sdk.testing import make_context, make_plugin, make_request


def test_what_it_is_for_passes() -> None:
    answer = asyncio.run(make_plugin(MyPlugin).handle_pre_auth(make_context(), make_request()))
    assert answer.decision == "allow"


def test_other_methods_are_refused() -> None:
    answer = asyncio.run(make_plugin(MyPlugin).handle_pre_auth(make_context(), make_request(method="DELETE")))
    assert (answer.decision, answer.status_code) == ("block", 405)
"""

_AUTH = '''
"""Proves callers by a token of our own."""

import hmac

from pydantic import BaseModel

from sluice.sdk import AuthHandler, AuthRequest, AuthResponse, BasePlugin, Context, serve


class Config(BaseModel):
    token: str
    app_id: int


class MyPlugin(BasePlugin[Config], AuthHandler):
    name = "my_plugin"
    version = "0.1.0"

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse:
        if not hmac.compare_digest(request.credential.encode(), self.config.token.encode()):
            return AuthResponse.reject("the token is not known")
        return AuthResponse.accept(app_id=self.config.app_id, user_id="me")


if __name__ == "__main__":
    serve(MyPlugin())
'''

_AUTH_TEST = """
import asyncio

from my_plugin import MyPlugin

from sluice.sdk.testing import make_auth_request, make_context, make_plugin


def test_its_token_is_an_app() -> None:
    plugin = make_plugin(MyPlugin, token="right", app_id=7)
    answer = asyncio.run(plugin.handle_auth(make_context(), make_auth_request("right")))
    assert (answer.authenticated, answer.app_id) == (True, 7)


def test_another_token_is_nobody() -> None:
    plugin = make_plugin(MyPlugin, token="right", app_id=7)
    assert not asyncio.run(plugin.handle_auth(make_context(), make_auth_request("wrong"))).authenticated
"""

_POST_AUTH = '''
"""Tells the vendor which app is asking."""

from pydantic import BaseModel

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler, serve


class Config(BaseModel):
    header: str = "x-app-id"


class MyPlugin(BasePlugin[Config], PostAuthHandler):
    name = "my_plugin"
    version = "0.1.0"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(headers=request.headers | {self.config.header: str(ctx.app_id)})


if __name__ == "__main__":
    serve(MyPlugin())
'''

_POST_AUTH_TEST = """
import asyncio

from my_plugin import MyPlugin

from sluice.sdk.testing import make_context, make_plugin, make_request


def test_the_app_is_in_a_header() -> None:
    plugin = make_plugin(MyPlugin, header="x-who")
    answer = asyncio.run(plugin.handle_post_auth(make_context(app_id=7), make_request(app_id=7)))
    assert answer.headers is not None and answer.headers["x-who"] == "7"
"""

_RESPONSE = '''
"""Says in every answer who made it."""

from pydantic import BaseModel

from sluice.sdk import BasePlugin, Context, ResponseHandler, ResponseWriteRequest, ResponseWriteResponse, serve


class Config(BaseModel):
    value: str = "my_plugin"


class MyPlugin(BasePlugin[Config], ResponseHandler):
    name = "my_plugin"
    version = "0.1.0"

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(headers=request.headers | {"x-processed-by": self.config.value})


if __name__ == "__main__":
    serve(MyPlugin())
'''

_RESPONSE_TEST = """
import asyncio

from my_plugin import MyPlugin

from sluice.sdk.testing import make_context, make_plugin, make_response


def test_every_answer_says_it() -> None:
    answer = asyncio.run(make_plugin(MyPlugin, value="us").on_before_write_headers(make_context(), make_response()))
    assert answer.headers is not None and answer.headers["x-processed-by"] == "us"
"""

_STREAM = '''
"""Counts the pieces of streams, and lets them pass."""

from sluice.sdk import BasePlugin, Context, ResponseHandler, ResponseWriteRequest, ResponseWriteResponse, serve


class MyPlugin(BasePlugin, ResponseHandler):
    name = "my_plugin"
    version = "0.1.0"
    handles_chunks = True  # else streams would be gathered whole for it

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        ctx.state["pieces"] = ctx.state.get("pieces", 0) + 1
        if request.is_last_chunk:
            ctx.services.logger.debug("stream seen", pieces=ctx.state["pieces"])
        return ResponseWriteResponse.allow()


if __name__ == "__main__":
    serve(MyPlugin())
'''

_STREAM_TEST = """
import asyncio

from my_plugin import MyPlugin

from sluice.sdk import Headers, ResponseWriteRequest
from sluice.sdk.testing import make_context, make_plugin


def test_pieces_are_counted() -> None:
    plugin, ctx = make_plugin(MyPlugin), make_context()
    for last in (False, False, True):
        piece = ResponseWriteRequest(200, Headers(), b"data: {}\\n\\n", is_stream_chunk=True, is_last_chunk=last)
        assert asyncio.run(plugin.on_before_write(ctx, piece)).decision == "allow"
    assert ctx.state["pieces"] == 3
"""

_COLLECTOR = '''
"""Adds up what apps spend."""

from collections import Counter

from sluice.sdk import AnalyticsData, BasePlugin, Context, DataCollectionResponse, DataCollector, serve


class MyPlugin(BasePlugin, DataCollector):
    name = "my_plugin"
    version = "0.1.0"

    def __init__(self) -> None:
        super().__init__()
        self.nanos: Counter[int] = Counter()
        self.seen: set[str] = set()

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse:
        if analytics.event_id not in self.seen:  # an event may come twice, never not at all
            self.seen.add(analytics.event_id)
            self.nanos[analytics.app_id] += analytics.cost_nanos
        return DataCollectionResponse.done()


if __name__ == "__main__":
    serve(MyPlugin())
'''

_COLLECTOR_TEST = """
import asyncio
from datetime import UTC, datetime

from my_plugin import MyPlugin

from sluice.sdk import AnalyticsData
from sluice.sdk.testing import make_context, make_plugin


def test_an_event_counts_once() -> None:
    plugin, ctx = make_plugin(MyPlugin), make_context(runtime="collector")
    event = AnalyticsData(event_id="1-a", occurred_at=datetime(2026, 1, 1, tzinfo=UTC), app_id=7, cost_nanos=5)
    for _ in range(2):
        assert asyncio.run(plugin.handle_analytics(ctx, event)).handled
    assert plugin.nanos == {7: 5}
"""

_ENDPOINT = '''
"""Says hello under ``/plugins/<slug>/hello/<name>``."""

from collections.abc import Sequence

from sluice.sdk import BasePlugin, Context, CustomEndpointHandler, EndpointRegistration, EndpointRequest
from sluice.sdk import EndpointResponse, serve


class MyPlugin(BasePlugin, CustomEndpointHandler):
    name = "my_plugin"
    version = "0.1.0"

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        return [EndpointRegistration(path="/hello/{name}", methods=("GET",), require_auth=False)]

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        return EndpointResponse(body=f"hello {request.path_parameters['name']}\\n".encode())


if __name__ == "__main__":
    serve(MyPlugin())
'''

_ENDPOINT_TEST = """
import asyncio

from my_plugin import MyPlugin

from sluice.sdk import EndpointRequest, Headers
from sluice.sdk.testing import make_context, make_plugin


def test_it_says_hello() -> None:
    parameters = {"name": "you"}
    request = EndpointRequest(method="GET", path="/plugins/x/hello/you", path_parameters=parameters, headers=Headers())
    answer = asyncio.run(make_plugin(MyPlugin).handle_endpoint_request(make_context(), request))
    assert (answer.status_code, answer.body) == (200, b"hello you\\n")
"""

TEMPLATES: dict[Kind, Template] = {
    "pre_auth": Template(_PRE_AUTH, _PRE_AUTH_TEST),
    "auth": Template(_AUTH, _AUTH_TEST),
    "post_auth": Template(_POST_AUTH, _POST_AUTH_TEST),
    "response": Template(_RESPONSE, _RESPONSE_TEST),
    "stream": Template(_STREAM, _STREAM_TEST),
    "collector": Template(_COLLECTOR, _COLLECTOR_TEST, is_attached=False),
    "endpoint": Template(_ENDPOINT, _ENDPOINT_TEST, is_attached=False),
}
"""Each passes ``sluice plugins check`` and its own test as it is written."""
