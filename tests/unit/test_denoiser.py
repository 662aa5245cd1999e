"""One micrograph in, one out: same grid, same grey scale, whatever the memory."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_network import PlainNetwork

from cryoscore_plugin.checkpoint import ModelCard, save_checkpoint
from cryoscore_plugin.denoiser import Denoiser, load_denoisers
from cryoscore_plugin.devices import Engine
from cryoscore_plugin.errors import (
    CheckpointError,
    ConfigError,
    DeviceError,
    MicrographError,
)
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.rescaling import fourier_crop, fourier_pad
from cryoscore_plugin.settings import DenoiseSettings

CPU = torch.device("cpu")
SMALL = UNetSettings(channels=(6, 8), embedding=4)


class Nothing(PlainNetwork):
    """A network that finds no particle."""

    def __call__(self, u: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(u)


def denoiser(network: object = PlainNetwork, **settings: object) -> Denoiser:
    tile_size = settings.pop("tile_size", None)
    return Denoiser(
        network=network() if isinstance(network, type) else network,
        engine=Engine(device=CPU, tile_size=tile_size),
        fingerprint="test 0123456789ab",
        working_pixel_size=3.0,
        **settings,
    )


def random_network() -> PreconditionedDenoiser:
    """The real network, small, whose output depends on every weight."""
    torch.manual_seed(5)
    network = PreconditionedDenoiser(SMALL)
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter)
    return network.requires_grad_(requires_grad=False)


def noise(shape: tuple[int, int], seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def micrograph(shape: tuple[int, int] = (120, 96), pixel_size: float = 1.5):
    return Micrograph(pixels=40 + 3 * noise(shape), pixel_size=pixel_size)


@settings(max_examples=25)  # each is a run of the whole engine
@given(st.integers(24, 80), st.integers(24, 80), st.sampled_from([0.9, 1.5, 3.0]))
def test_an_identity_returns_the_band_limited_micrograph(
    h: int, w: int, pixel_size: float
) -> None:
    image = micrograph((h, w), pixel_size)
    coarse = tuple(round(side * pixel_size / 3) for side in (h, w))
    if min(coarse) < 8:
        return
    expected = fourier_pad(fourier_crop(torch.from_numpy(image.pixels), coarse), (h, w))
    result = denoiser().denoise(image).micrograph
    np.testing.assert_allclose(result.pixels, expected.numpy(), atol=1e-4)
    assert result.pixels.dtype == np.float32


def test_the_real_network_leaves_nothing_beyond_the_working_nyquist() -> None:
    result = denoiser(random_network()).denoise(micrograph()).micrograph.pixels
    power = np.abs(np.fft.rfft2(result - result.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(120)[:, None], np.fft.rfftfreq(96)[None])
    beyond = frequency > math.sqrt(2) * 0.25 + 1e-6  # corners of the working grid
    assert power[beyond].max() < 1e-9 * power.max()


def test_the_slow_level_comes_back_where_background_is_kept() -> None:
    image = micrograph((90, 72), 3.0)
    level = 30 * np.linspace(0, 1, 72, dtype=np.float32)
    image = replace(image, pixels=image.pixels + level)

    def result(network: type, *, keeps: bool) -> np.ndarray:
        engine = denoiser(network, local_mean=9.0, keeps_background=keeps)
        return engine.denoise(image).micrograph.pixels

    # A network that changes nothing gives the input, one that finds nothing its level.
    np.testing.assert_allclose(
        result(PlainNetwork, keeps=True),
        denoiser().denoise(image).micrograph.pixels,
        atol=1e-3,
    )
    kept, removed = (result(Nothing, keeps=keeps) for keeps in (True, False))
    assert np.corrcoef(kept.mean(0), level)[0, 1] > 0.99
    assert removed.std() < 0.05 * kept.std()


@pytest.mark.parametrize("pixel_size", [1.5, 3.0])
def test_a_crystal_comes_back_where_background_is_kept(pixel_size: float) -> None:
    image = micrograph((120, 96), pixel_size)
    deviation = float(image.pixels.std())
    image.pixels[30:70, 20:60] -= 40 * deviation

    def depth(network: type, *, keeps: bool) -> float:
        engine = denoiser(network, local_mean=9.0, keeps_background=keeps)
        result = engine.denoise(image).micrograph.pixels
        inside, outside = result[38:62, 28:52], result[90:, :]
        return float(outside.mean() - inside.mean()) / deviation

    # Whatever the network says of a place where it sees nothing.
    for network in (PlainNetwork, Nothing):
        assert depth(network, keeps=True) == pytest.approx(40, abs=1)
        assert depth(network, keeps=False) < 10


@pytest.mark.parametrize("scale", [1e-6, 0.37, 250.0])
@pytest.mark.parametrize("offset", [-300.0, 0.0, 8.0])
def test_scale_and_offset_of_the_input_are_those_of_the_output(
    scale: float, offset: float
) -> None:
    """`denoise(a y + b) = a denoise(y) + b`, with b in units of a."""
    engine = denoiser(random_network())
    plain = noise((120, 96))
    changed = (scale * (plain + offset)).astype(np.float32)
    before, after = (
        engine.denoise(Micrograph(pixels=pixels, pixel_size=1.5)).micrograph.pixels
        for pixels in (plain, changed)
    )
    # The input itself holds its pixels to 6e-8 of the offset.
    np.testing.assert_allclose(after / scale - offset, before, atol=1e-4)


@pytest.mark.parametrize("tile_size", [64, 65, 100])
@pytest.mark.parametrize("shape", [(300, 211), (40, 30), (131, 400)])
def test_the_result_does_not_depend_on_the_tiles(
    shape: tuple[int, int], tile_size: int
) -> None:
    network, image = random_network(), micrograph(shape, 2.0)
    whole = denoiser(network).denoise(image).micrograph.pixels
    tiled = denoiser(network, tile_size=tile_size).denoise(image).micrograph.pixels
    assert np.abs(tiled - whole).max() < 1e-5 * whole.std()


def test_two_runs_are_equal_to_the_last_bit() -> None:
    network, image = random_network(), micrograph()
    first, second = (denoiser(network).denoise(image) for _ in range(2))
    assert np.array_equal(first.micrograph.pixels, second.micrograph.pixels)
    assert first.quality == second.quality


@pytest.mark.parametrize("pixel_size", [0.75, 1.5])
def test_the_grey_scale_does_not_depend_on_the_pixel_size(pixel_size: float) -> None:
    """The same scene, sampled finer, gives the same image on the coarse grid."""
    scene = noise((64, 64))  # at 3 Å/px
    side = round(64 * 3 / pixel_size)
    fine = fourier_pad(torch.from_numpy(scene), (side, side)).numpy()
    network = random_network()
    coarse_result, fine_result = (
        denoiser(network)
        .denoise(Micrograph(pixels=pixels, pixel_size=size))
        .micrograph.pixels
        for pixels, size in ((scene, 3.0), (fine, pixel_size))
    )
    back = fourier_crop(torch.from_numpy(fine_result), (64, 64)).numpy()
    # Medians of other samplings of one scene differ by a few per cent of the noise.
    assert np.corrcoef(back.ravel(), coarse_result.ravel())[0, 1] > 0.99
    assert back.std() == pytest.approx(coarse_result.std(), rel=0.02)


def test_where_nothing_is_found_the_output_is_the_level_of_the_input() -> None:
    result = denoiser(Nothing).denoise(micrograph()).micrograph.pixels
    np.testing.assert_allclose(result, 40, atol=0.2)
    assert result.std() < 1e-4


def test_place_and_source_are_kept() -> None:
    image = Micrograph(
        pixels=noise((60, 50)),
        pixel_size=1.5,
        origin=(10.0, -20.0, 5.0),
        start=(6, -3, 2),
        source=Path("a b.mrc"),
    )
    result = denoiser().denoise(image).micrograph
    assert (result.origin, result.start, result.source, result.pixel_size) == (
        image.origin,
        image.start,
        image.source,
        image.pixel_size,
    )


def test_a_binned_result_has_the_pixel_size_that_it_really_has() -> None:
    image = Micrograph(pixels=noise((128, 128)), pixel_size=1.0, start=(6, -3, 2))
    full = denoiser().denoise(image).micrograph
    binned = denoiser(write_binned=True).denoise(image).micrograph
    assert binned.pixels.shape == (43, 43)
    assert binned.pixel_size == pytest.approx(128 / 43)
    assert binned.start == (2, -1, 2)
    expected = fourier_crop(torch.from_numpy(full.pixels), (43, 43)).numpy()
    np.testing.assert_allclose(binned.pixels, expected, atol=1e-5)


def test_a_dead_border_is_kept() -> None:
    pixels = noise((120, 100))
    pixels[:5], pixels[:, -3:] = 0, 0
    image = Micrograph(pixels=pixels, pixel_size=1.5)
    result = denoiser(random_network()).denoise(image).micrograph.pixels
    assert not result[:5].any()
    assert not result[:, -3:].any()
    inner = Micrograph(pixels=pixels[5:, :-3].copy(), pixel_size=1.5)
    alone = denoiser(random_network()).denoise(inner).micrograph.pixels
    np.testing.assert_array_equal(result[5:, :-3], alone)


def test_a_hot_pixel_leaves_no_trace() -> None:
    image = micrograph((200, 200), 3.0)
    hot = image.pixels.copy()
    hot[90, 110] = 1e9
    network = denoiser(random_network())
    plain = network.denoise(image)
    clipped = network.denoise(Micrograph(pixels=hot, pixel_size=3.0))
    difference = np.abs(clipped.micrograph.pixels - plain.micrograph.pixels)
    assert difference.max() < 3 * plain.micrograph.pixels.std()
    # What is left is power: the spectrum of the micrograph is a little higher.
    assert np.median(difference) < 0.03 * plain.micrograph.pixels.std()
    assert clipped.quality["clipped_fraction"] == pytest.approx(1 / 200**2)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(noise((40, 30)), id="tiny"),
        pytest.param(noise((64, 64)) * np.float32(1e30), id="huge values"),
        pytest.param(noise((64, 64)) * np.float32(1e-30), id="tiny values"),
        pytest.param(np.eye(64, dtype=np.float32), id="mostly zero"),
        pytest.param((noise((64, 64)) > 2.5).astype(np.float32), id="few counts"),
        pytest.param(noise((9, 400)), id="a strip"),
        pytest.param(noise((64, 64)).astype(">f4"), id="big-endian"),
    ],
)
def test_odd_inputs_give_finite_outputs(pixels: np.ndarray) -> None:
    image = Micrograph(pixels=pixels, pixel_size=3.0)
    restoration = denoiser(random_network()).denoise(image)
    assert np.isfinite(restoration.micrograph.pixels).all()
    assert np.isfinite(list(restoration.quality.values())).all()


def test_a_read_only_input_is_denoised_and_left_alone() -> None:
    pixels = noise((64, 64))
    before = pixels.copy()
    pixels.flags.writeable = False
    denoiser().denoise(Micrograph(pixels=pixels, pixel_size=3.0))
    assert np.array_equal(pixels, before)


def test_a_constant_micrograph_is_refused_by_name() -> None:
    flat = Micrograph(
        pixels=np.full((64, 64), 2, np.float32), pixel_size=3.0, source=Path("x.mrc")
    )
    with pytest.raises(MicrographError, match=r"^x\.mrc: .*no noise and nothing to"):
        denoiser().denoise(flat)


def test_quality_tells_the_noise_of_the_input() -> None:
    quality = denoiser(Nothing).denoise(micrograph((600, 600), 1.5)).quality
    # White noise of 3 grey values; a pixel of the working grid is the mean of four.
    assert quality["noise_level"] == pytest.approx(1.5, rel=0.03)
    assert quality["noise_variation"] < 0.05
    assert quality["clipped_fraction"] == 0
    assert quality["signal_to_noise"] == 0
    assert quality["residual_whiteness"] == pytest.approx(1, abs=0.02)


def test_a_sound_micrograph_gets_no_warning() -> None:
    assert denoiser().denoise(micrograph()).warnings == ()


def test_a_coarse_micrograph_is_not_up_sampled_but_warned_about() -> None:
    image = micrograph((64, 64), 6.0)
    restoration = denoiser().denoise(image)
    (warning,) = restoration.warnings
    assert "6 Å/px" in warning
    assert "binned less" in warning
    np.testing.assert_allclose(restoration.micrograph.pixels, image.pixels, atol=1e-4)
    assert denoiser().denoise(micrograph((64, 64), 4.4)).warnings == ()


def test_a_filtered_micrograph_is_warned_about_with_its_resolution() -> None:
    low = fourier_pad(torch.from_numpy(noise((48, 48))), (90, 90)).numpy()
    restoration = denoiser().denoise(Micrograph(pixels=low, pixel_size=3.0))
    (warning,) = restoration.warnings
    assert "between 6.1 and 7.9 Å" in warning
    assert "low-passed or up-sampled" in warning


def test_many_outliers_are_warned_about() -> None:
    pixels = noise((100, 100))
    pixels[::5, ::5] = 1e4
    (warning,) = denoiser().denoise(Micrograph(pixels=pixels, pixel_size=3.0)).warnings
    assert warning.startswith("4.0% of the pixels were clipped")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint of the small random network."""
    card = ModelCard(
        name="small",
        description="A model for tests.",
        network=SMALL.model_dump(),
        working_pixel_size=3.5,
        background="removed",
    )
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, random_network().state_dict(), card)
    return path


