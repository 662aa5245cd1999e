"""What is audited: denoisers with and without a reference, made from the settings.

A reference may guide the results, or have guided the training of the model. In the
latter case "without" is the model that training started from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryoscore_plugin.batch.model import ModelFacts, read_model_facts
from cryoscore_plugin.denoiser import Denoiser, load_denoisers
from cryoscore_plugin.errors import ConfigError, CryoScoreError
from cryoscore_plugin.evaluation.audit import Denoise, Denoisers
from cryoscore_plugin.evaluation.audit_controls import cut_views, decoy_views
from cryoscore_plugin.evaluation.audit_verdict import ADVICE, ADVICE_FOR_MODEL
from cryoscore_plugin.guidance.card import before_guidance, guided_in_training
from cryoscore_plugin.guidance.views import Views
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.pretrained import model_fingerprint, packaged_models
from cryoscore_plugin.settings import DenoiseSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is audited, and what it is compared with.

    Attributes
    ----------
    denoisers : Denoisers
        With a reference and without.
    diameter : float
        Of the particle, in Å.
    working_pixel_size : float
        Of all results, in Å/px.
    description : str
        Model and reference, and what they are compared with, in sentences.
    advice : str
        What to do if the audit fails.
    """

    denoisers: Denoisers
    diameter: float
    working_pixel_size: float
    description: str
    advice: str


def load_subject(settings: DenoiseSettings) -> Subject:
    """Load what is audited.

    Parameters
    ----------
    settings : DenoiseSettings
        With reference and guidance, or a model that was guided in training; another
        seed gives another decoy.

    Raises
    ------
    CryoScoreError
        If the model or the reference cannot be used, or there is no model to compare
        with.
    """
    binned = settings.model_copy(update={"write_binned": True})
    guided = load_denoisers(binned)[0]
    facts = read_model_facts(settings.model)
    trained = guided_in_training(facts.card["training"])
    plain = replace(guided, target=None)
    description = f"Audited: {guided.description}."
    if trained:
        plain = _model_before(facts, binned, guided)
        description += (
            f" Guided in training, {'; '.join(trained)}. Compared with the model "
            f"{plain.fingerprint}, which was not."
        )
    return Subject(
        denoisers=_denoisers(guided, plain, seed=settings.seed),
        diameter=_diameter(guided, facts),
        working_pixel_size=guided.working_pixel_size,
        description=description,
        advice=ADVICE if guided.target else ADVICE_FOR_MODEL,
    )


def _denoisers(guided: Denoiser, plain: Denoiser, *, seed: int) -> Denoisers:
    """The denoiser with its reference, without it, and with others."""

    def half(one: Micrograph, other: Micrograph) -> Micrograph:
        # What was remembered of the other half would be seen in this one.
        guided.denoise(other)
        return guided.denoise(one).micrograph

    denoisers = Denoisers(
        unguided=_images_of(plain), guided=_images_of(guided), half=half
    )
    if (target := guided.target) is None:
        return denoisers

    def with_views(others: Views) -> Denoise:
        guidance = replace(target.guidance, views=others)
        return _images_of(replace(guided, target=replace(target, guidance=guidance)))

    views = target.guidance.views
    return replace(
        denoisers,
        decoy=with_views(decoy_views(views, seed=seed)),
        cut=with_views(cut_views(views)),
    )


def _images_of(denoiser: Denoiser) -> Denoise:
    return lambda micrograph: denoiser.denoise(micrograph).micrograph


def _diameter(guided: Denoiser, facts: ModelFacts) -> float:
    """Of the particle that guides or guided, in Å."""
    if guided.target is not None:
        return guided.target.guidance.views.diameter
    first = before_guidance(facts.card["training"])
    return float(first["guidance"]["diameter"])


def _model_before(
    facts: ModelFacts, settings: DenoiseSettings, guided: Denoiser
) -> Denoiser:
    """The model that was guided first, before it was; or a packaged one like it.

    Raises
    ------
    ConfigError
        If there is none.
    """
    first = before_guidance(facts.card["training"])
    start, before = first["settings"]["start"], first["started_from"]
    fingerprint = model_fingerprint(before["name"], before["sha256"])
    packaged = {name: read_model_facts(name) for name in packaged_models()}
    likely = {start: _facts_if_there(start)} | packaged
    same = [
        name for name, one in likely.items() if one and one.fingerprint == fingerprint
    ]
    background = facts.card["background"]
    like = [
        name for name, one in packaged.items() if one.card["background"] == background
    ]
    for name in (*same, *like):
        changes = {
            "model": name,
            "reference": None,
            "guidance": 0.0,
            "working_pixel_size": guided.working_pixel_size,
        }
        return load_denoisers(settings.model_copy(update=changes))[0]
    msg = (
        f"The model {facts.fingerprint} should be compared with the one before its "
        f"training, {fingerprint}, but that is not at {start}. Put it back there."
    )
    raise ConfigError(msg)


def _facts_if_there(model: str) -> ModelFacts | None:
    try:
        return read_model_facts(model)
    except CryoScoreError:
        return None
