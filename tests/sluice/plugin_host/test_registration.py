"""A registration says what a plugin may do, and refuses what it cannot mean."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from sluice.plugin_host.registration import HookType, Instance, PluginRegistration
from sluice.sdk.capabilities import Hook

HOOKS: tuple[Hook, ...] = get_args(Hook)
RESPONSE_HOOKS = {"response_headers", "response_body", "stream_complete"}


def registration(**values: Any) -> PluginRegistration:
    """One that is valid but for what a test gives."""
    return PluginRegistration.model_validate({"id": 1, "name": "limit", "command": "limit.py", **values})


def refusal(**values: Any) -> str:
    """Why it is refused."""
    with pytest.raises(ValidationError) as caught:
        registration(**values)
    return str(caught.value)


def test_the_least_that_is_needed() -> None:
    """Every hook, a second, no policy of its own, no configuration."""
    plugin = registration()
    assert (plugin.hook_types, plugin.config, plugin.timeout_ms, plugin.on_failure) == ((), {}, 1000, None)
    assert all(plugin.wants(hook) for hook in HOOKS)


@pytest.mark.parametrize(
    "command",
    [
        "python://package:Class", "python://package.module:Class", "plugin.py", "folder/plugin.py:Class",
        "/absolute/plugin.py", "../plugin.py:", "a b.py", "file:///opt/sluice/plugins/a", "grpc://host:1",
        "grpc://127.0.0.1:65535", "grpc://[::1]:50051", "grpc://a-b.c_d:50051",
    ],
)  # fmt: skip
def test_commands_that_are_known(command: str) -> None:
    """A class of an installed package, a Python file with or without a class, an executable, one that runs already."""
    assert registration(command=command).command == command


@pytest.mark.parametrize(
    "command",
    [
        "", "limit", "python://", "python://package.module", "python:package:Class", "PYTHON://a:B", "grpc://host",
        "https://host/plugin.py", "plugin.pyc", "plugin.so:Class", "exec rm -rf", "://a.py", "file://relative", "file://",
        "grpc://:1", "grpc://host:0", "grpc://host:65536", "grpc://host:²", "grpc://a b:1", "grpc://host:1/x", "grpc://",
        "oci://registry/plugin:1",
    ],
)  # fmt: skip
def test_commands_that_are_not(command: str) -> None:
    """The message says what can be written."""
    message = refusal(command=command)
    assert "write python://package.module:Class, the path of a .py file, file:///absolute/path" in message
    assert repr(command) in message


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "0", "x" * 64])
def test_names_that_can_be_attached(name: str) -> None:
    """Letters, digits and three marks, at most 64."""
    assert registration(name=name).name == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "ä", "a\n", "x" * 65, "a/b"])
def test_names_that_cannot(name: str) -> None:
    """They stand in events, logs and metrics; a line's end would end a line."""
    assert "name" in refusal(name=name)


@pytest.mark.parametrize(
    "values",
    [
        {"id": 0}, {"id": -1}, {"id": "one"}, {"timeout_ms": 0}, {"timeout_ms": 600_001}, {"timeout_ms": 1.5},
        {"on_failure": "retry"}, {"config": []}, {"hook_types": "pre_auth"}, {"hook_types": ["pre-auth"]},
        {"timout_ms": 5}, {"command": None},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(values: dict[str, Any]) -> None:
    """By the key that is wrong; unknown keys too."""
    assert next(iter(values)) in refusal(**values)


@pytest.mark.parametrize("unknown", ["on_stream_complete", "studio_ui", "agent", "pending"])
def test_a_hook_that_no_gateway_has_is_refused(unknown: str) -> None:
    """With those that there are."""
    message = refusal(hook_types=["pre_auth", unknown])
    assert "hook_types.1" in message
    assert "'data_collection' or 'custom_endpoint'" in message


@pytest.mark.parametrize("garbage", [None, 3, [None], [[]], [{}]])
def test_hook_types_that_are_none(garbage: Any) -> None:
    """Whatever YAML can hold in their place is a message, not a crash."""
    assert "hook_types" in refusal(hook_types=garbage)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        (["pre_auth"], {"pre_auth"}),
        (["post_auth"], {"post_auth"}),
        (["response"], RESPONSE_HOOKS),
        (["on_response"], RESPONSE_HOOKS),
        (["on_response", "response"], RESPONSE_HOOKS),
        (["pre_auth", "response"], {"pre_auth", *RESPONSE_HOOKS}),
        (["stream_complete"], {"stream_complete"}),
        (["auth", "data_collection"], {"auth"}),
        (["custom_endpoint"], set()),
    ],
)
def test_hook_types_restrict(kinds: list[HookType], wanted: set[Hook]) -> None:
    """A plugin acts where the operator lets it, and nowhere else."""
    plugin = registration(hook_types=kinds)
    assert {hook for hook in HOOKS if plugin.wants(hook)} == wanted


