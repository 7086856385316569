"""A request as its plugin gets to see it."""

from __future__ import annotations

from gateway.plugin_endpoints.access import NOBODY, Caller
from gateway.plugin_endpoints.request import request_of
from gateway.plugin_endpoints.table import RouteTable
from gateway.plugin_endpoints.target import parse_target
from sluice.sdk import App
from tests.gateway.plugin_endpoints.loaded_plugins import endpoint, loaded_plugin
from tests.gateway.test_exchange import an_exchange


def test_a_plugin_gets_the_request_as_it_is() -> None:
    """Path decoded whole and below the slug, segments apart, query raw, headers with every value; and who asks."""
    headers = [(b"host", b"gateway.example:8080"), (b"x-many", b"1"), (b"x-many", b"2")]
    exchange = an_exchange(method="POST", headers=headers, query=b"a=%20b&c", body=b"body", remote_addr="192.0.2.9")
    target = parse_target(b"/plugins/s/a%2Fb/c")
    found = RouteTable({"s": loaded_plugin(endpoint("/{x}/c", "POST"))}).find("s", target.segments, "POST")
    assert found
    app = App(id=1)
    request = request_of(exchange, target, found, Caller(app, ("api",)))
    assert (request.method, request.path, request.relative_path) == ("POST", "/plugins/s/a/b/c", "/a/b/c")
    assert (request.path_segments, request.path_parameters) == (("a/b", "c"), {"x": "a/b"})
    assert (request.query, request.body, request.remote_addr) == ("a=%20b&c", b"body", "192.0.2.9")
    assert (request.host, request.protocol) == ("gateway.example:8080", "http")
    assert request.headers.get_all("X-Many") == ["1", "2"]
    assert (request.authenticated, request.app, request.scopes) == (True, app, ("api",))


def test_a_head_that_get_answers_is_a_get_to_its_plugin() -> None:
    """It was registered for GET, and knows of nothing else; one registered for HEAD gets that."""
    for methods, expected in (("GET",), "GET"), (("GET", "HEAD"), "HEAD"):
        found = RouteTable({"s": loaded_plugin(endpoint("/", *methods))}).find("s", (), "HEAD")
        assert found
        request = request_of(an_exchange(method="HEAD"), parse_target(b"/plugins/s"), found, NOBODY)
        assert (request.method, request.authenticated, request.app) == (expected, False, None)
