"""Tests of ``sluice.sdk.serving.entry``."""

from __future__ import annotations

import subprocess
import sys

PLUGIN = "from sluice.sdk import BasePlugin, serve\nclass Plain(BasePlugin): name = 'plain'\n"


def python(script: str) -> subprocess.CompletedProcess[str]:
    """A process of its own."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_a_plugin_s_file_loads_no_grpc_until_it_serves() -> None:
    """The same file runs in the gateway's process too."""
    run = python(PLUGIN + "import sys\nprint(sorted({'grpc', 'google.protobuf', 'httpx', 'yaml'} & set(sys.modules)))")
    assert (run.stdout, run.returncode) == ("[]\n", 0)


def test_without_its_libraries_it_names_the_command_that_installs_them() -> None:
    """Exit code 1, one line, no traceback."""
    run = python("import sys\nsys.modules['grpc'] = None\n" + PLUGIN + "serve(Plain())")
    assert (run.returncode, run.stdout) == (1, "")
    assert "pip install 'sluice-gateway[plugins]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_another_missing_module_is_not_hidden() -> None:
    """It is not what that command installs."""
    run = python("import sys\nsys.modules['sluice.clock'] = None\n" + PLUGIN + "serve(Plain())")
    assert "sluice-gateway[plugins]" not in run.stderr
    assert "sluice.clock" in run.stderr


def test_options_come_from_the_call() -> None:
    """And what is wrong with them is one line."""
    run = python(PLUGIN + "serve(Plain(), address='192.0.2.1:7000')")
    assert run.returncode == 1
    assert "--certificate, --key and --token" in run.stderr
    assert "Traceback" not in run.stderr
