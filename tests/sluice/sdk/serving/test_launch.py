"""Tests of ``sluice.sdk.serving.launch``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.sdk.serving.launch import LaunchError, Options, detected_runtime, launch_of, read_options

HOST = {"AI_STUDIO_PLUGIN": "v1"}


def launched(options: Options, **variables: str) -> object:
    """As ``serve`` does."""
    return launch_of(options, variables, "/plugins/mine.py")


@pytest.mark.parametrize(
    ("variables", "runtime"),
    [
        ({}, "studio"),
        ({"PLUGIN_RUNTIME": "gateway"}, "gateway"),
        ({"PLUGIN_RUNTIME": "studio", "GATEWAY_MODE": "edge"}, "studio"),
        ({"PLUGIN_RUNTIME": "nonsense", "GATEWAY_MODE": "edge"}, "gateway"),
        ({"GATEWAY_MODE": "standalone_gateway"}, "gateway"),
        ({"GATEWAY_MODE": "standalone"}, "studio"),
        ({"MICROGATEWAY_MODE": "standalone"}, "gateway"),
        ({"SLUICE_PLUGIN_RUNTIME": "collector", "PLUGIN_RUNTIME": "gateway"}, "collector"),
        ({"SLUICE_PLUGIN_RUNTIME": ""}, "studio"),
    ],
)
def test_the_runtime_is_what_the_host_says(variables: dict[str, str], runtime: str) -> None:
    """Our own word first, then the protocol's, then how its gateway is run."""
    assert detected_runtime(variables, "studio") == runtime


def test_a_host_s_plugin_listens_where_it_is_told(tmp_path: Path) -> None:
    """On a socket of its own name, each time another."""
    launches = [launch_of(Options(), {**HOST, "PLUGIN_UNIX_SOCKET_DIR": str(tmp_path)}, "") for _ in range(2)]
    assert {Path(each.socket).parent for each in launches} == {tmp_path}
    assert launches[0].socket != launches[1].socket


def test_a_folder_too_deep_for_a_socket_is_said(tmp_path: Path) -> None:
    """A socket's path has 107 bytes; gRPC's own message would not say so."""
    with pytest.raises(LaunchError, match="too long for a socket; set PLUGIN_UNIX_SOCKET_DIR"):
        launched(Options(), **HOST, PLUGIN_UNIX_SOCKET_DIR=str(tmp_path / ("x" * 100)))


def test_without_a_host_it_says_both_ways_to_run_it() -> None:
    """With this file's own path."""
    with pytest.raises(LaunchError, match=r"file:///plugins/mine\.py.*--address HOST:PORT"):
        launched(Options(), AI_STUDIO_PLUGIN="v2")


@pytest.mark.parametrize("address", ["127.0.0.1:7000", "localhost:7000", "[::1]:7000", "127.9.9.9:0"])
def test_on_this_machine_an_address_is_enough(address: str) -> None:
    """And no cookie is asked for."""
    launch = launch_of(Options(address=address), {}, "")
    assert (launch.address, launch.socket, launch.runtime) == (address, "", "gateway")


@pytest.mark.parametrize("address", ["7000", ":7000", "host:", "host:port", "127.0.0.1:-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """With an example of one."""
    with pytest.raises(LaunchError, match=r"is not HOST:PORT, e\.g\."):
        launched(Options(address=address))


def test_beyond_this_machine_it_takes_tls_and_a_token(tmp_path: Path) -> None:
    """Whoever reaches the port could read every request."""
    (tmp_path / "pem").write_text("pem")
    pem = str(tmp_path / "pem")
    for options in (
        Options(address="0.0.0.0:7000"),
        Options(address="example.org:7000", certificate=pem, key=pem),
        Options(address="192.0.2.1:7000", token="env:TOKEN"),
    ):
        with pytest.raises(LaunchError, match="--certificate, --key and --token"):
            launched(options, TOKEN="t")
    launch = launch_of(
        Options(address="0.0.0.0:7000", certificate=pem, key=pem, token="env:TOKEN"), {"TOKEN": " t\n"}, ""
    )
    assert (launch.certificate, launch.key, launch.token) == (b"pem", b"pem", "t")


def test_a_certificate_and_its_key_go_together(tmp_path: Path) -> None:
    """Half of it would be plain text in silence."""
    with pytest.raises(LaunchError, match="go together"):
        launched(Options(address="127.0.0.1:7000", key=str(tmp_path)))


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("secret", "never the token itself"),
        ("env:NOWHERE", "no printable token"),
        ("file:nowhere", "cannot be read"),
        ("env:WILD", "no printable token"),
    ],
)
def test_a_token_is_named_never_written(token: str, said: str) -> None:
    """Others see a command line; and the message does not repeat what was written there by mistake."""
    with pytest.raises(LaunchError, match=said) as caught:
        launched(Options(address="127.0.0.1:7000", token=token), WILD="a\nb")
    assert "secret" not in str(caught.value)


def test_a_token_may_be_in_a_file(tmp_path: Path) -> None:
    """Without the line's end."""
    (tmp_path / "token").write_text("t\n")
    options = Options(address="127.0.0.1:7000", token=f"file:{tmp_path}/token")
    assert launch_of(options, {}, "").token == "t"


def test_the_command_line_wins_and_leaves_the_author_s_own_alone() -> None:
    """A plugin may have arguments of its own."""
    given = Options(address="127.0.0.1:1", token="env:A")
    found = read_options(["--verbose", "--address", "127.0.0.1:2", "more"], given)
    assert found == Options(address="127.0.0.1:2", token="env:A")
    assert read_options(["--addr", "127.0.0.1:2"], given) == given
