"""The recipes that come along can be followed, and are those of the packaged models."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryoscore_plugin.checkpoint import load_checkpoint
from cryoscore_plugin.pretrained import find_checkpoint, packaged_models
from cryoscore_plugin.training.recipe import Recipe

FOLDER = Path(__file__).parents[2] / "examples" / "training"


@pytest.mark.parametrize("name", packaged_models())
def test_packaged_model_was_made_by_its_recipe(name: str) -> None:
    card = load_checkpoint(find_checkpoint(name)).card
    recipe = Recipe.from_yaml(FOLDER / f"{name}.yaml")
    assert Recipe.model_validate(card.training["recipe"]) == recipe
    assert card.network == recipe.network.model_dump(mode="json")


def test_ceiling_goes_on_from_the_packaged_model_it_is_compared_with() -> None:
    recipe = Recipe.from_yaml(FOLDER / "ceiling.yaml")
    assert recipe.start == "particle"
    card = load_checkpoint(find_checkpoint(recipe.start)).card
    assert recipe.network.model_dump(mode="json") == card.network
