"""Training on own micrographs: what is read, how a run goes on, and the verdict."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoscore_plugin.checkpoint import ModelCard, load_checkpoint
from cryoscore_plugin.errors import (
    ConfigError,
    InputError,
    JobAbortedError,
    MicrographError,
)
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph, write_stack
from cryoscore_plugin.settings import TrainSettings
from cryoscore_plugin.spectrum import power_spectrum
from cryoscore_plugin.training.curve import read_curve
from cryoscore_plugin.training.fine_tuning import weighted_error
from cryoscore_plugin.training.from_micrographs import OwnModel, train_on_micrographs
from cryoscore_plugin.training.monitor import Progress
from cryoscore_plugin.training.own_batches import OwnData, crop_side, training_batch
from cryoscore_plugin.training.own_micrographs import read_own
from cryoscore_plugin.training.own_risk import HeldOutRisk
from cryoscore_plugin.training.own_session import spread
from cryoscore_plugin.training.recorruption import FREQUENCIES
from cryoscore_plugin.training.sources import TrainingSource
from cryoscore_plugin.training.verdict import gain, verdict

SIDE = 72
CARD = ModelCard(
    name="any",
    description="For tests.",
    network={},
    working_pixel_size=3.0,
    background="kept",
)


class ListMonitor:
    """Remembers what it is told; stops after so many steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.messages: list[str] = []
        self.progress: list[Progress] = []
        self.stop_after = stop_after

    def on_message(self, text: str) -> None:
        self.messages.append(text)

    def on_progress(self, progress: Progress) -> None:
        self.progress.append(progress)

    def abort_requested(self) -> bool:
        return len(self.progress) == self.stop_after


