"""From a registration to a plugin: whatever is wrong with it is said with its name and a remedy, before it serves."""

from __future__ import annotations

import hashlib
import os
import py_compile
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.loader import find_class, make_plugin
from sluice.plugin_host.registration import PluginRegistration
from sluice.sdk import BasePlugin

HERE = "tests.sluice.plugin_host.plugins"
SDK = "from sluice.sdk import BasePlugin, PluginResponse, PostAuthHandler\n"
PLUGIN = """
class {name}(BasePlugin, PostAuthHandler):
    async def handle_post_auth(self, ctx, request):
        return PluginResponse.allow()
"""
CONFIGURED = """
from __future__ import annotations
from typing import Literal
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, field_validator
from sluice.sdk import BasePlugin, PluginResponse, PostAuthHandler

class Config(BaseModel):
    {body}

class Configured(BasePlugin[Config], PostAuthHandler):
    async def handle_post_auth(self, ctx, request):
        return PluginResponse.allow()
"""


def load(command: str, folder: Path = Path(), **config: Any) -> BasePlugin[Any]:
    """The plugin of a command."""
    registration = PluginRegistration.model_validate({"id": 1, "name": "p", "command": command, "config": config})
    return make_plugin(registration, find_class(registration, folder))


def refusal(command: str, folder: Path = Path(), **config: Any) -> PluginLoadError:
    """Why it cannot serve."""
    with pytest.raises(PluginLoadError) as caught:
        load(command, folder, **config)
    assert caught.value.plugin == "p"
    assert caught.value.remedy
    return caught.value


def file_of(folder: Path, text: str, name: str = "plugin.py") -> str:
    """A plugin's file; its command."""
    (folder / name).write_text(text)
    return name


def configured(folder: Path, body: str, **config: Any) -> BasePlugin[Any]:
    """A plugin whose configuration has this body."""
    return load(file_of(folder, CONFIGURED.format(body=body)), folder, **config)


def refused_config(folder: Path, body: str, **config: Any) -> str:
    """What is wrong with its configuration."""
    error = refusal(file_of(folder, CONFIGURED.format(body=body)), folder, **config)
    return f"{error.problem}; {error.remedy}"


def test_an_installed_class_is_made_and_configured() -> None:
    """Its model is validated and set; ``initialize`` is not called here."""
    plugin = load(f"python://{HERE}:Limit", max_body_bytes=7)
    assert (type(plugin).__name__, plugin.config.max_body_bytes) == ("Limit", 7)
    assert load(f"python://{HERE}:Limit").config.max_body_bytes == 64_000


@pytest.mark.parametrize(
    ("command", "problem", "remedy"),
    [
        ("python://no_such_package:A", "module 'no_such_package' cannot be imported (ModuleNotFoundError", "install"),
        ("python://:A", "cannot be imported (ValueError", "install"),
        ("python://.relative:A", "cannot be imported (TypeError", "install"),
        (f"python://{HERE}:Limits2", f"{HERE} has no 'Limits2'", "did you mean 'Limits'?"),
        (f"python://{HERE}:Zzzzzzzzzz", f"{HERE} has no 'Zzzzzzzzzz'", "correct `command`"),
        (f"python://{HERE}:", f"{HERE} has no ''", "correct `command`"),
        (f"python://{HERE}:link", "'link' is not a plugin class", "derive it from sluice.sdk.BasePlugin"),
        (f"python://{HERE}:Config", "'Config' is not a plugin class", "derive it from sluice.sdk.BasePlugin"),
        (f"python://{HERE}:NoHook", "NoHook has no capability", "PostAuthHandler, ResponseHandler or another"),
        (f"python://{HERE}:NeedsArguments", "NeedsArguments() failed (TypeError", "made without arguments"),
        (f"python://{HERE}:Exits", "Exits() failed (SystemExit: 3)", "made without arguments"),
    ],
)
def test_a_class_that_cannot_serve_is_named(command: str, problem: str, remedy: str) -> None:
    """With what was found in its place, and what to do; one that exits does not take us along."""
    error = refusal(command)
    assert problem in error.problem
    assert remedy in error.remedy


