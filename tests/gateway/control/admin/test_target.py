"""Where the API is, and with which token: options before the environment before the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control import bootstrap
from gateway.control.admin.errors import UsageError
from gateway.control.admin.target import DEFAULT_CONFIG, DEFAULT_URL, TOKEN_FILE, TOKEN_VARIABLE, Target, find_target


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no token in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def config(text: str) -> Path:
    """A settings file."""
    path = Path("mine.yaml")
    path.write_text(text)
    return path


def test_without_anything_it_is_this_machine_s() -> None:
    """Where a gateway is by default; a token is needed."""
    assert find_target(token="t") == Target(DEFAULT_URL, "t")
    with pytest.raises(UsageError, match=r"--token.*SLUICE_ADMIN_TOKEN.*--config"):
        find_target()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", DEFAULT_URL),
        ("gateway: {port: 9000}", "http://127.0.0.1:9000"),
        ("gateway: {host: 0.0.0.0, port: 9000}", "http://127.0.0.1:9000"),
        ("gateway: {host: '::', port: 9000}", "http://[::1]:9000"),
        ("gateway: {host: 'fe80::1'}", "http://[fe80::1]:8080"),
        ("gateway: {port: 9000}\ncontrol: {listen: 10.0.0.1:81}", "http://10.0.0.1:81"),
        ("control: {listen: '[::1]:81'}", "http://[::1]:81"),
        ("llms: [{api_key: '${NOT_SET_HERE}'}]", DEFAULT_URL),
    ],
)
def test_the_file_says_where(text: str, url: str) -> None:
    """Its own listener before the gateway's; the rest of the file need not be usable here."""
    assert find_target(token="t", config=config(text)).url == url


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/api/v1", "http://h:1/api/v1/"])
def test_an_option_wins_in_any_of_its_forms(url: str) -> None:
    """With the API's path or without."""
    assert find_target(url, "t", config("gateway: {port: 9000}")).url == "http://h:1"


def test_the_token_comes_from_the_first_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Option, environment, then the file that the gateway left in its ``data_dir``."""
    path = config("data_dir: data")
    Path("data").mkdir()
    Path("data/admin.token").write_text("of-the-file\n")
    assert find_target(config=path).token == "of-the-file"
    monkeypatch.setenv(TOKEN_VARIABLE, "of-the-environment")
    assert find_target(config=path).token == "of-the-environment"
    assert find_target(token="of-the-option", config=path).token == "of-the-option"


def test_the_file_is_the_one_that_the_gateway_writes() -> None:
    """By the same name."""
    assert TOKEN_FILE == bootstrap.TOKEN_FILE


def test_a_file_that_was_named_must_be_there() -> None:
    """The default may be missing."""
    assert not DEFAULT_CONFIG.exists()
    with pytest.raises(UsageError, match=r"other\.yaml"):
        find_target(token="t", config=Path("other.yaml"))


@pytest.mark.parametrize("text", ["gateway: {port: '${PORT}'}", "control: {listen: '${LISTEN}'}"])
def test_what_only_the_gateway_knows_must_be_given(text: str) -> None:
    """Its variables may not be set here."""
    with pytest.raises(UsageError, match="--url"):
        find_target(token="t", config=config(text))
    with pytest.raises(UsageError, match="--token"):
        find_target("http://h", config=config("data_dir: ${DATA}"))


@pytest.mark.parametrize("token", ["a b", "ü", "a\nb", " "])
def test_what_no_header_takes_is_no_token(token: str) -> None:
    """And it is not shown."""
    with pytest.raises(UsageError) as refused:
        find_target("http://h", token, DEFAULT_CONFIG) if token.strip() else find_target(
            "http://h", "\n", DEFAULT_CONFIG
        )
    assert token.strip() == "" or token not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://h", "h:1", "//h"])
def test_what_is_no_url(url: str) -> None:
    """Named, with one to copy."""
    with pytest.raises(UsageError, match="http://127"):
        find_target(url, "t")


def test_a_token_is_in_no_repr() -> None:
    """Tracebacks show it."""
    assert "hush" not in repr(Target("http://h", "hush"))