def write(path: Path, pixels: np.ndarray, pixel_size: float = 3.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = pixels.astype(np.float32)
    write_micrograph(path, Micrograph(pixels=values, pixel_size=pixel_size))
    return path


def scene_and_noise(seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Smooth signal of about the strength of the noise, and two noises."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(0, 1, (side, side)), 3, mode="wrap")
    return 100 + smooth / smooth.std(), 2**0.5 * rng.normal(0, 1, (2, side, side))


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingSource]:
    """Four micrographs with halves."""
    folder = tmp_path_factory.mktemp("halved")
    sources = []
    for number in range(4):
        scene, noise = scene_and_noise(number)
        halves = tuple(
            write(folder / f"m{number}_{name}.mrc", scene + one)
            for name, one in zip(("EVN", "ODD"), noise, strict=True)
        )
        path = write(folder / f"m{number}.mrc", scene + noise.mean(0))
        sources.append(TrainingSource(path=path, halves=halves))
    return sources


@pytest.fixture(scope="module")
def single(halved: list[TrainingSource]) -> list[TrainingSource]:
    """The same micrographs without halves."""
    return [dataclasses.replace(source, halves=()) for source in halved]


@pytest.fixture
def settings(tiny_checkpoint: Path) -> TrainSettings:
    return TrainSettings(start=str(tiny_checkpoint), steps=4, device="cpu")


def run(
    sources: list[TrainingSource],
    settings: TrainSettings,
    output: Path,
    monitor: ListMonitor | None = None,
) -> OwnModel:
    return train_on_micrographs(
        sources, settings, output=output, monitor=monitor or ListMonitor()
    )


def weights_of(model: OwnModel) -> dict[str, torch.Tensor]:
    return load_checkpoint(model.checkpoint).tensors


def same(first: OwnModel, second: OwnModel) -> bool:
    one, other = weights_of(first), weights_of(second)
    return all(torch.equal(one[name], other[name]) for name in one)


def test_halves_become_a_micrograph_and_noise_of_unit_variance(
    halved: list[TrainingSource],
) -> None:
    own = read_own(halved[0], CARD, pixel_size=None)
    assert own.corruption is not None
    noise = own.corruption.float()
    assert float(noise.std()) == pytest.approx(1, abs=0.05)
    outer = power_spectrum(own.noisy.float())[-8:]
    assert float(outer.mean()) == pytest.approx(1, abs=0.15)


def test_noisier_half_counts_less(tmp_path: Path) -> None:
    scene, noise = scene_and_noise(1, side=256)
    halves = (
        write(tmp_path / "a.mrc", scene + 3 * noise[0]),
        write(tmp_path / "b.mrc", scene + noise[1]),
    )
    source = TrainingSource(path=tmp_path / "m.mrc", halves=halves)
    own = read_own(source, CARD, pixel_size=None)
    assert own.corruption is not None
    assert float(own.corruption.float().std()) == pytest.approx(1, abs=0.05)


def test_both_halves_may_be_in_one_file(
    halved: list[TrainingSource], tmp_path: Path
) -> None:
    scene, noise = scene_and_noise(0)
    images = [
        Micrograph(pixels=(scene + one).astype(np.float32), pixel_size=3.0)
        for one in noise
    ]
    both = tmp_path / "both.mrcs"
    write_stack(both, images)
    source = TrainingSource(path=both, halves=(both,))
    found = read_own(source, CARD, pixel_size=None)
    expected = read_own(halved[0], CARD, pixel_size=None)
    torch.testing.assert_close(found.noisy, expected.noisy)
    one = write(tmp_path / "one.mrc", scene)
    with pytest.raises(MicrographError, match=r"two halves.*holds 1 image"):
        read_own(TrainingSource(path=one, halves=(one,)), CARD, pixel_size=None)


def test_halves_that_are_none_are_refused(tmp_path: Path) -> None:
    scene, noise = scene_and_noise(0)
    a = write(tmp_path / "a.mrc", scene + noise[0])
    small = write(tmp_path / "small.mrc", (scene + noise[1])[:-2])
    for halves, words in (((a, a), "the same image"), ((a, small), "72, 72.*70, 72")):
        source = TrainingSource(path=tmp_path / "m.mrc", halves=halves)
        with pytest.raises(MicrographError, match=words):
            read_own(source, CARD, pixel_size=None)


def test_micrographs_are_levelled_as_the_card_says(
    halved: list[TrainingSource],
) -> None:
    card = CARD.model_copy(update={"local_mean": 4.0})
    for source in (halved[0], dataclasses.replace(halved[0], halves=())):
        plain = read_own(source, CARD, pixel_size=None).noisy.float()
        flat = read_own(source, card, pixel_size=None).noisy.float()
        assert float(power_spectrum(flat)[2]) < 0.2 * float(power_spectrum(plain)[2])


def test_pixel_size_that_is_given_counts_most(halved: list[TrainingSource]) -> None:
    table = dataclasses.replace(halved[0], pixel_size=2.0)
    shapes = [
        read_own(source, CARD, pixel_size=size).noisy.shape
        for source, size in ((halved[0], None), (table, None), (table, 1.0))
    ]
    assert shapes == [(72, 72), (48, 48), (24, 24)]


def test_batches_are_crops_at_many_strengths(halved: list[TrainingSource]) -> None:
    seen = [read_own(source, CARD, pixel_size=None) for source in halved]
    data = OwnData(seen=seen, held_out=seen[:1], drawn=0 * FREQUENCIES)
    assert crop_side(seen, 16) == 64
    with pytest.raises(InputError, match=r"at least 80 px.*has 72 px"):
        crop_side(seen, 80)
    crops = [
        crop
        for seed in range(4)
        for crop in training_batch(data, side=64, rng=np.random.default_rng(seed))
    ]
    pairs = [crop.pair for crop in crops]
    taus = [pair.weight**0.5 for pair in pairs]
    assert 0.5 <= min(taus) < 0.7
    assert 1.5 < max(taus) <= 2
    for pair in pairs:
        # Signal of variance about 1 at full dose, and noise of 1 at any.
        expected = 1 + 1 / (1 + pair.weight)
        assert float(pair.noisier.var()) == pytest.approx(expected, rel=0.35)
    # What is told of the spectrum is in units of the noise of the input.
    wholes = torch.stack([one.excess for one in seen])
    for crop in crops:
        told = crop.excess * (1 + crop.pair.weight)
        assert (wholes - told).abs().amax(1).min() < 1e-4


def test_loss_is_in_units_of_the_noise_of_each_target() -> None:
    noise = torch.randn((2, 1, 64, 64), generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([4.0, 0.25])
    target = noise / weights.sqrt()[:, None, None, None]
    loss = weighted_error(torch.zeros_like(target), target, weights)
    assert float(loss) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("with_halves", [True, False])
def test_training_lowers_the_risk_on_micrographs_kept_out(
    halved: list[TrainingSource],
    single: list[TrainingSource],
    settings: TrainSettings,
    tmp_path: Path,
    with_halves: bool,
) -> None:
    longer = settings.model_copy(
        update={"steps": 60, "learning_rate": 1e-2, "background_share": 0.0}
    )
    monitor = ListMonitor()
    model = run(halved if with_halves else single, longer, tmp_path, monitor)
    assert model.gain > 0.005  # the tiny model is nearly the best linear filter
    assert model.verdict.startswith("Your model is better than tiny by ")
    assert ("odd and even" in monitor.messages[0]) == with_halves
    card = load_checkpoint(model.checkpoint).card
    assert card.training["micrographs"] == 3
    assert card.training["held_out"] == 1
    assert ("odd and even" in card.training["objective"]) == with_halves
    start = load_checkpoint(Path(settings.start))
    assert card.training["started_from"]["sha256"] == start.sha256
    assert card.figures["held_out_risk"] < card.figures["held_out_risk_before"]
    assert ("cross_half_risk" in card.figures) == with_halves
    curve = read_curve(tmp_path / "curve.csv")
    assert [row.step for row in curve] == list(range(0, 61, 6))
    assert curve[0].risk == pytest.approx(card.figures["held_out_risk_before"])
    best = min(curve[1:], key=lambda row: row.risk)
    assert best.step == card.training["best_step"]
    assert best.risk == pytest.approx(card.figures["held_out_risk"])


def test_model_that_became_worse_is_not_to_be_used(
    halved: list[TrainingSource], settings: TrainSettings, tmp_path: Path
) -> None:
    wild = settings.model_copy(update={"learning_rate": 3.0, "steps": 2})
    model = run(halved, wild, tmp_path)
    assert model.gain < 0
    assert model.verdict.endswith("keep tiny.")


def test_training_that_diverges_is_told_in_a_sentence(
    halved: list[TrainingSource], settings: TrainSettings, tmp_path: Path
) -> None:
    mad = settings.model_copy(update={"learning_rate": 1e38, "steps": 2})
    with pytest.raises(ConfigError, match="Give a smaller learning_rate"):
        run(halved, mad, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 20},
        {"learning_rate": 1e-2},
        {"seed": 2},
        {"background_share": 0.1},
        {"micrographs": 3},
        {"pixel_size": 2.9},
    ],
    ids=str,
)
def test_every_setting_changes_the_model(
    halved: list[TrainingSource],
    settings: TrainSettings,
    tmp_path: Path,
    change: dict[str, float],
) -> None:
    first = run(halved, settings, tmp_path / "first")
    other = run(halved, settings.model_copy(update=change), tmp_path / "other")
    assert not same(first, other)


