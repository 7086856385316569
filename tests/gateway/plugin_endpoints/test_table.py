"""The route table: of several endpoints that take a path the most specific one answers, always the same."""

from __future__ import annotations

import random

import pytest

from gateway.plugin_endpoints.table import RouteTable
from sluice.plugin_host.endpoint_paths import segments_of
from tests.gateway.plugin_endpoints.loaded_plugins import endpoint, loaded_plugin

ENDPOINTS = [
    endpoint("/"),
    endpoint("/a/b"),
    endpoint("/a/{x}"),
    endpoint("/a/{y}", "POST"),
    endpoint("/a/*", "GET", "DELETE"),
    endpoint("/{x}/b"),
    endpoint("/{x}/{y}/c"),
    endpoint("/*", "PUT", "HEAD"),
]


def find(table: RouteTable, path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    """Which path was registered for it, and its parameters."""
    found = table.find("s", segments_of(path), method)
    return None if found is None else (found.endpoint.registration.path, dict(found.parameters))


@pytest.mark.parametrize("seed", range(5))
def test_the_most_specific_endpoint_answers_in_whatever_order_they_were_registered(seed: int) -> None:
    """Written out before ``{name}`` before ``/*``; the order of registrations decides nothing."""
    endpoints = list(ENDPOINTS)
    random.Random(seed).shuffle(endpoints)
    table = RouteTable({"s": loaded_plugin(*endpoints)})
    assert find(table, "/") == ("/", {})
    assert find(table, "/a/b") == ("/a/b", {})
    assert find(table, "/a/c") == ("/a/{x}", {"x": "c"})
    assert find(table, "/a") == ("/a/*", {"*": ""})
    assert find(table, "/a/b/c") == ("/a/*", {"*": "b/c"})
    assert find(table, "/z/b") == ("/{x}/b", {"x": "z"})
    assert find(table, "/z/y/c") == ("/{x}/{y}/c", {"x": "z", "y": "y"})
    assert find(table, "/z/y/d") is None


def test_a_method_is_looked_for_at_every_path_that_matches() -> None:
    """A catch-all for PUT takes a PUT of a path that is written out for GET alone; parameters have its own names."""
    table = RouteTable({"s": loaded_plugin(*ENDPOINTS)})
    assert find(table, "/a/b", "POST") == ("/a/{y}", {"y": "b"})
    assert find(table, "/a/b", "DELETE") == ("/a/*", {"*": "b"})
    assert find(table, "/a/b", "PUT") == ("/*", {"*": "a/b"})
    assert find(table, "/a/b", "PATCH") is None
    assert find(table, "/a/b", "TRACE") is None


def test_head_is_what_get_is_unless_it_is_registered() -> None:
    """The more specific GET goes before a HEAD of a catch-all; a HEAD of its own goes before GET."""
    table = RouteTable({"s": loaded_plugin(*ENDPOINTS, endpoint("/h", "HEAD"), endpoint("/g"))})
    assert find(table, "/a/b", "HEAD") == ("/a/b", {})
    assert find(table, "/h", "HEAD") == ("/h", {})
    assert find(table, "/nowhere", "HEAD") == ("/*", {"*": "nowhere"})
    alone = RouteTable({"s": loaded_plugin(endpoint("/p", "POST"))})
    assert find(alone, "/p", "HEAD") is None


def test_allowed_names_every_method_that_has_an_answer() -> None:
    """All that match count, with HEAD where there is GET, and OPTIONS always; in one order. Unknown is nothing."""
    table = RouteTable({"s": loaded_plugin(endpoint("/a", "POST"), endpoint("/{x}", "GET", "DELETE"))})
    assert table.allowed("s", ("a",)) == ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
    assert table.allowed("s", ("b",)) == ("GET", "HEAD", "DELETE", "OPTIONS")
    assert table.allowed("s", ("a", "b")) == ()
    assert table.allowed("other", ("a",)) == ()


def test_slugs_are_apart() -> None:
    """What one plugin registers is nobody else's; case counts."""
    table = RouteTable({"one": loaded_plugin(endpoint("/a")), "two": loaded_plugin(endpoint("/b"))})
    assert table.find("one", ("a",), "GET")
    assert table.find("two", ("a",), "GET") is None
    assert table.find("One", ("a",), "GET") is None


def test_accounts_outlive_a_table_and_not_their_plugin() -> None:
    """What is counted of a plugin goes on while it serves; another life of it begins anew."""
    kept, gone, new = loaded_plugin(endpoint("/a")), loaded_plugin(endpoint("/a")), loaded_plugin(endpoint("/a"))
    first = RouteTable({"kept": kept, "gone": gone})
    first.accounts[id(kept)].failed("why")
    second = RouteTable({"kept": kept, "gone": new}, first)
    assert second.accounts[id(kept)].tally.failures == 1
    assert second.accounts[id(new)].tally.failures == 0
    assert id(gone) not in second.accounts
