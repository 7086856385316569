"""Members of a chat request that all vendors have in some form, read and checked once for them."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from gateway.bridge.taking import Taking

Mode = Literal["auto", "none", "required"]

IGNORED: Final = (
    "user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prompt_cache_options",
)  # fmt: skip
"""What is for OpenAI's own books and caches, and changes nothing of an answer."""
MAX_LOGPROBS: Final = 20
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Function(msgspec.Struct, frozen=True):
    """One tool."""

    name: str
    path: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    is_strict: bool = False


class Tools(msgspec.Struct, frozen=True):
    """The tools of a request, and which of them may or must be called."""

    functions: tuple[Function, ...] = ()
    mode: Mode = "auto"
    names: tuple[str, ...] = ()
    """The only ones that may be called; empty where all may."""
    is_one_at_most: bool = False
    """``parallel_tool_calls: false``."""


class Format(msgspec.Struct, frozen=True):
    """What the text of an answer must be."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    schema: dict[str, Any] = {}
    name: str = ""
    description: str = ""

    @property
    def labelled_schema(self) -> dict[str, Any]:
        """The schema with its name and description in it, where it says none of its own."""
        labels = {"title": self.name, "description": self.description}
        return {name: text for name, text in labels.items() if text} | self.schema


def take_envelope(body: Taking) -> None:
    """Take what says nothing of the answer itself."""
    body.ignore("model", "stream", *IGNORED)
    options = body.inner("stream_options")
    if options is not None:
        options.ignore("include_usage", "include_obfuscation")
        options.refuse_rest()
    body.only("modalities", ["text"])
    for name in ("functions", "function_call"):
        if name in body:
            body.refuse(name, repr(name), "use tools and tool_choice")


def maximum_of(body: Taking) -> int | None:
    """``max_completion_tokens``, or ``max_tokens`` as it was called before."""
    maximum, older = body.integer("max_completion_tokens"), body.integer("max_tokens")
    if maximum is not None and older is not None and maximum != older:
        body.refuse("max_tokens", "second maximum", "send max_completion_tokens alone")
    named = maximum if maximum is not None else older
    if named is not None and named < 1:
        body.fail("max_tokens" if maximum is None else "max_completion_tokens", "a whole number of at least 1")
    return named


def stops_of(body: Taking, most: int) -> list[str]:
    """``stop``: at most so many texts."""
    stops = body.texts("stop")
    if len(stops) > most:
        body.refuse("stop", f"more than {most} stop sequences", "send fewer")
    if not all(stops):
        body.fail("stop", "texts that are not empty")
    return stops


def effort_of(body: Taking) -> str | None:
    """``reasoning_effort``."""
    effort = body.text("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        body.fail("reasoning_effort", "one of " + ", ".join(EFFORTS))
    return effort


def logprobs_of(body: Taking) -> int | None:
    """How many other tokens beside each one are wanted (``logprobs``, ``top_logprobs``); ``None`` where no
    probabilities are."""
    wants, most = body.flag("logprobs"), body.integer("top_logprobs")
    if most is not None and not (0 <= most <= MAX_LOGPROBS if wants else most == 0):
        body.fail("top_logprobs", f"a whole number from 0 to {MAX_LOGPROBS}, beside logprobs: true")
    return (most or 0) if wants else None


def tools_of(body: Taking) -> Tools:
    """``tools``, ``tool_choice`` and ``parallel_tool_calls``."""
    functions = tuple([_function(tool, body.path_of(f"tools.{n}")) for n, tool in enumerate(body.items("tools"))])
    mode, names = _choice(body)
    known = {function.name for function in functions}
    for name in names:
        if name not in known:
            body.fail("tool_choice", f"a choice of the request's tools: there is none that is called {name!r}")
    if not functions and mode == "required":
        body.fail("tool_choice", "'auto' or 'none' where there are no tools")
    parallel = body.flag("parallel_tool_calls")
    return Tools(functions, mode, names, parallel is False and bool(functions))


def _function(tool: Taking, path: str) -> Function:
    kind = tool.needed_text("type")
    if kind != "function":
        tool.refuse("type", f"tool of type {kind!r}", "describe it as a function")
    function = tool.needed("function")
    parameters = function.take("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        function.fail("parameters", "a JSON schema, which is an object")
    found = Function(
        function.needed_text("name"),
        path,
        function.text("description") or "",
        parameters,
        is_strict=bool(function.flag("strict")),
    )
    function.refuse_rest()
    tool.refuse_rest()
    return found


def _choice(body: Taking) -> tuple[Mode, tuple[str, ...]]:
    value = body.take("tool_choice")
    if value is None or value == "auto":
        return "auto", ()
    if value in ("none", "required"):
        return value, ()
    if not isinstance(value, dict):
        body.fail("tool_choice", "'none', 'auto', 'required', or an object that names a function")
    choice = Taking(value, body.vendor, body.path_of("tool_choice"))
    kind = choice.needed_text("type")
    if kind == "function":
        found: tuple[Mode, tuple[str, ...]] = ("required", (_named(choice),))
    elif kind == "allowed_tools":
        found = _allowed(choice.needed("allowed_tools"))
    else:
        choice.refuse("type", f"choice of type {kind!r}", "name a function")
    choice.refuse_rest()
    return found


def _named(choice: Taking) -> str:
    function = choice.needed("function")
    name = function.needed_text("name")
    function.refuse_rest()
    return name


def _allowed(allowed: Taking) -> tuple[Mode, tuple[str, ...]]:
    mode = allowed.needed_text("mode")
    names = []
    for tool in allowed.items("tools"):
        tool.only("type", "function")
        names.append(_named(tool))
        tool.refuse_rest()
    if mode not in {"auto", "required"}:
        allowed.fail("mode", "'auto' or 'required'")
    if not names:
        allowed.fail("tools", "a list of at least one function")
    allowed.refuse_rest()
    return "required" if mode == "required" else "auto", tuple(names)


def format_of(body: Taking) -> Format:
    """``response_format``."""
    given = body.inner("response_format")
    if given is None:
        return Format()
    kind = given.needed_text("type")
    if kind in {"text", "json_object"}:
        given.refuse_rest()
        return Format("text" if kind == "text" else "json_object")
    if kind != "json_schema":
        given.refuse("type", f"format {kind!r}", "ask for text, json_object or json_schema")
    described = given.needed("json_schema")
    schema = described.take("schema")
    if not isinstance(schema, dict):
        described.fail("schema", "a JSON schema, which is an object", is_missing=schema is None)
    found = Format("json_schema", schema, described.text("name") or "", described.text("description") or "")
    described.flag("strict")  # where a vendor keeps to schemas at all, it does so strictly
    described.refuse_rest()
    given.refuse_rest()
    return found


def verbosity_is_usual(body: Taking) -> None:
    """Take ``verbosity``, which OpenAI's models alone have; ``medium`` is how they answer anyway."""
    body.only("verbosity", "medium")


