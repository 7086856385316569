"""Paths below ``/plugins/``: decoded once, and safe for whoever takes them for files."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plugin_endpoints.target import Target, parse_target


@pytest.mark.parametrize(
    ("raw", "slug", "segments"),
    [
        (b"/plugins/echo", "echo", ()),
        (b"/plugins/echo/", "echo", ()),
        (b"/plugins/echo/a", "echo", ("a",)),
        (b"/plugins/echo/a/", "echo", ("a", "")),
        (b"/plugins/echo//", "echo", ("", "")),
        (b"/plugins/echo/a%2Fb/c", "echo", ("a/b", "c")),
        (b"/plugins/echo/a%2fb", "echo", ("a/b",)),
        (b"/plugins/%65cho/%61", "echo", ("a",)),
        (b"/plugins/echo/%C3%A9", "echo", ("é",)),
        (b"/plugins/echo/a+b", "echo", ("a+b",)),
        (b"/plugins/echo/%2525", "echo", ("%25",)),
        (b"/plugins/echo/..a/b..", "echo", ("..a", "b..")),
        (b"/plugins/echo/.", "echo", (".",)),
        (b"/plugins/", "", ()),
        (b"/plugins//a", "", ("a",)),
    ],
)
def test_a_path_is_split_and_then_decoded(raw: bytes, slug: str, segments: tuple[str, ...]) -> None:
    """``%2F`` is a character of its segment; ``/plugins/{slug}`` is the same as with a slash behind it."""
    assert parse_target(raw) == Target(slug, segments)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"/plugins/echo/..", "climbs"),
        (b"/plugins/echo/../x", "climbs"),
        (b"/plugins/echo/a/../../x", "climbs"),
        (b"/plugins/echo/%2e%2e/x", "climbs"),
        (b"/plugins/echo/.%2E", "climbs"),
        (b"/plugins/echo/a%2F..%2Fb", "climbs"),
        (b"/plugins/echo/a%5c..%5cb", "climbs"),
        (b"/plugins/echo/..\\b", "climbs"),
        (b"/plugins/echo/%ff", "UTF-8"),
        (b"/plugins/echo/\xff", "UTF-8"),
        (b"/plugins/echo/%c0%ae%c0%ae", "UTF-8"),
        (b"/plugins/%ff/a", "UTF-8"),
        (b"/plugins/echo/%", "encodes nothing"),
        (b"/plugins/echo/%2", "encodes nothing"),
        (b"/plugins/echo/%zz", "encodes nothing"),
        (b"/plugins/echo/%00", "control character"),
        (b"/plugins/echo/a%0d%0ab", "control character"),
        (b"/plugins/echo/%7f", "control character"),
    ],
)
def test_a_path_that_could_mean_two_things_is_a_problem(raw: bytes, problem: str) -> None:
    """What climbs (also behind a decoder), what is no text and what could end a line is refused by name."""
    assert problem in parse_target(raw).problem


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5), min_size=1, max_size=4)
)
def test_what_was_encoded_comes_back(segments: list[str]) -> None:
    """Any segments that do not climb come back as they were, in number and text."""
    raw = "/plugins/echo/" + "/".join(quote(each, safe="") for each in segments)
    target = parse_target(raw.encode())
    if any(".." in each.replace("\\", "/").split("/") for each in segments):
        assert target.problem
    else:
        assert target == Target("echo", tuple(segments))


@given(st.binary(max_size=30))
def test_any_bytes_are_a_target_or_a_problem(raw: bytes) -> None:
    """Nothing that a client sends raises, and no segment without a problem climbs."""
    target = parse_target(b"/plugins/" + raw)
    assert target.problem or ".." not in target.relative_path.replace("\\", "/").split("/")


def test_paths_are_what_plugins_are_told() -> None:
    """The whole path and the part below the slug, both decoded; the root has a slash."""
    assert Target("echo", ("a", "b")).relative_path == "/a/b"
    assert Target("echo", ("a", "b")).path == "/plugins/echo/a/b"
    assert (Target("echo").relative_path, Target("echo").path) == ("/", "/plugins/echo/")