def loaded(model: Path, **settings: object) -> Denoiser:
    values = {"model": str(model), "device": "cpu", "threads": 1, **settings}
    (found,) = load_denoisers(DenoiseSettings.checked(values))
    return found


def test_a_loaded_model_restores_as_the_network_it_was_saved_from(model: Path) -> None:
    # In one arithmetic, whatever this computer has.
    found = loaded(model, precision="float32")
    expected = Denoiser(
        network=random_network(),
        engine=Engine(device=CPU),
        working_pixel_size=3.5,
        fingerprint="",
    )
    image = micrograph()
    np.testing.assert_allclose(
        found.denoise(image).micrograph.pixels,
        expected.denoise(image).micrograph.pixels,
        atol=1e-4,
    )


def test_a_loaded_model_says_what_and_where_it_is(model: Path) -> None:
    found = loaded(model)
    name, digest = found.fingerprint.split()
    assert name == "small"
    assert len(digest) == 12
    assert found.description.startswith(
        f"model small {digest} at 3.5 Å/px on CPU, 1 th"
    )


def test_each_setting_reaches_the_denoiser(model: Path) -> None:
    assert loaded(model).engine.tile_size is None
    assert loaded(model, tile_size=128).engine.tile_size == 128
    assert loaded(model, precision="bfloat16").engine.dtype == torch.bfloat16
    assert loaded(model, working_pixel_size=5.0).working_pixel_size == 5
    assert loaded(model, write_binned=True).write_binned


def test_a_larger_network_is_given_fewer_pixels(model: Path) -> None:
    # 6 channels on all pixels, 8 on a quarter of them, 8 bytes each.
    assert loaded(model).engine.bytes_per_pixel == pytest.approx(64)


def test_weights_that_do_not_fit_their_card_are_refused(tmp_path: Path) -> None:
    for network, found in (({"channels": [4]}, "size mismatch"), ({"size": 4}, "size")):
        card = ModelCard(
            name="wrong",
            description="",
            network=network,
            working_pixel_size=3.0,
            background="removed",
        )
        path = tmp_path / "wrong.safetensors"
        save_checkpoint(path, random_network().state_dict(), card)
        with pytest.raises(CheckpointError, match=f"does not fit.*(?s:.*){found}"):
            loaded(path)


def test_an_unknown_model_or_device_is_refused_before_anything_is_computed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="neither a packaged model nor a file"):
        loaded(model.with_name("no-such-model"))
    with pytest.raises(DeviceError, match="device is 'cuda'"):
        loaded(model, device="cuda")