@pytest.mark.parametrize("kind", ["BasePlugin", "BasePlugin[Config]"])
def test_a_configuration_is_one_life_s_own(tmp_path: Path, kind: str) -> None:
    """What a plugin puts into a list of its own is not what its next life finds there, nor what was registered."""
    model = "from typing import Any\nfrom pydantic import BaseModel\nclass Config(BaseModel):\n    words: Any\n"
    text = model + SDK + PLUGIN.format(name="Mine").replace("BasePlugin", kind)
    given: dict[str, Any] = {"words": {"bad": []}}
    plugin = load(file_of(tmp_path, text), tmp_path, **given)
    own = plugin.config["words"] if kind == "BasePlugin" else plugin.config.words
    own["bad"].append("x")
    assert given == {"words": {"bad": []}}


def test_the_only_plugin_of_a_file_needs_no_name(tmp_path: Path) -> None:
    """What the file imports, and a base without a hook, are not its plugins."""
    text = SDK + f"from {HERE} import Limit\nclass Base(BasePlugin):\n    pass\n" + PLUGIN.format(name="Mine")
    assert type(load(file_of(tmp_path, text), tmp_path)).__name__ == "Mine"


def test_a_file_with_several_plugins_wants_a_name(tmp_path: Path) -> None:
    """They are listed; with a name one of them is taken."""
    command = file_of(tmp_path, SDK + PLUGIN.format(name="One") + PLUGIN.format(name="Two"))
    error = refusal(command, tmp_path)
    assert "has 2 plugins (One, Two)" in error.problem
    assert error.remedy == "name one: command: plugin.py:ClassName"
    assert type(load(f"{command}:Two", tmp_path)).__name__ == "Two"
    assert refusal(f"{command}:Tow", tmp_path).remedy == "did you mean 'Two'?"