@pytest.mark.parametrize("kind", ["data_collection", "custom_endpoint"])
def test_hook_types_restrict_what_belongs_to_no_hook(kind: Any) -> None:
    """A plugin answers HTTP and takes events where the operator lets it, and where he says nothing."""
    assert registration().wants_type(kind)
    assert registration(hook_types=["auth", kind]).wants_type(kind)
    assert not registration(hook_types=["auth"]).wants_type(kind)


@pytest.mark.parametrize(
    ("command", "values", "key"),
    [
        ("python://a:B", {"checksum": "0" * 64}, "checksum"), ("grpc://a:1", {"checksum": "0" * 64}, "checksum"),
        ("a.py", {"token": "env:A"}, "token"), ("python://a:B", {"token": "env:A"}, "token"),
        ("file:///a", {"token": "file:/a"}, "token"), ("a.py", {"ca_file": "/a"}, "ca_file"),
        ("file:///a", {"ca_file": "/a"}, "ca_file"),
    ],
)  # fmt: skip
def test_what_a_kind_of_plugin_has_no_use_for_is_refused(command: str, values: dict[str, Any], key: str) -> None:
    """An operator would believe himself protected by what nobody looks at."""
    assert f"{key}: " in refusal(command=command, **values)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("a.py", {"checksum": "0" * 64}), ("file:///a", {"checksum": "0" * 64}),
        ("grpc://a:1", {"token": "env:A", "ca_file": "/a"}),
    ],
)  # fmt: skip
def test_what_it_has_use_for_is_taken(command: str, values: dict[str, Any]) -> None:
    """A file's checksum; who an attached plugin is and what it is shown."""
    assert registration(command=command, **values).command == command


def test_failures_close_requests_and_open_responses() -> None:
    """By default: an unchecked request must not pass, a paid answer should."""
    plugin = registration()
    assert {hook for hook in HOOKS if plugin.fails_open(hook)} == RESPONSE_HOOKS


@pytest.mark.parametrize(("policy", "opened"), [("open", set(HOOKS)), ("closed", set())])
def test_a_policy_that_is_given_holds_everywhere(policy: str, opened: set[Hook]) -> None:
    """For every hook of the plugin."""
    plugin = registration(on_failure=policy)
    assert {hook for hook in HOOKS if plugin.fails_open(hook)} == opened


def test_a_registration_does_not_change() -> None:
    """It is shared by all workers of a process."""
    with pytest.raises(ValidationError):
        registration().timeout_ms = 5


@pytest.mark.parametrize(
    "values",
    [
        {"on_stream": "pass"}, {"on_oversize": "cut"}, {"max_concurrent": -1}, {"max_concurrent": 100_001},
        {"breaker_failures": -1}, {"breaker_pause_seconds": 0}, {"breaker_pause_seconds": float("inf")},
        {"breaker_pause_seconds": float("nan")}, {"service_scopes": ["everything"]}, {"service_scopes": "kv.readwrite"},
        {"token": "secret"}, {"token": "env:"},
    ],
)  # fmt: skip
def test_policies_have_bounds(values: dict[str, Any]) -> None:
    """A token itself is no place to look for one: it would be shown to whoever reads the registration."""
    assert next(iter(values)) in refusal(**values)


@pytest.mark.parametrize("checksum", ["", "0" * 64, "sha256:" + "a" * 64])
def test_checksums_that_can_be(checksum: str) -> None:
    """SHA-256 in hex, or none."""
    assert registration(checksum=checksum).checksum == checksum


@pytest.mark.parametrize("checksum", ["0" * 63, "A" * 64, "md5:" + "a" * 32, "sha256:", "x"])
def test_checksums_that_cannot_be(checksum: str) -> None:
    """One that no file can have would stop the plugin without telling why."""
    assert "checksum" in refusal(checksum=checksum)


def test_a_hook_type_that_nobody_validated_wants_nothing() -> None:
    """What was registered over the API may name hooks of other gateways."""
    plugin = PluginRegistration.model_construct(hook_types=("data_collection", "pre_auth"))
    assert [hook for hook in HOOKS if plugin.wants(hook)] == ["pre_auth"]


def test_an_instance_is_another_when_anything_is() -> None:
    """Its registration or its revision: then it is loaded anew."""
    one = Instance("a", registration())
    assert one == Instance("a", registration())
    others = [
        Instance("b", registration()),
        Instance("a", registration(timeout_ms=5)),
        Instance("a", registration(), 1),
    ]
    assert one not in others
