"""Command lines of documents, looked at without running them: every word that is ours must be known."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import typer.main

from collectors.server import add_pages, add_services
from gateway.routes import parse_route
from sluice.cli import build_app
from tests.documents.blocks import FOLDERS, ROOT

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_HERE_DOCUMENT = re.compile(
    r"^(?P<line>.*)<<-?\s*(['\"]?)(?P<end>\w+)\2.*\n(?P<body>(?:.*\n)*?)\s*(?P=end)\n", re.MULTILINE
)
_ENDS = {"|", "||", "&", "&&", ";", "(", ")"}
_INTO = {">", ">>", "<", "&>"}
_ERRORS_TO = re.compile(r"(?<=\s)2>(?:&1|>?\s*[^\s;|&]+)")
_BEFORE = {"export", "sudo", "exec", "time", "!", "if", "while", "until", "then", "else", "do"}
_AROUND = {"for", "done", "fi"}
_OURS = re.compile(rf"(?:\./)?(?:{'|'.join(FOLDERS)})/[\w./-]+")
_COMPLETION = {"--install-completion", "--show-completion"}
_OUR_HOSTS = {"127.0.0.1", "localhost", "gateway", "collectors"}
COLLECTORS_PORT = 9464


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each simple command of a script, those within ``$(…)`` too; ValueError for an open quote."""
    for line in re.sub(r"\\\n\s*", " ", _HERE_DOCUMENT.sub("\n", text)).splitlines():
        for inner in _SUBSTITUTION.findall(line):
            yield from commands_of(inner)
        lexer = shlex.shlex(
            _ERRORS_TO.sub("", _SUBSTITUTION.sub("substituted", line)), posix=True, punctuation_chars="();<>|&"
        )
        lexer.whitespace_split, lexer.commenters = True, "#"
        yield from _split(list(lexer))


def files_written(text: str) -> Iterator[tuple[str, str]]:
    """Name and contents of each file that a script writes out with ``<<``."""
    for match in _HERE_DOCUMENT.finditer(text):
        target = re.search(r">\s*(\S+)", match["line"])
        yield (target[1] if target else "", match["body"])


def _split(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    at = 0
    while at < len(words):
        if words[at] in _ENDS:
            yield from ([command] if command else [])
            command = []
        elif words[at] in _INTO:
            at += 1  # a file is no word of the command
        else:
            command.append(words[at])
        at += 1
    if command:
        yield command


def problems_of(text: str) -> list[str]:
    """What a script names that there is not."""
    try:
        return [problem for words in commands_of(text) for problem in problems_of_command(words)]
    except ValueError as error:
        return [f"{error}: {text}"]


def problems_of_command(words: list[str]) -> list[str]:
    """Of one command: its program, its words as that takes them, and the files of this repository that it names."""
    while words and (words[0] in _BEFORE or _ASSIGNMENT.fullmatch(words[0])):
        words = words[1:]
    if not words or words[0] in _AROUND:
        return []
    program = words[0].rpartition("/")[2] if words[0].startswith(".venv/") else words[0]
    check = _nothing if _KAFKA.fullmatch(program) else _PROGRAMS.get(program)
    if check is None:
        return [f"{program!r}: an unknown program; if it is one, teach tests/documents/shell.py what it takes"]
    line = " ".join(words)
    gone = [word for word in words[1:] if _OURS.fullmatch(word) and not (ROOT / word).exists()]
    return [f"{line}: {problem}" for problem in [*check(words[1:]), *(f"{word} is not there" for word in gone)]]


@cache
def root_command() -> Any:
    """All of ``sluice``, as the parser has it."""
    return typer.main.get_command(build_app())


def _sluice(words: list[str]) -> list[str]:
    """Down the tree, as the parser does it, without running anything: commands, options, arguments and their types."""
    if _COMPLETION & set(words):
        return []
    node, context, name = root_command(), None, "sluice"
    try:
        while True:
            asks = {"--help", "-h"} & set(words)
            context = node.make_context(name, [*words], parent=context, resilient_parsing=bool(asks))
            rest = [*context._protected_args, *context.args]
            if not getattr(node, "commands", None) or not rest:
                return []
            name, node, words = node.resolve_command(context, rest)
    except Exception as error:  # noqa: BLE001 - whatever the parser says is what is wrong
        return [getattr(error, "message", "") or str(error) or type(error).__name__]


def _make(words: list[str]) -> list[str]:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = [word for word in words if not _ASSIGNMENT.fullmatch(word) and not word.startswith("-")]
    variables = [word.partition("=")[0] for word in words if _ASSIGNMENT.fullmatch(word)]
    problems = [f"no target {word!r}" for word in named if word not in targets]
    return problems + [f"the Makefile has no variable {name!r}" for name in variables if name != "ARGS"]


def _python(words: list[str]) -> list[str]:
    if words[:1] == ["-m"] and len(words) > 1:
        if words[1] == "pip":
            return _pip(words[2:])
        try:
            found = importlib.util.find_spec(words[1])
        except ModuleNotFoundError:
            found = None
        return [] if found else [f"no module {words[1]!r}"]
    if words[:1] == ["-c"] and len(words) > 1:
        compile(words[1], "a command of a document", "exec")
    return []


def _pip(words: list[str]) -> list[str]:
    """Our own package, with extras that it has; requirement files are looked for as every file is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    problems = []
    for word in words:
        match = re.fullmatch(r"(?P<name>sluice[\w-]*|\.)(?:\[(?P<extras>[\w,-]+)\])?", word)
        if match and match["name"] not in {project["name"], "."}:
            problems.append(f"the package is called {project['name']}")
        if match and match["extras"]:
            unknown = set(match["extras"].split(",")) - set(project["optional-dependencies"])
            problems += [f"no extra {extra!r}" for extra in sorted(unknown)]
    return problems


def _curl(words: list[str]) -> list[str]:
    """An address of ours has a path that is served, by what is at its port."""
    urls = [urlsplit(word) for word in words if word.startswith(("http://", "https://"))]
    ours = [
        url
        for url in urls
        if url.hostname in {"127.0.0.1", "localhost", "gateway", "collectors"} or url.hostname is None
    ]
    method = words[words.index("-X") + 1] if "-X" in words[:-1] else "POST" if _sends(words) else "GET"
    problems = [] if urls else ["names no address"]
    for url in ours:
        is_collectors = url.port == COLLECTORS_PORT or url.hostname == "collectors"
        if not (_collectors_serve if is_collectors else _gateway_serves)(method, url.path):
            problems.append(f"{method} {url.path} is served by no {'collector' if is_collectors else 'gateway'}")
    return problems


def _sends(words: list[str]) -> bool:
    return any(word.startswith(("-d", "--data", "--json", "-T")) for word in words)


def _collectors_serve(method: str, path: str) -> bool:
    return any(each == method and re.fullmatch(pattern, path) for each, pattern in _collectors_routes())


@cache
def _collectors_routes() -> list[tuple[str, str]]:
    """As the server itself adds them."""
    from aiohttp import web  # noqa: PLC0415 - only where a document asks a collector

    async def nothing(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    add_pages(app, nothing, nothing, nothing)
    add_services(app, nothing, nothing, pause=nothing, resume=nothing)
    routes = [route for route in app.router.routes() if route.resource is not None]
    return [(route.method, _pattern(route.resource.canonical)) for route in routes if route.resource]


def _gateway_serves(method: str, path: str) -> bool:
    route = parse_route(path)
    if route is not None:
        return not route.problem
    if re.fullmatch(r"/ai/[^/]+/v1/.+|/plugins/[^/]+(/.*)?|/console(/.*)?|/health|/ready|/metrics", path):
        return True
    return any(each == method and re.fullmatch(pattern, path) for each, pattern in _control_routes())


@cache
def _control_routes() -> list[tuple[str, str]]:
    """As the control API's own document has them."""
    from gateway.control.api.application import openapi_document  # noqa: PLC0415 - heavy

    paths = openapi_document()["paths"]
    return [(method.upper(), _pattern(path)) for path, methods in paths.items() for method in methods]


def _pattern(path: str) -> str:
    return re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(path))


def _nothing(_: list[str]) -> list[str]:
    """The system's own programs take what they take."""
    return []


_SYSTEM = (
    "apt-get awk cat cd chmod chown cp createdb cut date df docker du echo git go grep gunzip gzip head helm install "
    "java journalctl jq kill kubectl ls mkdir mv openssl pg_dump promtool psql rm rsync sha256sum sleep sort sqlite3 "
    "stat systemctl tail tar tee touch umask useradd wc xargs zcat"
)
_KAFKA = re.compile(r"kafka-[a-z-]+\.sh")
_PROGRAMS: dict[str, Callable[[list[str]], list[str]]] = {
    **dict.fromkeys(_SYSTEM.split(), _nothing),
    "sluice": _sluice,
    "make": _make,
    "python": _python,
    "python3": _python,
    "pip": _pip,
    "curl": _curl,
}


def is_typed(line: str) -> bool:
    """Whether a line is one that people are to type: then its block is one of ``sh``."""
    words = line.removeprefix("$ ").split()
    return len(words) > 1 and words[0] in {"sluice", "make", "curl", "pip", "python", "python3", "export"}


def problem_in_passing(text: str) -> str:
    """What a command named within a sentence names that there is not; its values may be left out or be ``N``."""
    try:
        words = [word for word in shlex.split(text) if set(word) - set("…[]|.")]
    except ValueError:
        return ""
    check = _PROGRAMS[words[0]]
    found = check(words[1:])
    return next((each for each in found if each.startswith(("No such", "no target", "no module"))), "")
