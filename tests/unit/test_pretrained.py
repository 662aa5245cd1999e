"""A name finds a packaged model, a path finds a file, all else lists the names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryoscore_plugin import pretrained
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.pretrained import find_checkpoint, packaged_models


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packaged models in place of the real one; also where we stand."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("particle.safetensors", "membrane.safetensors", "notes.txt"):
        (folder / name).touch()
    monkeypatch.setattr(pretrained, "PACKAGED", folder)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.usefixtures("shelf")
def test_models_are_listed_by_name() -> None:
    assert packaged_models() == ["membrane", "particle"]


def test_a_name_finds_the_packaged_model_even_beside_a_file(shelf: Path) -> None:
    Path("particle").touch()
    assert find_checkpoint("particle") == shelf / "particle.safetensors"
    assert find_checkpoint("./particle") == Path("particle")


@pytest.mark.usefixtures("shelf")
def test_a_path_finds_its_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    mine.touch()
    assert find_checkpoint(str(mine)) == mine


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("model", ["partcle", "none.safetensors", "weights", ""])
def test_an_unknown_name_lists_the_known_ones(model: str) -> None:
    with pytest.raises(ConfigError, match=r"Packaged are: membrane, particle\."):
        find_checkpoint(model)
