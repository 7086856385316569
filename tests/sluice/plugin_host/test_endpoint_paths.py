"""Paths of endpoints: what a registration may say, what it takes, and which two cannot both be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.plugin_host.endpoint_paths import (
    MAX_PATH_CHARACTERS,
    MAX_REGISTRATIONS,
    check_slug,
    checked_registrations,
    conflicts,
    parse_methods,
    parse_pattern,
    segments_of,
)
from sluice.sdk.endpoints import EndpointRegistration

segment = st.text("abz0.-_~é", min_size=1, max_size=4).filter(lambda text: ".." not in text)
part = st.one_of(segment, st.sampled_from(["{a}", "{b}", "{name_1}"]))


@pytest.mark.parametrize(
    ("pattern", "path", "parameters"),
    [
        ("/", "/", {}),
        ("/", "/a", None),
        ("/a/b", "/a/b", {}),
        ("/a/b", "/a", None),
        ("/a/b", "/a/b/c", None),
        ("/a/b", "/a/b/", None),
        ("/a/", "/a/", {}),
        ("/a/", "/a", None),
        ("/{x}", "/a", {"x": "a"}),
        ("/{x}", "/", None),
        ("/{x}/b", "//b", None),
        ("/a/{x}/c/{y}", "/a/1/c/2", {"x": "1", "y": "2"}),
        ("/a/{x}/c/{y}", "/a/1/d/2", None),
        ("/*", "/", {"*": ""}),
        ("/*", "/a/b/c", {"*": "a/b/c"}),
        ("/a/*", "/a", {"*": ""}),
        ("/a/*", "/a/", {"*": ""}),
        ("/a/*", "/a/b/c", {"*": "b/c"}),
        ("/a/*", "/b/a", None),
        ("/{x}/files/*", "/1/files/a//b", {"x": "1", "*": "a//b"}),
        ("/A", "/a", None),
    ],
)
def test_a_pattern_takes_what_it_says_and_nothing_else(
    pattern: str, path: str, parameters: dict[str, str] | None
) -> None:
    """``{name}`` is one segment that is not empty, ``/*`` whatever follows, nothing included; case counts."""
    assert parse_pattern(pattern).match(segments_of(path)) == parameters


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "begin with '/'"),
        ("a", "begin with '/'"),
        (None, "begin with '/'"),
        (3, "begin with '/'"),
        ("/a/../b", "climbs"),
        ("/..", "climbs"),
        ("/a\\..\\b", "climbs"),
        ("/a%2e", "percent-encoded"),
        ("/a b", "a space"),
        ("/a\n", "control character"),
        ("/a?b", "'?' or '#'"),
        ("/a#b", "'?' or '#'"),
        ("/*/a", "not its last segment"),
        ("/a*", "not its last segment"),
        ("/{a}*", "not its last segment"),
        ("/{a", "no parameter"),
        ("/a}", "no parameter"),
        ("/x{a}", "no parameter"),
        ("/{}", "no parameter"),
        ("/{1a}", "no parameter"),
        ("/{a-b}", "no parameter"),
        ("/{a}/{a}", "twice"),
        ("/" + "a" * MAX_PATH_CHARACTERS, "characters, more than"),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_the_reason(path: Any, reason: str) -> None:
    """What climbs, is encoded, has wildcards in wrong places or is no path at all never gets into a table."""
    with pytest.raises(ValueError, match=reason.replace("?", r"\?")):
        parse_pattern(path)


@given(st.lists(part, max_size=5, unique=True), st.booleans())
def test_a_pattern_takes_the_paths_made_from_it(parts: list[str], takes_rest: bool) -> None:
    """Filled in, a pattern matches, and says what it was filled in with."""
    path = "/" + "/".join([*parts, "*"] if takes_rest else parts)
    filled = [f"v{at}" if text.startswith("{") else text for at, text in enumerate(parts)]
    found = parse_pattern(path).match((*filled, "rest", "of it") if takes_rest else tuple(filled))
    expected = {text[1:-1]: value for text, value in zip(parts, filled, strict=True) if text.startswith("{")}
    assert found == (expected | {"*": "rest/of it"} if takes_rest else expected)


@given(st.text(max_size=40))
def test_no_text_gets_past_as_anything_but_a_path_or_a_value_error(path: str) -> None:
    """Whatever a plugin registers, it is a pattern or a ``ValueError``."""
    try:
        pattern = parse_pattern(path)
    except ValueError:
        return
    assert pattern.match(segments_of("/never/registered/by/anyone/at/all")) is None or pattern.takes_rest


