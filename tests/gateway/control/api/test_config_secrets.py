"""``gateway.control.api.config_secrets``."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.api.config_secrets import shown_config, with_secrets
from gateway.control.api.problems import Problem

KEPT: dict[str, Any] = {
    "valid_token": "hush",
    "apiKey": "hush",
    "empty_password": "",
    "token_limit": 5,
    "url": "redis://me:hush@host/0",
    "headers": {"authorization": "Bearer hush", "accept": "a"},
    "tokens": [{"token": "one", "app_id": 1}, {"token": "two", "app_id": 2}],
    "rules": [["a", 1, None]],
}


def test_no_secret_is_shown() -> None:
    """By its name at any depth, by its place in a URL; what is empty or no text is none."""
    shown = shown_config(KEPT)
    assert "hush" not in repr(shown)
    assert "one" not in repr(shown["tokens"])
    assert (shown["valid_token"], shown["apiKey"], shown["headers"]) == (
        "***", "***", {"authorization": "***", "accept": "a"},
    )  # fmt: skip
    assert (shown["empty_password"], shown["token_limit"], shown["rules"]) == ("", 5, [["a", 1, None]])


def test_what_was_shown_can_be_written_again() -> None:
    """Nothing is lost by reading and writing; others change."""
    assert with_secrets(shown_config(KEPT), KEPT) == KEPT
    changed = with_secrets({**shown_config(KEPT), "valid_token": "new", "more": 1}, KEPT)
    assert changed == {**KEPT, "valid_token": "new", "more": 1}


def test_of_a_list_a_secret_goes_with_what_it_stood_beside() -> None:
    """Not with its place: who deletes the first of two tokens does not give it to the second's app."""
    shown = shown_config(KEPT)["tokens"]
    assert with_secrets({"tokens": shown[1:]}, KEPT) == {"tokens": KEPT["tokens"][1:]}
    assert with_secrets({"tokens": shown[::-1]}, KEPT) == {"tokens": KEPT["tokens"][::-1]}
    with pytest.raises(Problem, match=r"tokens\[0\].token is \*\*\*"):
        with_secrets({"tokens": [{"token": "***", "app_id": 3}]}, KEPT)
    with pytest.raises(Problem, match=r"tokens\[1\].token"):
        with_secrets({"tokens": [shown[0], shown[0]]}, KEPT)


@pytest.mark.parametrize("kept", [{}, {"headers": 7}, {"headers": {"authorization": 7}}])
def test_what_was_never_a_secret_does_not_become_three_stars(kept: dict[str, Any]) -> None:
    """It is refused by the key's name."""
    with pytest.raises(Problem, match=r"headers.authorization is \*\*\*"):
        with_secrets({"headers": {"authorization": "***"}}, kept)
    assert with_secrets({"note": "***"}, kept) == {"note": "***"}
