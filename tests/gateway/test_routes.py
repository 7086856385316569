"""Paths: which LLM, which intent, and nothing that leaves the vendor's base path."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.routes import Route, parse_route

PATHS = st.text(alphabet="/.%2eEfF5cC\\aüx09", max_size=24)


def problem(path: str) -> str:
    """Why a path of ours cannot be used."""
    route = parse_route(path)
    assert route is not None
    assert route.problem
    assert route.rest == ""
    return route.problem


@pytest.mark.parametrize("intent", ["rest", "stream", "call"])
@pytest.mark.parametrize("rest", ["", "chat/completions", "a//b/", "%20x%2Fy", "files/a..b", "..a/b.."])
def test_a_path_names_intent_llm_and_rest(intent: str, rest: str) -> None:
    """The rest is left as it came, percent-encoded."""
    route = parse_route(f"/llm/{intent}/demo/{rest}")
    assert route == Route(intent, "demo", rest)  # type: ignore[arg-type]


def test_an_llm_alone_is_a_path() -> None:
    """With nothing left for the vendor."""
    assert parse_route("/llm/call/demo") == Route("call", "demo", "")


@pytest.mark.parametrize("path", ["/llm/", "/llm/other/demo", "/llm//demo", "/llm/CALL/demo", "/llm/call%2Fdemo/x"])
def test_an_unknown_intent_is_told_the_known_ones(path: str) -> None:
    """It is in our part of the address space, so it is refused and not passed by."""
    assert "use /llm/rest, /llm/stream or /llm/call" in problem(path)


@pytest.mark.parametrize("path", ["/llm/call", "/llm/call/", "/llm/call//chat"])
def test_a_path_without_an_llm_is_told_its_shape(path: str) -> None:
    """With the intent that was asked for."""
    assert problem(path) == "the path names no LLM: /llm/call/<slug>/<path>"


@pytest.mark.parametrize("path", ["", "/", "/llm", "/llms/call/demo", "/health", "/LLM/call/demo", "llm/call/demo"])
def test_other_paths_are_not_ours(path: str) -> None:
    """Health, metrics and whatever else is answered elsewhere."""
    assert parse_route(path) is None


def test_the_reference_s_path_names_the_llm_by_id() -> None:
    """``/api/v1/llms/<id>/proxy/<path>`` is a call."""
    assert parse_route("/api/v1/llms/7/proxy/chat/x") == Route("call", "7", "chat/x", by_id=True)
    assert parse_route("/api/v1/llms/7/proxy") == Route("call", "7", "", by_id=True)


@pytest.mark.parametrize("name", ["", "x", "-1", "+1", "1.0", "٣", "²", "1 ", "0x1", "1/2"])
def test_an_id_is_plain_digits(name: str) -> None:
    """Anything else would fail, or mean something else, where it is read as a number."""
    assert parse_route(f"/api/v1/llms/{name}/proxy/x") is None
    assert parse_route(f"/api/v1/llms/{name}/other/x") is None


def test_an_id_that_cannot_be_read_names_no_llm() -> None:
    """Whatever is taken for an id can be read as a number."""
    route = parse_route(f"/api/v1/llms/{'9' * 5_000}/proxy/x")
    assert route is None or route.problem or int(route.slug)
    assert parse_route(f"/api/v1/llms/{'9' * 18}/proxy/x") == Route("call", "9" * 18, "x", by_id=True)


@pytest.mark.parametrize(
    "rest",
    [
        "..", "../x", "a/..", "a/../b", "%2e%2e/x", "%2E%2e", ".%2e/x", "a/%2e./b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["/llm/call/demo/", "/api/v1/llms/7/proxy/"])
def test_a_path_that_climbs_is_refused(prefix: str, rest: str) -> None:
    """It could leave the base path, and so reach what the key opens but the operator did not mean."""
    assert problem(prefix + rest) == "the path climbs with '..'"


@pytest.mark.parametrize("rest", ["..%2fadmin", "a%2F..%2F..%2Fadmin", "..\\admin", "..%5cadmin"])
def test_a_path_that_climbs_behind_an_encoded_separator_is_refused(rest: str) -> None:
    """A vendor that decodes before it resolves would climb all the same."""
    assert problem(f"/llm/call/demo/{rest}") == "the path climbs with '..'"


@pytest.mark.parametrize("rest", ["%252e%252e/x", "..%252fadmin", "a%2fb", "a\\b", "..a%2f..b"])
def test_what_is_encoded_twice_is_data(rest: str) -> None:
    """A server decodes once: what then still is encoded, or climbs nowhere, is left as it came."""
    assert parse_route(f"/llm/call/demo/{rest}") == Route("call", "demo", rest)


@settings(deadline=None)
@given(PATHS)
def test_no_path_climbs(text: str) -> None:
    """Whatever is written: no segment of what goes to the vendor is ``..``, once decoded."""
    route = parse_route(f"/llm/call/demo/{text}")
    assert route is not None
    segments = [unquote(segment) for segment in route.rest.split("/")]
    assert ".." not in segments
    assert route.problem or route.rest == text


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_route_or_none(text: str) -> None:
    """Nothing raises, and an id is digits."""
    for path in (text, f"/llm/{text}", f"/api/v1/llms/{text}"):
        route = parse_route(path)
        assert route is None or not route.by_id or re.fullmatch(r"[0-9]+", route.slug)


@pytest.mark.parametrize("length", [1, 300])
def test_a_path_is_understood_however_long_it_is(length: int) -> None:
    """And as often as it comes: short ones are remembered."""
    path = "/llm/call/demo/" + "x" * length
    assert [parse_route(path) for _ in range(2)] == [Route("call", "demo", "x" * length)] * 2
