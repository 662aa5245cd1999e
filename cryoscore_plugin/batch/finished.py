"""How an output says in its header what it was made from.

A finished output is skipped on a second run. It is finished if its size on disk is
the one its header promises, and its label has the fingerprint that the run would
give it now. If the uncertainty is wanted, its image has to be finished as well; it has
the fingerprint of the output, and says how it was found. The fingerprint covers

- the version of the program and the model with its hash;
- the settings that change pixels. `device`, `threads` and `tile_size` change no more
  than rounding, and a job may continue on another computer. `precision` counts as it
  was asked for: who asks for float32 after a run with `auto` wants another file, but
  `auto` on a GPU goes on where `auto` on a CPU stopped;
- name, size and time stamp of the input, and of its halves if they are used, and the
  pixel size a table gives it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.halves import halves_of
from cryoscore_plugin.batch.model import read_model_facts
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.guidance.card import guided_in_training, read_words
from cryoscore_plugin.mrc import read_header, read_labels
from cryoscore_plugin.settings import DenoiseSettings

WITHOUT_EFFECT_ON_PIXELS = {"device", "threads", "tile_size", "overwrite", "model"}
"""Settings that are not part of the fingerprint; the model is, by its hash."""

OF_GUIDANCE = {"reference", "guidance", "guidance_resolution", "guidance_empty"}
"""Settings that are part of it where guidance is on; the reference is, by its hash."""

OF_UNCERTAINTY = {"uncertainty", "probes"}
"""Settings of the image of uncertainty alone, which has a label for them."""

WITHOUT_EFFECT_ON_ESTIMATE = {
    "mean": {"steps", "step_size", "seed"},
    "map": {"step_size", "seed"},
    "ascent": {"seed"},
    "sample": {"step_size"},
}
"""Settings that are not part of it either, by the estimate that is wanted."""

FINGERPRINT_LABEL = "cryoscore fingerprint "
"""How the label begins that tells what an output was made from."""

STACK_LABEL = "for picking and looking, not for refinement"


def output_labels(
    task: MicrographTask, settings: DenoiseSettings, model: str
) -> list[str]:
    """Text lines for the header of an output.

    Parameters
    ----------
    task : MicrographTask
        The input, which exists, and its pixel size according to a table.
    settings : DenoiseSettings
        How it is denoised.
    model : str
        Name and hash of the model.

    Raises
    ------
    MicrographError
        If the input cannot be looked at.
    """
    facts: dict[str, object] = {
        "version": __version__,
        "model": model,
        "settings": pixel_settings(settings),
        "table pixel size": task.pixel_size,
        "input": _file_state(task.source),
    }
    if settings.halves:
        facts["halves"] = [_file_state(h) for h in halves_of(task) if h.exists()]
    if settings.guidance and task.optics is not None:
        facts["optics"] = asdict(task.optics)
    text = json.dumps(facts, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:40]
    labels = [
        f"cryoscore {__version__} denoised, model {model}",
        f"{FINGERPRINT_LABEL}{digest}",
    ]
    if task.output.suffix == ".mrcs":
        labels.append(STACK_LABEL)
    if settings.estimate != "mean":
        labels.append(f"cryoscore estimate {settings.estimate}, not the posterior mean")
    if settings.reference is not None and settings.guidance:
        words = read_words(Path(settings.reference))
        labels.append(f"cryoscore guided, strength {settings.guidance:g}, by {words}")
    training = read_model_facts(settings.model).card["training"]
    labels += [
        f"cryoscore guided in training, {words}"
        for words in guided_in_training(training)
    ]
    return labels


def _file_state(path: Path) -> list[str | int]:
    """Name, size in bytes, and time stamp in ns of an input.

    Raises
    ------
    MicrographError
        If it cannot be looked at.
    """
    try:
        state = path.stat()
    except OSError as error:
        msg = (
            f"{path} cannot be read: {error.strerror}. Check the name and that you may "
            "read it, or remove it from the table."
        )
        raise MicrographError(msg) from error
    return [path.name, state.st_size, state.st_mtime_ns]


def pixel_settings(settings: DenoiseSettings) -> dict[str, object]:
    """The settings that change pixels; the reference of guidance by its hash.

    Parameters
    ----------
    settings : DenoiseSettings
        How micrographs are denoised.

    Raises
    ------
    ConfigError
        If the reference cannot be read.
    """
    without = WITHOUT_EFFECT_ON_PIXELS | OF_UNCERTAINTY
    without |= WITHOUT_EFFECT_ON_ESTIMATE[settings.estimate]
    if settings.reference is None or not settings.guidance:
        return settings.model_dump(exclude=without | OF_GUIDANCE)
    values = settings.model_dump(exclude=without)
    return values | {"reference": read_words(Path(settings.reference))}


def fingerprint_label(labels: Iterable[str]) -> str:
    """The label with the fingerprint; empty if there is none.

    Parameters
    ----------
    labels : Iterable[str]
        Text lines of a header.
    """
    return next((one for one in labels if one.startswith(FINGERPRINT_LABEL)), "")


def is_finished(output: Path, label: str) -> bool:
    """Whether an output is complete, and has this label in its header.

    Parameters
    ----------
    output : Path
        The file; need not exist.
    label : str
        The fingerprint that the run would write, as `fingerprint_label` finds it.
    """
    try:
        header = read_header(output)
    except MicrographError:
        return False
    return label in header.labels and output.stat().st_size == header.file_size


def refuse_denoised(source: Path, labels: tuple[str, ...]) -> None:
    """Refuse an input that is an output of ours.

    Raises
    ------
    MicrographError
        If a label says so.
    """
    if ours := [label for label in labels if says_denoised(label)]:
        msg = (
            f"{source} was already denoised ({ours[0]}). Give the raw micrograph; a "
            "second time would remove signal."
        )
        raise MicrographError(msg)


def refuse_foreign(output: Path) -> None:
    """Refuse to replace an image that another program wrote.

    Raises
    ------
    MicrographError
        If there is an image under this name without a label of ours.
    """
    try:
        labels = read_labels(output)
    except MicrographError:
        return  # Nothing there, or nothing that could still be of use.
    if not any(says_denoised(label) for label in labels):
        msg = (
            f"{output} exists, and was not written by cryoscore, so it is kept. Give "
            "another folder with --output, or remove the file."
        )
        raise MicrographError(msg)


def says_denoised(label: str) -> bool:
    """Whether a label in a header says that the image is an output of ours.

    Parameters
    ----------
    label : str
        A text line of the header.
    """
    return label.startswith("cryoscore ") and " denoised, model " in label
