"""The house keeps its shape: sizes, one test file to a module, imports that point down, nothing of any one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "sluice", "gateway", "collectors")
TEXT_FILES = (".py", ".md", ".toml", ".yaml", ".yml", ".lock", ".avsc", ".json", ".sh")
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
SHORT_FUNCTION_LINES = 15
SHORT_SHARE = 0.75

TESTED_ELSEWHERE: dict[str, str] = {
    "sluice/eventlog/interface.py": "tests/contracts/test_eventlog.py",
}
"""Modules without a test file of their own → where their tests are. May only shrink."""

ONE_ROOM = {
    "aiokafka": ("sluice/eventlog/kafka/",),
    "botocore": ("gateway/upstreams/vendors/bedrock/", "collectors/sinks/s3/"),
    "cryptography": ("sluice/secrets.py",),
    "elastic_transport": ("sluice/eventstore/",),
    "elasticsearch": ("sluice/eventstore/",),
    "polars": ("collectors/",),
    "google_crc32c": ("sluice/eventlog/journal/",),
    "yaml": ("sluice/",),
}
"""Foreign libraries that one room alone knows, or one of each package: what they raise is translated there."""


def modules() -> list[Path]:
    """Our Python files, packages' ``__init__`` included; not those that protoc makes."""
    found = chain.from_iterable((ROOT / package).rglob("*.py") for package in PACKAGES)
    return sorted(path for path in found if not path.name.endswith("_pb2.py"))


def files_of_tests() -> list[Path]:
    """The Python files of the tests."""
    return sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function and its lines, docstring included, decorators not."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name_of(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def imports(path: Path) -> set[str]:
    """The modules that a file names in import statements, at its top or within functions."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_no_file_is_longer_than_its_reader_s_patience() -> None:
    """No Python file, tests included, has more than 500 lines."""
    sizes = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in [*modules(), *files_of_tests()]}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_FILE_LINES} == {}


def test_functions_fit_on_a_screen() -> None:
    """No function has more than 60 lines, and of each package's three in four have at most 15."""
    for package in PACKAGES:
        lengths = dict(chain.from_iterable(functions(path) for path in (ROOT / package).rglob("*.py")))
        assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
        short = sum(lines <= SHORT_FUNCTION_LINES for lines in lengths.values())
        assert short >= SHORT_SHARE * len(lengths), f"{package}: {short} of {len(lengths)} functions are short"


def test_every_module_has_its_test_file() -> None:
    """``sluice/money/cost.py`` is tested by ``tests/sluice/money/test_cost.py``, and so on."""
    missing = {}
    for path in modules():
        if path.name in {"__init__.py", "__main__.py"}:
            continue
        test = ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")
        if not test.is_file() and name_of(path) not in TESTED_ELSEWHERE:
            missing[name_of(path)] = name_of(test)
    assert not missing, "modules without a test file:\n" + "\n".join(f"{a} → {b}" for a, b in missing.items())


def test_what_is_tested_elsewhere_is() -> None:
    """Each exception to the rule above names a module, and a test file that imports it; none is out of date."""
    for module, test in TESTED_ELSEWHERE.items():
        own = ROOT / "tests" / Path(module).with_name(f"test_{Path(module).name}")
        assert (ROOT / module).is_file(), f"{module} is gone: remove it from TESTED_ELSEWHERE"
        assert not own.exists(), f"{name_of(own)} exists: remove {module} from TESTED_ELSEWHERE"
        known = module.removesuffix(".py").replace("/", ".")
        assert known in imports(ROOT / test), f"{test} does not import {known}"


def test_import_contracts_hold() -> None:
    """Imports point down (gateway | collectors → sluice → schemas), and the contracts of pyproject.toml hold."""
    script = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


FOR_TYPES_ALONE = {("sluice/sdk/capabilities.py", "polars")}
"""Named under ``TYPE_CHECKING``, and never imported where the program runs."""


def test_foreign_libraries_stay_in_their_rooms() -> None:
    """Each of ``ONE_ROOM``'s libraries is imported below its folders alone."""
    astray = [
        f"{name_of(path)} imports {library}"
        for path in modules()
        for library, rooms in ONE_ROOM.items()
        if any(name.partition(".")[0] == library for name in imports(path))
        and not name_of(path).startswith(rooms)
        and (name_of(path), library) not in FOR_TYPES_ALONE
    ]
    assert astray == []


def test_shipped_plugins_import_what_any_author_may() -> None:
    """Plugins we ship import ``sluice.sdk``, pydantic and the standard library, nothing else."""
    allowed = sys.stdlib_module_names | {"pydantic", "sluice.sdk"}
    for path in (ROOT / "sluice" / "plugins").glob("*.py"):
        foreign = {name for name in imports(path) if name not in allowed and name.partition(".")[0] not in allowed}
        assert foreign == set(), name_of(path)


@pytest.mark.parametrize("module", ["sluice.sdk", "sluice.sdk.testing", "schemas.codec", "schemas.topics"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    """What plugin authors import, and what an event is, load no web framework, no Kafka, no gRPC, no SQL."""
    heavy = "aiohttp aiokafka elasticsearch fastapi grpc httpx polars rich sqlalchemy starlette structlog typer uvicorn"
    script = f"import sys, {module}; print(*(set({heavy.split()!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def text_files() -> Iterator[Path]:
    """Everything a person reads here; what git ignores is not ours."""
    skipped = {".git", ".venv", ".cache", ".sluice", "dist", "__pycache__"}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        is_ours = skipped.isdisjoint(parts) and not any(part.endswith(("_cache", ".egg-info")) for part in parts)
        if is_ours and path.is_file() and (path.suffix in TEXT_FILES or path.name in {"Makefile", "run"}):
            yield path


FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:work|root|home|Users|opt(?!/sluice\b))/\w"),
    "the address of a package registry": re.compile(
        r"https?://[^\s\"'`>]*(?:pypi|pythonhosted|/simple\b|maven2|artifactory|nexus)|(?:--|extra-)index-url"
    ),
    "work that was not done": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    """Nothing here belongs to one machine or to one registry, and nothing was left for later."""
    here = Path(__file__)
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:120]}"
        for path in text_files()
        if path != here
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []
