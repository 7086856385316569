"""Every code block of every document runs, or is looked at by its language: none shows what there is not."""

from __future__ import annotations

import ast
import configparser
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluice.cli import build_app
from tests.deploy.promql import problems_of as problems_of_promql
from tests.documents import programs, settings_blocks, shell
from tests.documents.blocks import ROOT, Block, blocks_of, documents, every_block

BLOCKS = every_block()


def of(*languages: str) -> list[Block]:
    """The blocks in these languages."""
    return [block for block in BLOCKS if block.language in languages]


def look_at_output(block: Block) -> list[str]:
    """What people type or import is no output: written as ``sh`` or ``python`` it is looked at."""
    lines = block.text.splitlines()
    typed = [f"{line!r} is a command; call the block sh" for line in lines if shell.is_typed(line)]
    imports = [line for line in lines if re.match(r"(import \w+|from [\w.]+ import \w)", line)]
    return typed + [f"{line!r} is Python; call the block python" for line in imports]


def look_at_commands(block: Block) -> list[str]:
    """Each as its program takes it; settings that a script writes out are looked at as a block of their own."""
    found = shell.problems_of(block.text)
    for name, text in shell.files_written(block.text):
        found += settings_blocks.problems_of(text, str(block)) if name.endswith((".yaml", ".yml")) else []
    return found


def look_at_json(block: Block) -> list[str]:
    """One document."""
    json.loads(block.text)
    return []


def look_at_json_lines(block: Block) -> list[str]:
    """One document a line."""
    for line in block.text.splitlines():
        json.loads(line)
    return []


def look_at_toml(block: Block) -> list[str]:
    """As Python reads it."""
    tomllib.loads(block.text)
    return []


def look_at_units(block: Block) -> list[str]:
    """Systemd's files and the like: what they start is looked at as a command line."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block.text)
    started = [value for part in parser.values() for key, value in part.items() if key.startswith("Exec")]
    return [
        problem
        for line in started
        for problem in shell.problems_of(Path(line.split()[0]).name + line[len(line.split()[0]) :])
    ]


def look_at_promql(block: Block) -> list[str]:
    """Expressions, with an empty line between them, of metrics and labels that are served."""
    return [problem for text in block.text.split("\n\n") for problem in problems_of_promql(_uncommented(text))]


def _uncommented(text: str) -> str:
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


LANGUAGES: dict[str, Callable[[Block], list[str]]] = {
    "": look_at_output,
    "text": look_at_output,
    "sh": look_at_commands,
    "yaml": lambda block: settings_blocks.problems_of(block.text, str(block)),
    "json": look_at_json,
    "jsonl": look_at_json_lines,
    "toml": look_at_toml,
    "ini": look_at_units,
    "promql": look_at_promql,
    "python": lambda block: [] if ast.parse(block.text).body else ["is empty"],
}


def problems(block: Block) -> list[str]:
    """What is wrong with one; a language that nobody looks at is."""
    look = LANGUAGES.get(block.language)
    if look is None:
        return [
            f"nobody looks at {block.language!r}; use one of {', '.join(filter(None, LANGUAGES))}, or none for output"
        ]
    try:
        return look(block)
    except (ValueError, SyntaxError, configparser.Error) as error:
        return [f"is no {block.language}: {error}"]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_shows_what_there_is(block: Block) -> None:
    """Commands and options exist, settings are taken, metrics are served, files are there; by language."""
    assert problems(block) == []


@pytest.mark.parametrize("block", of("python"), ids=str)
async def test_python_runs(block: Block, tmp_path: Path) -> None:
    """As a module beside the files that its page shows, up to its first connection; the plugins that it defines are
    made, and what they do at each hook is done once."""
    for each in of("python"):
        if each.name and each.document == block.document:
            (tmp_path / each.name).write_text(each.text)
    namespace = await programs.run(block.text, Path(block.name or "shown.py").stem, tmp_path)
    for plugin in programs.plugins_of(namespace):
        assert await programs.exercise(plugin), f"{plugin.__name__} has no hook that was tried"


FREE = ("version", "token", "dashboards list", "dashboards export", "prices show", "plugins new", "gateway --openapi")
"""What asks nobody and needs no file of its reader's."""


def cheap_commands() -> list[list[str]]:
    """Those of ``FREE`` that a document shows, each once."""
    found = {tuple(words) for block in of("sh") for words in shell.commands_of(block.text) if words[0] == "sluice"}
    return sorted(list(words[1:]) for words in found if " ".join(words[1:]).startswith(FREE))


@pytest.mark.parametrize("words", cheap_commands(), ids=" ".join)
def test_cheap_commands_run(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not only parsed."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(build_app(), words)
    assert (result.exit_code, result.exception) == (0, None), result.output


PAGES = documents()
LIMIT = "python://sluice.plugins.prompt_size_limit:PromptSizeLimit"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_named_in_passing_is_there(page: Path) -> None:
    """Commands within sentences have words and options that exist, and links lead to files of the repository."""
    text = re.sub(r"^( *)(```|~~~).*?^ *\2", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = [span.replace("\n", " ") for span in re.findall(r"`((?:sluice|make) [^`]+)`", text)]
    assert [problem for span in spans if (problem := shell.problem_in_passing(span))] == []
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", re.sub(r"`[^`]*`", "", text))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("language", "text", "problem"),
    [
        ("rust", "fn main() {}", "nobody looks at"),
        ("", "sluice topics", "call the block sh"),
        ("text", "$ make run", "call the block sh"),
        ("", "from sluice.sdk import serve", "call the block python"),
        ("sh", "sluice topcis", "No such command"),
        ("sh", "sluice collect --nonsense", "No such option"),
        ("sh", "sluice tail analytics --from", "requires an argument"),
        ("sh", "TOKEN=$(sluice tokne)", "No such command"),
        ("sh", "cat x | sluice redrive --reson y && true", "No such option"),
        ("sh", "make tset", "no target"),
        ("sh", "python -m sluice.nothing", "no module"),
        ("sh", "pip install 'sluice-gateway[everything]'", "no extra"),
        ("sh", "curl http://127.0.0.1:8080/llm/cal/gpt/chat/completions", "is served by no gateway"),
        ("sh", "curl -X PATCH http://127.0.0.1:8080/api/v1/apps", "is served by no gateway"),
        ("sh", "curl http://127.0.0.1:9464/serivces", "is served by no collector"),
        ("sh", "frobnicate --all", "an unknown program"),
        ("sh", "cat deploy/nothing.yaml", "is not there"),
        ("sh", "cat > sluice.yaml <<EOF\ngateway: {prot: 1}\nEOF\n", "unknown key"),
        ("sh", "echo 'open", "No closing quotation"),
        ("yaml", "gateway: {prot: 1}", "did you mean port?"),
        ("yaml", "llms: [{id: 1, slug: a, base_url: ftp://x}]", "must be an absolute"),
        ("yaml", "- {name: a, path: 'sink://elastic'}", "sink://elastic"),
        ("yaml", f"plugins: [{{id: 1, name: a, command: '{LIMIT}', config: {{max: 1}}}}]", "max"),
        ("yaml", "model_list: []", "nothing of it is carried over"),
        ("yaml", "nobody: 1", "belong to none of"),
        ("yaml", "a: [", "is no YAML"),
        ("yaml", "rule_files: [nothing.yaml]", "is not in deploy"),
        ("json", "{", "is no json"),
        ("jsonl", "{}\n{", "is no jsonl"),
        ("toml", "a =", "is no toml"),
        ("promql", "rate(sluice_nothing_total[5m])", "no metric sluice_nothing_total"),
        ("ini", "[Service]\nExecStart=/usr/bin/sluice colect\n", "No such command"),
        ("python", "def f(:", "is no python"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_noticed(language: str, text: str, problem: str) -> None:
    """The tests above can fail, each for its own reason."""
    (block,) = blocks_of(f"```{language}\n{text}\n```\n")
    assert problem in "\n".join(problems(block))


@pytest.mark.parametrize(
    "text",
    [
        "A=1 sluice topics --json 2>&1 | jq . > out.json  # as text",
        "for name in a b; do\n  sluice token; done",
        "sluice tail analytics --where 'app_id = 7 and outcome != ok' &",
        "if ! sluice doctor --json 2> errors.txt; then echo no; fi",
        "curl -s http://127.0.0.1:9464/services/search/health && curl http://127.0.0.1:8080/metrics",
        "sluice validate \\\n  sluice.yaml",
        "cat > sluice.yaml <<'END'\ngateway: {port: 1}\nEND\nsluice validate sluice.yaml",
    ],
)
def test_what_a_shell_understands_is_understood(text: str) -> None:
    """Pipes, loops, redirections, continued lines, files written out: only our own words are looked at."""
    (block,) = blocks_of(f"```sh\n{text}\n```\n")
    assert problems(block) == []


async def test_a_program_that_fails_is_noticed(tmp_path: Path) -> None:
    """What it raises is raised; its first connection is the end of it, in peace."""
    with pytest.raises(NameError):
        await programs.run("nothing", "shown", tmp_path)
    unexpected = "async def handle_pre_auth(self, c, r): return 1"
    unexpected = f"from sluice.sdk import *\nclass Bad(BasePlugin, PreAuthHandler):\n    {unexpected}"
    (plugin,) = programs.plugins_of(await programs.run(unexpected, "shown", tmp_path))
    with pytest.raises(TypeError, match="answered 1"):
        await programs.exercise(plugin)
    reached = "import socket\nat = 1\nsocket.create_connection(('127.0.0.1', 9))\nat = 2"
    assert (await programs.run(reached, "shown", tmp_path))["at"] == 1


def test_a_block_is_found_wherever_it_stands() -> None:
    """In a list, with tildes, around other fences; one that is never closed is an error."""
    text = "- x\n\n  ```sh a.sh\n  one\n    two\n  ```\n\n~~~~yaml\n```\n~~~~\n"
    assert [(block.line, block.language, block.name, block.text) for block in blocks_of(text)] == [
        (3, "sh", "a.sh", "one\n  two\n"),
        (8, "yaml", "", "```\n"),
    ]
    with pytest.raises(ValueError, match="never closed"):
        list(blocks_of("```sh\nls\n"))
