"""What a new plugin begins as."""

from __future__ import annotations

import ast

import pytest

from sluice.plugin_kit.blocking import blocking_calls
from sluice.plugin_kit.templates import TEMPLATES, Kind


@pytest.mark.parametrize("kind", list(TEMPLATES))
def test_a_template_is_a_page_that_teaches_well(kind: Kind) -> None:
    """At most 35 lines, a docstring first, a typed hook, its test beside it, nothing that blocks, and runnable."""
    template = TEMPLATES[kind]
    tree = ast.parse(template.plugin)
    assert ast.get_docstring(tree)
    assert len(template.plugin.strip().splitlines()) <= 35
    hooks = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    assert hooks
    assert all(hook.returns is not None for hook in hooks)
    assert blocking_calls(template.plugin) == []
    assert "serve(MyPlugin())" in template.plugin
    assert "def test_" in template.test
