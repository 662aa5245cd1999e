"""From the user's own micrographs to a checkpoint that `denoise` takes.

Some micrographs, spread over the session, are kept out to judge by. What the run was
asked for is written into its folder, so that a second call goes on only with the same
question.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cryoscore_plugin import __version__
from cryoscore_plugin.checkpoint import (
    Checkpoint,
    ModelCard,
    load_checkpoint,
    save_checkpoint,
)
from cryoscore_plugin.denoiser import Denoiser, load_denoisers
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.files import replacing
from cryoscore_plugin.guidance.card import DOUBTS, read_words, words
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.pretrained import find_checkpoint
from cryoscore_plugin.settings import AROUND_THE_RUN, DenoiseSettings, TrainSettings
from cryoscore_plugin.target import Target, load_target
from cryoscore_plugin.training.fine_tuning import FineTuned, FineTuning, fine_tune
from cryoscore_plugin.training.from_recipe import started_from
from cryoscore_plugin.training.monitor import TrainingMonitor
from cryoscore_plugin.training.own_batches import OwnData
from cryoscore_plugin.training.own_session import (
    background_share,
    choose_sources,
    guided_data,
    independent_sources,
    own_data,
)
from cryoscore_plugin.training.processes import is_first, own_device
from cryoscore_plugin.training.sources import TrainingSource
from cryoscore_plugin.training.verdict import gain, verdict

QUESTION = "training.json"
"""File in the folder of a run with all that it was asked for."""

LIMITS = [
    "Trained on with micrographs of one session, for those that are recorded alike.",
    "For picking and looking. Extract particles from the raw micrographs.",
]


@dataclass(frozen=True, kw_only=True)
class OwnModel:
    """What came of training on own micrographs.

    Attributes
    ----------
    checkpoint : Path
        The new model.
    verdict : str
        Whether training helped, in a sentence.
    gain : float
        How much, see `verdict.gain`.
    """

    checkpoint: Path
    verdict: str
    gain: float


def train_on_micrographs(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    *,
    output: Path,
    monitor: TrainingMonitor,
) -> OwnModel:
    """Train, choose the best weights, and write them with their card.

    Parameters
    ----------
    sources : Sequence[TrainingSource]
        The micrographs.
    settings : TrainSettings
        How.
    output : Path
        Folder for the model, the state and the curve; a second call goes on.
    monitor : TrainingMonitor
        Whoever wants to know.

    Raises
    ------
    InputError
        If fewer than two micrographs can be used, or the folder cannot be.
    ConfigError
        If a setting is wrong, or the folder belongs to another run.
    CheckpointError
        If the first model cannot be used.
    DeviceError
        If the device that was asked for is not there.
    JobAbortedError
        If the monitor asked to stop.
    """
    start = load_checkpoint(find_checkpoint(settings.start))
    denoiser, target = _start_denoiser(settings), _target(settings)
    independent = independent_sources(sources, target, monitor)
    chosen = choose_sources(independent, settings, monitor)
    _ask_the_same(output, settings, start, chosen)
    data = own_data(chosen, settings, start.card, denoiser, monitor)
    data = guided_data(data, settings, target, denoiser, monitor)
    tuned = fine_tune(
        start.tensors,
        data,
        FineTuning(
            network=UNetSettings.model_validate(start.card.network),
            seed=settings.seed,
            steps=settings.steps,
            learning_rate=settings.learning_rate,
        ),
        output=output,
        engine=denoiser.engine,
        monitor=monitor,
    )
    path = output / f"{settings.name}.safetensors"
    if is_first():
        card = _card(start, settings, data, tuned)
        save_checkpoint(path, tuned.weights, _with_guidance(card, settings, target))
    return OwnModel(
        checkpoint=path,
        verdict=verdict(tuned.before.risk, tuned.after.risk, start=start.card.name),
        gain=gain(tuned.before.risk, tuned.after.risk),
    )


def _target(settings: TrainSettings) -> Target | None:
    """The known particle that guides a part of the pairs."""
    return load_target(
        DenoiseSettings(
            reference=settings.reference,
            guidance=settings.guidance,
            guidance_resolution=settings.guidance_resolution,
            guidance_empty=settings.guidance_empty,
        )
    )


def _with_guidance(
    card: ModelCard, settings: TrainSettings, target: Target | None
) -> ModelCard:
    """A card that tells what guided the training, as every output of the model will."""
    if target is None:
        return card
    told = {
        "strength": settings.guidance,
        "share": settings.guidance_share,
        "matching": settings.guidance_matching,
        "resolution": target.guidance.resolution,
        "empty": settings.guidance_empty,
        "diameter": target.guidance.views.diameter,
        "reference": words(target.card, target.sha256),
        "reference_card": target.card.model_dump(mode="json"),
    }
    doubt = DOUBTS.get(target.card.tier)
    return card.model_copy(
        update={
            "training": card.training | {"guidance": told},
            "limits": [
                *card.limits,
                "Guided in training: what it finds is not independent of the reference.",
                *([f"{doubt}."] if doubt else []),
            ],
        }
    )


def _start_denoiser(settings: TrainSettings) -> Denoiser:
    """The first model, on the one device that is asked for."""
    denoisers = load_denoisers(
        DenoiseSettings(
            model=settings.start,
            device=own_device(settings.device),
            threads=settings.threads,
            precision="float32",
        )
    )
    if len(denoisers) > 1:
        msg = (
            f"Training uses one device, but device is {settings.device!r}. Give one "
            "number, or start one process for each GPU: torchrun --nproc-per-node."
        )
        raise ConfigError(msg)
    return denoisers[0]


def _ask_the_same(
    output: Path,
    settings: TrainSettings,
    start: Checkpoint,
    sources: Sequence[TrainingSource],
) -> None:
    """Write what a run is asked for; refuse a folder that was asked something else.

    Raises
    ------
    ConfigError
        If the folder is that of another run.
    InputError
        If it cannot be written in.
    """
    asked: dict[str, object] = settings.model_dump(exclude={*AROUND_THE_RUN})
    if settings.reference is not None:
        asked["reference"] = read_words(Path(settings.reference))
    asked |= {
        "start": f"{start.card.name} {start.sha256}",
        "files": [
            [str(path) for path in (source.halves or (source.path,))]
            for source in sources
        ],
    }
    path = output / QUESTION
    try:
        output.mkdir(parents=True, exist_ok=True)
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            changed = [name for name in asked if asked[name] != before.get(name)]
            if changed:
                msg = (
                    f"The run in {output} was begun with other values of "
                    f"{', '.join(changed)}, and cannot go on with these. Give the same "
                    "ones, or another folder with --output."
                )
                raise ConfigError(msg)
            return
        if is_first():
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(asked, indent=2), encoding="utf-8")
    except (OSError, ValueError, AttributeError) as error:
        msg = f"Cannot use the folder {output}: {error}. Give another with --output."
        raise InputError(msg) from error


def _card(
    start: Checkpoint, settings: TrainSettings, data: OwnData, tuned: FineTuned
) -> ModelCard:
    """What the new model is, where it comes from, and how well it did."""
    card = start.card
    with_halves = tuned.after.cross_half is not None
    figures: dict[str, object] = {
        "held_out_risk_before": tuned.before.risk.mean,
        "held_out_risk": tuned.after.risk.mean,
        "gain": gain(tuned.before.risk, tuned.after.risk),
    }
    if tuned.before.cross_half is not None and tuned.after.cross_half is not None:
        figures["cross_half_risk_before"] = tuned.before.cross_half.mean
        figures["cross_half_risk"] = tuned.after.cross_half.mean
    return card.model_copy(
        update={
            "name": settings.name,
            "description": f"{card.name}, trained on with micrographs of one session.",
            "training": {
                "objective": "re-corruption, "
                + ("odd and even frames" if with_halves else "single images"),
                "micrographs": len(data.seen),
                "held_out": len(data.held_out),
                "settings": settings.model_dump(mode="json", exclude={*AROUND_THE_RUN}),
                "background_share": background_share(settings, card),
                "best_step": tuned.best_step,
                "started_from": started_from(start),
                "program": f"cryoscore {__version__}, torch {torch.__version__}",
                "hardware": platform.processor() or platform.machine(),
            },
            "figures": figures,
            "limits": LIMITS,
        }
    )