@pytest.mark.parametrize("text", ["", "import json\n", SDK])
def test_a_file_without_plugins_is_refused(tmp_path: Path, text: str) -> None:
    """None is said to be none."""
    assert "has 0 plugins (none)" in refusal(file_of(tmp_path, text), tmp_path).problem


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("import asyncio\nraise asyncio.CancelledError", "CancelledError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("1 / 0", "ZeroDivisionError"),
        ("\x00", "source code string cannot contain null bytes"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused(tmp_path: Path, text: str, raised: str) -> None:
    """With what it raised, and without leaving half a module behind."""
    before = set(sys.modules)
    error = refusal(file_of(tmp_path, text), tmp_path)
    assert "cannot be run" in error.problem
    assert raised in error.problem
    assert not [name for name in set(sys.modules) - before if name.startswith("_sluice_plugin")]


def test_a_file_that_was_broken_leaves_the_one_that_serves(tmp_path: Path) -> None:
    """The plugin that was made of it looks its own module up, as pydantic and pickle do, for as long as it serves."""
    plugin = load(file_of(tmp_path, SDK + PLUGIN.format(name="Mine")), tmp_path)
    module = sys.modules[type(plugin).__module__]
    refusal(file_of(tmp_path, "1 / 0"), tmp_path)
    assert sys.modules[type(plugin).__module__] is module


@pytest.mark.parametrize("command", ["none.py", "../none.py", "folder.py", "none.py:Class"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, command: str) -> None:
    """By its whole path, so that nobody wonders where relative ones begin; a folder is no file."""
    (tmp_path / "folder.py").mkdir()
    problem = refusal(command, tmp_path).problem
    assert problem == f"there is no file {(tmp_path / command.partition(':')[0]).resolve()}"


def test_a_plugin_s_folder_replaces_no_module_of_ours(tmp_path: Path) -> None:
    """``sys.path`` stays as it is: a ``json.py`` beside a plugin is not the real one, nor is a plugin of that name."""
    file_of(tmp_path, "raise SystemExit('the wrong json')", "json.py")
    before, path = sys.modules["json"], sys.path[:]
    load(file_of(tmp_path, "import json\njson.dumps({})\n" + SDK + PLUGIN.format(name="A")), tmp_path)
    load(file_of(tmp_path, SDK + PLUGIN.format(name="B"), "json.py"), tmp_path)
    assert sys.modules["json"] is before
    assert sys.path == path


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    """So are two registrations of one file: what one keeps in its module is not the other's."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        file_of(tmp_path / folder, SDK + PLUGIN.format(name=folder.upper()))
    first, second = load("a/plugin.py", tmp_path), load("b/plugin.py", tmp_path)
    assert (type(first).__name__, type(second).__name__) == ("A", "B")
    assert type(first).__module__ != type(second).__module__
    again = PluginRegistration.model_validate({"id": 2, "name": "q", "command": "a/plugin.py"})
    assert find_class(again, tmp_path) is not type(first)


def test_without_a_model_the_configuration_is_a_mapping(tmp_path: Path) -> None:
    """As the operator wrote it, and read-only."""
    config = load(file_of(tmp_path, SDK + PLUGIN.format(name="A")), tmp_path, anything=[1], at_all="x").config
    assert config == {"anything": [1], "at_all": "x"}
    assert isinstance(config, Mapping)
    with pytest.raises(TypeError):
        config["other"] = 1  # type: ignore[index]


def test_a_configuration_may_be_text(tmp_path: Path) -> None:
    """As authors of the protocol's peers know it: text as it is, anything else as JSON."""
    text = SDK + PLUGIN.format(name="A").replace("BasePlugin,", "BasePlugin[dict[str, str]],")
    config = load(file_of(tmp_path, text), tmp_path, a="x", b=1, c=True, d={"e": [1]}, f=None).config
    assert config == {"a": "x", "b": "1", "c": "true", "d": '{"e": [1]}', "f": "null"}


SCHEMA = """
from sluice.sdk import ConfigProvider

class Own(A, ConfigProvider):
    def get_config_schema(self):
        return b'{"properties": {"size": {"type": "integer", "default": 5}, "key": {"type": "string"}}}'
"""


@pytest.mark.parametrize(("kind", "size"), [("BasePlugin,", 5), ("BasePlugin[dict[str, str]],", "5")])
def test_a_configuration_may_be_by_a_schema(tmp_path: Path, kind: str, size: Any) -> None:
    """Of JSON: defaults are filled in before anything becomes text, and what is wrong is told without its value."""
    command = file_of(tmp_path, SDK + PLUGIN.format(name="A").replace("BasePlugin,", kind) + SCHEMA) + ":Own"
    assert load(command, tmp_path, key="k").config == {"key": "k", "size": size}
    error = refusal(command, tmp_path, key=["hunter2"])
    assert error.problem == "config.key is array, not string"
    assert "hunter2" not in str(error)


def test_a_plugin_without_a_hook_may_be_one(tmp_path: Path) -> None:
    """Of a file too: a collector, an endpoint, a receiver of payloads are found as plugins."""
    text = """
from sluice.sdk import BasePlugin, DataCollector, EdgePayloadReceiver, ManifestProvider

class Idle(BasePlugin, ManifestProvider):
    def get_manifest(self):
        return b"{}"

class Mine(BasePlugin, DataCollector):
    async def handle_proxy_log(self, ctx, log):
        return None
"""
    assert type(load(file_of(tmp_path, text), tmp_path)).__name__ == "Mine"
    assert "Idle has no capability" in refusal(file_of(tmp_path, text) + ":Idle", tmp_path).problem


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"max_body_byte": 1}, "config.max_body_byte is unknown; did you mean 'max_body_bytes'?"),
        ({"zzz": 1}, "config.zzz is unknown; known: max_body_bytes, secret"),
        ({"max_body_bytes": 0}, "config.max_body_bytes: Input should be greater than 0"),
        ({"max_body_bytes": "hunter2"}, "config.max_body_bytes: Input should be a valid integer"),
        ({"secret": ["hunter2"]}, "config.secret: Input should be a valid string"),
    ],
)
def test_a_wrong_configuration_names_its_key(config: dict[str, Any], said: str) -> None:
    """And never its value, which may be a credential: not in the message, and not in what it was raised from."""
    error = refusal(f"python://{HERE}:Limit", **config)
    assert said in f"{error.problem}; {error.remedy}"
    assert "hunter2" not in str(error)
    assert error.__cause__ is None


def test_every_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    """With its place in what is nested."""
    said = refused_config(tmp_path, "a: int\n    b: list[int] = []", b=[1, "x"])
    assert "config.a: Field required" in said
    assert "config.b.1: Input should be a valid integer" in said


