"""The version that pages, reports and the API name."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from gateway import version as module


def test_it_is_the_installed_package_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or ``unknown``: a gateway that was not installed runs all the same."""
    module.program_version.cache_clear()
    assert module.program_version() == version("sluice-gateway")

    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(module, "version", missing)
    module.program_version.cache_clear()
    assert module.program_version() == "unknown"
    module.program_version.cache_clear()
