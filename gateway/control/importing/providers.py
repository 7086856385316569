"""LiteLLM's providers: which vendor each is here, where it is called, and where LiteLLM finds its key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from gateway.control.importing.plan import Plan, Values
from gateway.upstreams.vendors.bedrock.auth import region_of

ENVIRONMENT: Final = "os.environ/"


class Provider(NamedTuple):
    """One of LiteLLM's."""

    vendor: str
    endpoint: str = ""
    """The vendor's own; empty where each customer has another."""
    key_variable: str = ""
    """Where LiteLLM looks for a key that the file does not give."""


_COMPATIBLE: Final = Provider("compatible")
_AZURE: Final = Provider("azure", key_variable="AZURE_API_KEY")
_OPENAI: Final = Provider("openai", "https://api.openai.com/v1", "OPENAI_API_KEY")
_VERTEX: Final = Provider("vertex")
_BEDROCK: Final = Provider("bedrock")
_OLLAMA: Final = Provider("ollama", "http://localhost:11434")
PROVIDERS: Final[Mapping[str, Provider]] = {
    "openai": _OPENAI,
    "text-completion-openai": _OPENAI,
    "custom_openai": _OPENAI,
    "openai_like": _OPENAI,
    "azure": _AZURE,
    "azure_text": _AZURE,
    "anthropic": Provider("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "anthropic_text": Provider("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "gemini": Provider("google_ai", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY"),
    "vertex_ai": _VERTEX,
    "vertex_ai_beta": _VERTEX,
    "bedrock": _BEDROCK,
    "bedrock_converse": _BEDROCK,
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "huggingface": Provider("huggingface", "https://router.huggingface.co", "HF_TOKEN"),
    "mistral": Provider("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "groq": Provider("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "deepseek": Provider("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "openrouter": Provider("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "xai": Provider("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    **dict.fromkeys(
        ("hosted_vllm", "vllm", "lm_studio", "llamafile", "xinference", "infinity", "litellm_proxy"), _COMPATIBLE
    ),
}
"""By what stands before a model's name. Addresses and variables are those of LiteLLM's documentation of providers."""
_NAMES: Final = (
    (re.compile(r"gpt-|chatgpt-|o[134](-|$)|text-embedding-|ft:gpt-|davinci-|babbage-"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
)
"""By the names of models that LiteLLM knows without anything before them."""
_OPENAI_HOST: Final = "api.openai.com"
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
_BEDROCK_ROUTES: Final = ("converse/", "invoke/", "converse_like/")
_AWS_KEY: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
PLACE_PARAMS: Final = frozenset((
    *_AWS_KEY, "aws_region_name", "aws_bedrock_runtime_endpoint", "vertex_location", "vertex_credentials",
))  # fmt: skip
"""What of a deployment says where it is and proves us to it, beside ``api_base`` and ``api_key``."""


class Unplaced(Exception):  # noqa: N818 - it ends one deployment and no import
    """A deployment cannot be carried over; says why."""


class Place(NamedTuple):
    """Where a deployment's model is called."""

    vendor: str
    endpoint: str
    model: str
    """The vendor's name for it."""
    key: str | None = None
    """As ``api_key`` has it; ``None`` where LiteLLM would send none."""


class Parameters:
    """``litellm_params`` of one deployment, with what its texts refer to in the environment."""

    def __init__(self, values: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self._values = values
        self._variables = variables

    def resolved(self, *keys: str) -> str:
        """The first of these that is there, looked up; empty where none is. Raises Unplaced."""
        for key in keys:
            text = str(self._values.get(key) or "")
            if text.startswith(ENVIRONMENT):
                name = text.removeprefix(ENVIRONMENT)
                if not self._variables.get(name):
                    reason = f"its {key} is in the environment variable {name}, which is not set here; set it to import"
                    raise Unplaced(reason)
                return self._variables[name]
            if text:
                return text
        return ""

    def variable(self, *names: str) -> str:
        """The first of these variables that is set."""
        return next((self._variables[name] for name in names if self._variables.get(name)), "")


def place_of(params: Mapping[str, Any], variables: Mapping[str, str]) -> Place:
    """Which vendor's model a deployment is, where, and with which key of the vendor's own. Raises Unplaced."""
    given = Parameters(params, variables)
    base = given.resolved("api_base", "base_url").rstrip("/")
    name, model = _provider_of(params, has_base=bool(base))
    provider = PROVIDERS.get(name)
    if provider is None:
        known = ", ".join(sorted({each.vendor for each in PROVIDERS.values()}))
        who = name or "is not named, and"
        raise Unplaced(f"its vendor {who} is not in this version; known: {known} (write it before the model's name)")
    if provider is _BEDROCK:
        return _on_bedrock(model, base, given)
    if provider is _VERTEX:
        return _on_vertex(model, base, given)
    if not base and not provider.endpoint:
        raise Unplaced("has no api_base; write one")
    vendor, key = provider.vendor, None
    if provider is _OPENAI and base and urlsplit(base).hostname != _OPENAI_HOST:
        vendor = "compatible"
    elif provider.key_variable:
        key = f"env:{provider.key_variable}"
    if provider.vendor == "huggingface":
        model = _on_the_router(model, has_base=bool(base))
    return Place(vendor, _without_call(base) or provider.endpoint, model, key)


def _provider_of(params: Mapping[str, Any], *, has_base: bool) -> tuple[str, str]:
    named, model = params.get("custom_llm_provider"), str(params["model"])
    prefix, found, rest = model.partition("/")
    if isinstance(named, str) and named:
        return named, rest if found and prefix == named else model
    if found and (prefix in PROVIDERS or not has_base):
        return prefix, rest
    known = next((provider for names, provider in _NAMES if names.match(model)), "")
    return known or ("openai" if has_base else ""), model


def _without_call(base: str) -> str:
    """Without the path of the call itself, which some write behind the address."""
    for end in ("/chat/completions", "/v1/messages", "/api/chat", "/api/generate"):
        base = base.removesuffix(end)
    return base.rstrip("/")


def _on_the_router(model: str, *, has_base: bool) -> str:
    """LiteLLM writes the router's provider before a model (``together/owner/name``), the router behind it."""
    owner, _, name = model.rpartition("/")
    provider, found, owner = owner.rpartition("/")
    return f"{owner}/{name}:{provider}" if found and provider and not has_base else model


def _on_bedrock(model: str, base: str, given: Parameters) -> Place:
    for route in _BEDROCK_ROUTES:
        model = model.removeprefix(route)
    before, found, rest = model.partition("/")
    region = given.resolved("aws_region_name")
    if found and _REGION.fullmatch(before):
        region, model = region or before, rest
    region = region or given.variable("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
    endpoint = given.resolved("aws_bedrock_runtime_endpoint").rstrip("/") or base
    region = region or region_of(urlsplit(endpoint).hostname or "")
    if not region:
        raise Unplaced("has no aws_region_name; write one")
    parts = [part for part in (given.resolved(name) for name in _AWS_KEY) if part]
    if len(parts) == 1:
        raise Unplaced("has half an AWS key; write aws_access_key_id and aws_secret_access_key, or neither")
    key = f"{':'.join(parts)}@{region}"
    return Place("bedrock", endpoint or f"https://bedrock-runtime.{region}.amazonaws.com", model, key)


def _on_vertex(model: str, base: str, given: Parameters) -> Place:
    location = given.resolved("vertex_location") or given.variable("VERTEXAI_LOCATION", "VERTEX_LOCATION")
    if not base and not location:
        raise Unplaced("has no vertex_location; write one")
    host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
    credentials = given.resolved("vertex_credentials") or given.variable("GOOGLE_APPLICATION_CREDENTIALS")
    if not credentials:
        raise Unplaced("has no vertex_credentials, and those of this host are not used; name a service account's key")
    key = credentials if credentials.lstrip().startswith("{") else f"file:{credentials}"
    return Place("vertex", base or f"https://{host}", model, key)


def key_of(what: str, params: Mapping[str, Any], place: Place, plan: Plan) -> Values:
    """The vendor key as an LLM has it: the deployment's own, else where LiteLLM looks for one."""
    given = params.get("api_key")
    if given is None:
        return {"api_key": place.key} if place.key else {}
    text = str(given)
    if text.startswith(ENVIRONMENT):
        return {"api_key": f"env:{text.removeprefix(ENVIRONMENT)}"}
    if text.startswith(("env:", "file:")):
        plan.leave(what, "its api_key begins like a place where a key is found; set it yourself")
        return {}
    return {} if text.lower() in {"", "none"} else {"api_key": text}