def test_a_field_is_known_by_its_aliases(tmp_path: Path) -> None:
    """Each of them, and the beginning of a path; the model decides what it makes of them."""
    body = (
        "a: int = Field(1, validation_alias=AliasChoices('x', AliasPath('y', 'z')))\n    b: int = Field(2, alias='c')"
    )
    assert configured(tmp_path, body, x=7).config.a == 7
    assert configured(tmp_path, body, y={"z": 8}).config.a == 8
    assert configured(tmp_path, body, c=9).config.b == 9
    assert "config.d is unknown" in refused_config(tmp_path, body, d=1)


def test_a_model_that_says_what_extra_keys_are_is_asked(tmp_path: Path) -> None:
    """``allow`` and ``ignore`` are the author's choice."""
    allowed = configured(tmp_path, "model_config = ConfigDict(extra='allow')", anything=1)
    assert allowed.config.model_extra == {"anything": 1}
    configured(tmp_path, "model_config = ConfigDict(extra='ignore')", anything=1)
    assert "config.anything: Extra inputs" in refused_config(
        tmp_path, "model_config = ConfigDict(extra='forbid')", anything=1
    )


@pytest.mark.parametrize("raised", ["KeyError('hunter2')", "RuntimeError('hunter2')"])
def test_a_validator_that_breaks_is_refused_without_its_text(tmp_path: Path, raised: str) -> None:
    """By the type of what it raised: the text may quote the value."""
    body = f"a: str = ''\n    @field_validator('a')\n    def broken(cls, value):\n        raise {raised}"
    said = refused_config(tmp_path, body, a="hunter2")
    assert "config cannot be validated: Config raised" in said
    assert "hunter2" not in said


def test_annotations_of_a_file_are_resolved(tmp_path: Path) -> None:
    """``from __future__ import annotations`` works in a file that was never imported by name."""
    assert configured(tmp_path, "mode: Literal['a', 'b'] = 'a'", mode="b").config.mode == "b"


def checked(folder: Path, checksum: str, command: str = "plugin.py") -> type[BasePlugin[Any]]:
    """The class of a plugin whose file is known."""
    values = {"id": 1, "name": "p", "command": command, "checksum": checksum}
    return find_class(PluginRegistration.model_validate(values), folder)


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_a_file_that_is_not_the_one_that_was_checked_is_not_run(tmp_path: Path, prefix: str) -> None:
    """Neither is it told by anything that it does: its SHA-256 is looked at before."""
    file_of(tmp_path, SDK + PLUGIN.format(name="Checked"))
    good = hashlib.sha256((tmp_path / "plugin.py").read_bytes()).hexdigest()
    assert checked(tmp_path, prefix + good).__name__ == "Checked"
    file_of(tmp_path, "raise SystemExit(3)")
    with pytest.raises(PluginLoadError, match="checksum"):
        checked(tmp_path, prefix + good)


def test_what_was_read_and_checked_is_what_runs(tmp_path: Path) -> None:
    """Never bytecode that lies beside it: that is told apart by second and size alone, so that a file which is changed
    twice in a second would run as it was before, and one that was tampered with past its checksum. Nothing is left in
    the folder either."""
    first, second = (SDK + PLUGIN.format(name=name) for name in ("One", "Two"))
    path = tmp_path / "plugin.py"
    path.write_text(first)
    at = path.stat()
    assert type(load("plugin.py", tmp_path)).__name__ == "One"
    assert list(tmp_path.iterdir()) == [path]
    py_compile.compile(str(path))
    path.write_text(second)
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert type(load("plugin.py", tmp_path)).__name__ == "Two"
    assert checked(tmp_path, hashlib.sha256(second.encode()).hexdigest()).__name__ == "Two"


@pytest.mark.parametrize("command", ["file:///a/b", "limit", "python://a.b", "", "grpc://host:1"])
def test_a_command_that_nobody_validated_is_refused(command: str) -> None:
    """What was registered over the API is not run because it happens to be a path."""
    registration = PluginRegistration.model_construct(id=1, name="p", command=command, checksum="", config={})
    with pytest.raises(PluginLoadError, match=r"is no plugin of this process; write python://"):
        find_class(registration, Path())
