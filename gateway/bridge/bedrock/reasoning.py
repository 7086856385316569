"""Reasoning on Bedrock: what each family of models calls it, and how its proofs go to a client and back."""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.bridge.conversation import Turn, extra_of
from gateway.bridge.interface import Unreadable
from gateway.bridge.parameters import effort_of
from gateway.bridge.taking import Taking

VENDOR: Final = "bedrock"
_CLAUDE: Final = re.compile(r"claude-(?:[a-z]+-(\d{1,2})(?:-(\d{1,2}))?(?!\d)|(\d)-(\d{1,2})-)")
_ADAPTIVE: Final = (4, 6)
"""Claude from here on decides itself how much it thinks, with an effort."""
_THINKS: Final = (3, 7)
_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384}
"""Tokens to think with, for older ones; a vendor's least is 1024."""
_MAX_PROOF_BYTES: Final = 4 << 20
_BLOCK_BYTES: Final = 64
"""What a block is held to take that has no proof yet."""
_CLAUDE_EFFORTS: Final = frozenset(("low", "medium", "high", "xhigh", "max"))
_PLAIN_EFFORTS: Final = frozenset(("low", "medium", "high"))


def add_reasoning(body: Taking, made: dict[str, Any], model: str) -> None:
    """Add what ``reasoning_effort`` means for the model to a request that is made otherwise."""
    effort = effort_of(body)
    if effort is None:
        return
    claude = _CLAUDE.search(model)
    if claude is not None:
        version = int(claude[1] or claude[3]), int(claude[2] or claude[4] or 0)
        _add_claude(body, made, effort, version)
    elif "amazon.nova-2" in model:
        _need(body, effort, _PLAIN_EFFORTS | {"none"})
        wish = {"type": "disabled"} if effort == "none" else {"type": "enabled", "maxReasoningEffort": effort}
        _extra_fields(made)["reasoningConfig"] = wish
    elif "openai.gpt-oss" in model:
        _need(body, effort, _PLAIN_EFFORTS)
        _extra_fields(made)["reasoning_effort"] = effort
    else:
        body.refuse("reasoning_effort", f"known way to make {model} reason", "leave it out, or ask Claude or Nova 2")


def _add_claude(body: Taking, made: dict[str, Any], effort: str, version: tuple[int, int]) -> None:
    if effort == "none":
        return  # it thinks where it is told to
    if version >= _ADAPTIVE:
        _need(body, effort, _CLAUDE_EFFORTS)
        _extra_fields(made)["thinking"] = {"type": "adaptive"}
        made.setdefault("outputConfig", {})["effort"] = effort
        return
    if version < _THINKS:
        body.refuse("reasoning_effort", "reasoning in this Claude", "leave it out, or ask a newer one")
    _need(body, effort, frozenset(_BUDGETS))
    budget = _BUDGETS[effort]
    maximum = made.get("inferenceConfig", {}).get("maxTokens")
    if maximum is not None and maximum <= budget:
        remedy = f"ask for more than {budget} tokens, which {effort!r} may think with"
        body.refuse("max_completion_tokens", f"room to reason in {maximum} tokens", remedy)
    _extra_fields(made)["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _need(body: Taking, effort: str, known: frozenset[str]) -> None:
    if effort not in known:
        body.refuse("reasoning_effort", f"effort {effort!r} for this model", "say " + " or ".join(sorted(known)))


def _extra_fields(made: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = made.setdefault("additionalModelRequestFields", {})
    return fields


class Proofs:
    """The signatures of reasoning blocks, as ``extra_content.bedrock.reasoning``: a signed block is the next so many
    characters of ``reasoning_content``. What is redacted has no text. Raises ``Unreadable`` for too many."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []
        self._has_proof = False
        self._size = 0

    def text(self, piece: str, *, is_new: bool) -> None:
        """A block's text goes on, or a new block begins."""
        if is_new or not self._blocks or "redacted" in self._blocks[-1]:
            self._grow(_BLOCK_BYTES)
            self._blocks.append({"characters": 0})
        self._blocks[-1]["characters"] += len(piece)

    def sign(self, signature: str) -> None:
        """The block's signature."""
        if not self._blocks or "redacted" in self._blocks[-1]:
            self._blocks.append({"characters": 0})
        self._grow(len(signature))
        self._blocks[-1]["signature"] = self._blocks[-1].get("signature", "") + signature
        self._has_proof = True

    def redact(self, data: str) -> None:
        """A block that nobody can read."""
        self._grow(len(data))
        self._blocks.append({"redacted": data})
        self._has_proof = True

    def _grow(self, size: int) -> None:
        """All of it is kept until the message ends: within a bound."""
        self._size += size
        if self._size > _MAX_PROOF_BYTES:
            message = f"the proofs of its reasoning are larger than {_MAX_PROOF_BYTES} bytes"
            raise Unreadable(message)

    def members(self) -> dict[str, Any]:
        """What a message has of it; nothing where there is nothing to prove."""
        return {"extra_content": {VENDOR: {"reasoning": self._blocks}}} if self._has_proof else {}


def blocks_of(turn: Turn) -> list[dict[str, Any]]:
    """The reasoning blocks of a message that came back. Reasoning without its proof stays here: models that sign
    refuse it, others need none of it."""
    proofs = extra_of(turn.extra, VENDOR).get("reasoning")
    if not isinstance(proofs, list):
        return []
    found, place = [], 0
    for proof in proofs:
        block, place = _block(turn.reasoning, proof, place)
        if block is None:
            return []
        found.append(block)
    return found if place == len(turn.reasoning) else []


def _block(reasoning: str, proof: Any, place: int) -> tuple[dict[str, Any] | None, int]:
    if not isinstance(proof, dict):
        return None, place
    redacted = proof.get("redacted")
    if isinstance(redacted, str):
        return {"reasoningContent": {"redactedContent": redacted}}, place
    size, signature = proof.get("characters"), proof.get("signature")
    if type(size) is not int or size < 0 or place + size > len(reasoning):
        return None, place
    text = {"text": reasoning[place : place + size]}
    if isinstance(signature, str):
        text["signature"] = signature
    return {"reasoningContent": {"reasoningText": text}}, place + size
