"""Tests of ``sluice.sdk.plugin``."""

from __future__ import annotations

from collections.abc import Mapping
from types import new_class
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from sluice.sdk import BasePlugin
from sluice.sdk.plugin import config_texts, read_config
from sluice.sdk.testing import make_context

ModelT = TypeVar("ModelT", bound=BaseModel)


class Config(BaseModel):
    """A plugin's configuration."""

    size: int = 7


class Modelled(BasePlugin[Config]):
    """Says what its configuration is."""

    name = "modelled"
    version = "1.2.3"
    description = "an example"


class Unmodelled(BasePlugin):
    """Takes whatever the operator wrote."""


class Shared(BasePlugin[ModelT], Generic[ModelT]):
    """A base that leaves the model to its subclasses."""


class Concrete(Shared[Config]):
    """And one that says it."""


class Inherited(Modelled):
    """A plugin of a plugin."""


@pytest.mark.parametrize(
    ("plugin", "model"),
    [
        (Modelled, Config),
        (Inherited, Config),
        (Concrete, Config),
        (Shared, None),
        (Unmodelled, None),
        (new_class("Explicit", (BasePlugin[Mapping[str, Any]],)), None),
    ],
)
def test_the_model_is_taken_from_the_class(plugin: type[BasePlugin[Any]], model: type[BaseModel] | None) -> None:
    """``BasePlugin[Model]``, also through generic bases; a mapping has none."""
    assert plugin.config_type is model


def test_a_configuration_is_a_model_or_a_mapping() -> None:
    """Anything else could not be validated, and is refused when the class is made."""
    with pytest.raises(TypeError, match="Wrong: a configuration is a pydantic model or a Mapping, not int"):
        new_class("Wrong", (BasePlugin[int],))


def test_a_plugin_has_a_name() -> None:
    """From the class, from the argument, or the class's own name."""
    assert (Modelled().name, Modelled().version, Modelled().description) == ("modelled", "1.2.3", "an example")
    assert Unmodelled().name == "Unmodelled"
    given = Modelled("other", "2", "text")
    assert (given.name, given.version, given.description) == ("other", "2", "text")
    assert Modelled.name == "modelled"


async def test_life_without_anything_to_do() -> None:
    """``initialize`` and ``shutdown`` need not be written."""
    plugin = Modelled()
    await plugin.initialize(make_context(), Config())
    await plugin.shutdown(make_context())


class Textual(BasePlugin[dict[str, str]]):
    """Takes every value as text."""


class TextualToo(BasePlugin[Mapping[str, str]]):
    """By the other way to write it."""


def test_a_configuration_of_texts_has_texts_alone() -> None:
    """Those that are texts as they are, all others as JSON."""
    written = {"a": "1", "b": 1, "c": True, "d": None, "e": [1, "x"], "f": {"g": 1.5}, "h": "{"}
    texts = {"a": "1", "b": "1", "c": "true", "d": "null", "e": '[1, "x"]', "f": '{"g": 1.5}', "h": "{"}
    assert config_texts(written) == texts
    for plugin in (Textual, TextualToo):
        assert read_config(plugin, written) == texts
        assert plugin.config_type is None


@pytest.mark.parametrize(
    ("plugin", "is_text"),
    [
        (Textual, True),
        (Unmodelled, False),
        (Modelled, False),
        (new_class("Any", (BasePlugin[dict[str, Any]],)), False),
        (new_class("Child", (Textual,)), True),
    ],
)
def test_only_texts_are_made_texts(plugin: type[BasePlugin[Any]], is_text: bool) -> None:
    """A mapping of anything is what the operator wrote."""
    assert plugin.config_is_text is is_text


def test_a_mapping_cannot_be_changed() -> None:
    """It is the operator's; a model has its own rules."""
    config = read_config(Unmodelled, {"a": [1]})
    assert config == {"a": [1]}
    with pytest.raises(TypeError):
        config["b"] = 1
    assert read_config(Modelled, {"size": "8"}).size == 8
