"""What was saved is what is loaded; anything else is refused in words."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.checkpoint import (
    ModelCard,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from cryoscore_plugin.errors import CheckpointError

CARD = ModelCard(
    name="tiny",
    description="A model for tests.",
    network={"channels": [4, 8]},
    working_pixel_size=3.0,
    background="removed",
    training={"held_out": ["1abc"], "seed": 7},
    figures={"correlation": {"20": 0.7}},
    limits=["Not for tilted specimens."],
)
TENSORS = {
    "weight": torch.arange(12.0).reshape(3, 4),
    "half": torch.tensor([1.5, -2], dtype=torch.bfloat16),
    "number": torch.tensor(3),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, TENSORS, CARD)
    return path


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("content") / "tiny.safetensors"
    save_checkpoint(path, TENSORS, CARD)
    return path.read_bytes()


def test_what_was_saved_is_loaded(model: Path) -> None:
    found = load_checkpoint(model)
    assert found.card == CARD == read_card(model)
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_weights_in_any_memory_layout_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "strided.safetensors"
    weight = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    save_checkpoint(path, {"a": weight, "same": weight, "t": weight[0, 0].T}, CARD)
    assert torch.equal(load_checkpoint(path).tensors["a"], weight)


def test_a_length_that_begins_like_a_pickle_is_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for extra in range(0, 256, 4):
        card = CARD.model_copy(update={"description": "A" * extra})
        save_checkpoint(path, TENSORS, card)
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    assert load_checkpoint(path).card == card


def test_the_hash_is_that_of_the_contents(model: Path, tmp_path: Path) -> None:
    again = save_checkpoint(tmp_path / "again.safetensors", TENSORS, CARD)
    assert again == load_checkpoint(model).sha256
    renamed = CARD.model_copy(update={"name": "other"})
    assert save_checkpoint(tmp_path / "a.safetensors", TENSORS, renamed) != again
    changed = TENSORS | {"weight": TENSORS["weight"].reshape(4, 3)}
    assert save_checkpoint(tmp_path / "b.safetensors", changed, CARD) != again


@given(data=st.data())
def test_a_change_of_any_byte_is_refused(
    data: st.DataObject, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    position = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.integers(0, 7))
    altered = bytearray(content)
    altered[position] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "altered.safetensors"
    path.write_bytes(altered)
    with pytest.raises(CheckpointError, match=r"altered\.safetensors should be"):
        load_checkpoint(path)


def test_a_flipped_bit_of_a_weight_is_called_a_difference(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="differ from what was written"):
        load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 4, 8, 60, -20, -1])
def test_a_file_cut_short_is_refused(content: bytes, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(content[:kept])
    with pytest.raises(CheckpointError, match="Fetch or copy it again"):
        load_checkpoint(path)


def write_text(path: Path) -> None:
    path.write_text("data_\nloop_\n_rlnMicrographName #1\n" * 20, encoding="utf-8")


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": [1.0]}))


def write_torch(path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, path)


def write_foreign(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, path, metadata={"format": "pt"})


def write_bare(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, path)


def write_list(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 9) + b"[1, 2, 3]")


def write_without_card(path: Path) -> None:
    metadata = {"format": "cryoscore-1", "card": "{}", "sha256": ""}
    safetensors.torch.save_file({"a": torch.ones(2)}, path, metadata=metadata)


def test_header_of_any_length_is_read(tmp_path: Path) -> None:
    """One of 32 has a length that begins with the byte of a pickle."""
    beginnings = set()
    for length in range(1, 257, 4):
        path = tmp_path / "model.safetensors"
        card = ModelCard(
            name="any",
            description="x" * length,
            network={},
            working_pixel_size=3.0,
            background="removed",
        )
        save_checkpoint(path, {"weight": torch.ones(2)}, card)
        assert load_checkpoint(path).card == card
        beginnings.add(path.read_bytes()[:1])
    assert b"\x80" in beginnings


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (write_text, "no safetensors file, or was cut short"),
        (write_pickle, "a pickle, as torch.save writes it, which may carry code"),
        (write_torch, "a pickle, as torch.save writes it, which may carry code"),
        (write_foreign, "its format is 'pt' instead of 'cryoscore-1'"),
        (write_bare, "its format is None"),
        (write_list, "no safetensors file"),
        (write_without_card, "its model card cannot be read"),
    ],
)
def test_another_kind_of_file_is_named_in_the_refusal(
    tmp_path: Path, write, found: str
) -> None:
    path = tmp_path / "other.safetensors"
    write(path)
    for read in (load_checkpoint, read_card):
        with pytest.raises(CheckpointError, match=found):
            read(path)


def test_a_missing_file_says_where_models_are_listed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"No such file.*cryoscore models list"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_folder_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="folder that can be written"):
        save_checkpoint(tmp_path / "none" / "a.safetensors", TENSORS, CARD)
    assert not list(tmp_path.iterdir())


def test_a_finished_file_is_all_that_stays(model: Path) -> None:
    save_checkpoint(model, TENSORS, CARD)
    assert list(model.parent.iterdir()) == [model]