def test_ranks_put_the_more_specific_pattern_first() -> None:
    """Where two patterns take a path: written out before ``{name}`` before ``/*``, at the first difference."""
    paths = ["/*", "/{x}/*", "/a/*", "/{x}/{y}", "/a/{y}", "/{x}/b", "/a/b"]
    ranked = sorted(map(parse_pattern, paths), key=lambda pattern: pattern.rank)
    assert [pattern.path for pattern in ranked] == ["/a/b", "/a/{y}", "/a/*", "/{x}/b", "/{x}/{y}", "/{x}/*", "/*"]


def test_methods_are_known_ones_in_upper_case_each_once() -> None:
    """Case does not matter; one name alone is a list of one."""
    assert parse_methods(("get", "POST", "Get")) == ("GET", "POST")
    assert parse_methods("delete") == ("DELETE",)


@pytest.mark.parametrize(
    "methods", [(), None, 3, ("",), ("CONNECT",), ("TRACE",), (None,), {"GET": 1}, b"GET", "GET,PUT"]
)
def test_methods_that_are_none_are_refused(methods: Any) -> None:
    """An endpoint that nobody can ask, or by what HTTP does not know, is an error of its plugin."""
    with pytest.raises(ValueError, match="method"):
        parse_methods(methods)


@pytest.mark.parametrize("slug", ["", "-a", ".", "..", "a/b", "a b", "é", "a" * 65, None, 3, "a\n"])
def test_a_slug_that_cannot_stand_in_a_path_is_refused(slug: Any) -> None:
    """A slug is one segment, as it is."""
    with pytest.raises(ValueError, match="slug"):
        check_slug(slug)
    assert check_slug("Echo_1.x-y") == "Echo_1.x-y"


def test_registrations_that_take_the_same_requests_conflict() -> None:
    """Names of parameters make no difference between paths; methods do."""
    one, other = EndpointRegistration(path="/a/{x}"), EndpointRegistration(path="/a/{y}")
    assert conflicts([one, other]) == ["GET '/a/{y}' is registered already, as '/a/{x}'"]
    assert conflicts([one, one]) == ["GET '/a/{x}' is registered already, as '/a/{x}'"]
    assert conflicts([one, EndpointRegistration(path="/a/{y}", methods=("POST", "post"))]) == []
    assert conflicts([one, EndpointRegistration(path="/a/*"), EndpointRegistration(path="/a/b")]) == []
    with pytest.raises(ValueError, match="registered already"):
        checked_registrations([one, other])


def test_what_is_checked_comes_back_ready() -> None:
    """Methods in upper case, sequences as tuples; nothing else is changed."""
    given_one = EndpointRegistration(path="/a", methods=["get"], scopes=["api"], description="it")  # type: ignore[arg-type]
    (checked,) = checked_registrations(iter([given_one]))
    assert (checked.methods, checked.scopes, checked.description) == (("GET",), ("api",), "it")
    assert checked_registrations(()) == ()


@pytest.mark.parametrize(
    ("registrations", "reason"),
    [
        (None, "NoneType, not a sequence"),
        (3, "int, not a sequence"),
        ("/a", "str, not a sequence"),
        (b"/a", "bytes, not a sequence"),
        ({"/a": 1}, "dict, not a sequence"),
        (["/a"], "str, not EndpointRegistration"),
        ([None], "NoneType, not EndpointRegistration"),
        ([EndpointRegistration(path="a")], "begin with"),
        ([EndpointRegistration(path="/a", methods=())], "name at least one"),
        ([EndpointRegistration(path="/a", scopes="api")], "scopes of '/a'"),  # type: ignore[arg-type]
        ([EndpointRegistration(path="/a", scopes=(1,))], "scopes of '/a'"),  # type: ignore[arg-type]
        ([EndpointRegistration(path="/a", scopes=None)], "scopes of '/a'"),  # type: ignore[arg-type]
        ([EndpointRegistration(path="/a", scopes=("api",), require_auth=False)], "without require_auth"),
    ],
)
def test_what_is_no_registration_is_refused_with_the_reason(registrations: Any, reason: str) -> None:
    """A plugin that answers nonsense is refused when it is loaded, in a sentence."""
    with pytest.raises(ValueError, match=reason):
        checked_registrations(registrations)


def test_registrations_without_an_end_are_refused() -> None:
    """A generator that never stops keeps nobody busy for ever."""

    def endless() -> Any:
        at = 0
        while True:
            at += 1
            yield EndpointRegistration(path=f"/{at}")

    with pytest.raises(ValueError, match=f"more than {MAX_REGISTRATIONS}"):
        checked_registrations(endless())