def test_model_has_the_name_that_is_asked_for(
    halved: list[TrainingSource], settings: TrainSettings, tmp_path: Path
) -> None:
    named = settings.model_copy(update={"name": "session-7"})
    model = run(halved, named, tmp_path)
    assert model.checkpoint == tmp_path / "session-7.safetensors"
    assert load_checkpoint(model.checkpoint).card.name == "session-7"


def test_stopped_run_goes_on_and_ends_with_the_same_weights(
    halved: list[TrainingSource], settings: TrainSettings, tmp_path: Path
) -> None:
    longer = settings.model_copy(update={"steps": 20})
    expected = run(halved, longer, tmp_path / "undisturbed")
    with pytest.raises(JobAbortedError, match="same command goes on"):
        run(halved, longer, tmp_path / "stopped", ListMonitor(stop_after=7))
    monitor = ListMonitor()
    found = run(halved, longer, tmp_path / "stopped", monitor)
    assert "Going on after step 6." in monitor.messages
    assert same(found, expected)
    curves = [
        (tmp_path / name / "curve.csv").read_text()
        for name in ("undisturbed", "stopped")
    ]
    assert curves[0] == curves[1]
    # Once more, when all is done: nothing is trained.
    monitor = ListMonitor()
    assert same(run(halved, longer, tmp_path / "stopped", monitor), expected)
    assert not monitor.progress


def test_folder_of_another_run_is_refused(
    halved: list[TrainingSource], settings: TrainSettings, tmp_path: Path
) -> None:
    run(halved, settings, tmp_path)
    with pytest.raises(ConfigError, match="other values of seed"):
        run(halved, settings.model_copy(update={"seed": 5}), tmp_path)
    with pytest.raises(ConfigError, match="other values of files"):
        run(halved[1:], settings, tmp_path)


def test_micrographs_that_cannot_be_used_are_named(
    single: list[TrainingSource], settings: TrainSettings, tmp_path: Path
) -> None:
    missing = TrainingSource(path=tmp_path / "missing.mrc")
    monitor = ListMonitor()
    run([*single[:2], missing], settings, tmp_path / "run", monitor)
    assert "missing.mrc" in monitor.messages[1]
    with pytest.raises(
        InputError, match=r"At least 2 micrographs.* 1 of 2 can be used"
    ):
        run([single[0], missing], settings, tmp_path / "other")


def test_micrographs_without_halves_are_left_out_where_others_have_them(
    halved: list[TrainingSource],
    single: list[TrainingSource],
    settings: TrainSettings,
    tmp_path: Path,
) -> None:
    monitor = ListMonitor()
    run([*halved[:3], single[3]], settings, tmp_path, monitor)
    assert monitor.messages[0].startswith("1 of 4 micrographs are left out")


def test_places_are_evenly_spread() -> None:
    assert spread(10, 2) == [2, 7]
    assert spread(3, 8) == [0, 1, 2]


def test_verdict_compares_what_is_explained() -> None:
    def risk_of(*values: float) -> HeldOutRisk:
        return HeldOutRisk(risk=np.array(values), blank=np.full(len(values), 2.0))

    before = risk_of(1.0, 1.2)
    assert gain(before, risk_of(0.9, 1.1)) == pytest.approx(0.1 / 0.9)
    assert "better than particle by 11.1 %" in verdict(
        before, risk_of(0.9, 1.1), start="particle"
    )
    worse = verdict(before, risk_of(1.03, 1.224), start="particle")
    assert worse.startswith("Your model is worse than particle by 3.0 %")
    assert worse.endswith("keep particle.")
    mixed = verdict(before, risk_of(0.8, 1.3), start="particle")
    assert "only on 1 of them: keep particle" in mixed
    # A first model that explains nothing is no measure: a blank image is.
    assert gain(risk_of(2.5, 2.5), risk_of(1.5, 1.5)) == pytest.approx(0.5)