def take_what_is_usual(body: Taking) -> None:
    """Take what vendors without choices, penalties, biases and log probabilities do anyway, and refuse what else."""
    body.only("n", 1)
    body.only("frequency_penalty", 0, 0.0)
    body.only("presence_penalty", 0, 0.0)
    body.only("logit_bias", {})
    body.only("logprobs", False)
    body.only("top_logprobs", 0)
    verbosity_is_usual(body)


def texts_to_embed(body: Taking) -> list[str]:
    """``input``, in texts; lists of OpenAI's token numbers mean nothing to others."""
    value = body.take("input")
    found = value if isinstance(value, list) else [value]
    if not found or value is None:
        body.fail("input", "a string or a list of strings", is_missing=value is None)
    if isinstance(found[0], int | list) and not isinstance(found[0], bool):
        body.refuse("input", "tokens of OpenAI's", "send texts")
    if not all(isinstance(text, str) for text in found):
        body.fail("input", "a string or a list of strings")
    return found


class Wish(msgspec.Struct, frozen=True):
    """What an embeddings request asks beside the texts."""

    texts: list[str]
    dimensions: int | None
    model: str


def embedding_wish(body: Taking, model: str) -> Wish:
    """Read a whole embeddings request; raises ``Unsupported`` or ``Invalid``."""
    body.ignore("model", *IGNORED)
    texts, dimensions = texts_to_embed(body), body.integer("dimensions")
    if dimensions is not None and dimensions < 1:
        body.fail("dimensions", "a whole number of at least 1")
    coding = body.text("encoding_format")
    if coding not in {None, "float", "base64"}:
        body.fail("encoding_format", "'float' or 'base64'")
    body.refuse_rest()
    return Wish(texts, dimensions, model)
