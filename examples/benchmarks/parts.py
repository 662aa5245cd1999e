"""What `run_all.py` runs: the scripts of this folder with their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from denoisers import FILTERS, TOPAZ
from guidance import guided_settings
from programs import Programs

Words = list[object]


@dataclass(frozen=True, kw_only=True)
class Data:
    """What there is to measure with; what is empty or None leaves parts out."""

    models: tuple[Path, ...]
    apoferritin: Path | None
    reference: Path | None
    decoy: Path | None
    cryoppp: tuple[Path, ...]
    map_model: Path | None
    symmetry: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is measured.

    Attributes
    ----------
    ours : Sequence[str]
        The models of cryoscore; the first is guided as well.
    programs : Programs
        The programs of others.
    """

    ours: Sequence[str]
    programs: Programs

    @property
    def topaz(self) -> list[str]:
        """Topaz-Denoise by the names of its samplings, if it is here."""
        return [] if self.programs.topaz is None else [TOPAZ, f"{TOPAZ}:3"]

    @property
    def tools(self) -> Words:
        """Where programs are, and what they made."""
        known = self.programs.topaz
        words: Words = ["--cache", self.programs.cache]
        return words if known is None else [*words, "--topaz", known]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One run of a script of this folder; its records are called `name`."""

    name: str
    script: str
    words: Words


def make_parts(data: Data, compared: Compared, output: Path) -> list[Part]:
    """The parts that there are data for."""
    parts = []
    if data.models:
        parts += simulated_parts(data, compared, output)
    if data.apoferritin is not None:
        parts += apoferritin_parts(data, compared, output)
    names = [*FILTERS, *compared.ours]
    if data.cryoppp:
        # Large micrographs: one sampling, that which was best where truth is known.
        names += [f"{TOPAZ}:1.5"] if compared.topaz else []
        words = [*repeated("--data", data.cryoppp), *compared.tools, "--programs"]
        words += repeated("--denoiser", names)
        parts.append(Part(name="cryoppp", script="cryoppp", words=words))
    if data.map_model is not None:
        words = ["--model", data.map_model, "--symmetry", data.symmetry]
        words += ["--work", output / "end_to_end_work", *compared.tools]
        words += repeated("--denoiser", [*FILTERS, *compared.ours])
        parts.append(Part(name="end_to_end", script="end_to_end", words=words))
    return parts


def simulated_parts(data: Data, compared: Compared, output: Path) -> list[Part]:
    """Typical background, strength 1, and ice alone."""
    names = [*FILTERS, *compared.topaz, *compared.ours]
    words = [*repeated("--models", data.models), "--scenes", 3, *compared.tools]
    usual = [*words, *repeated("--denoiser", names)]
    if len(data.models) > 1:
        usual += ["--guided", compared.ours[0]]
    parts = [
        Part(name=name, script="simulated", words=[*usual, *more, *shown(name, output)])
        for name, more in {
            "simulated": [],
            "simulated_strong": ["--background", 1],
        }.items()
    ]
    names = [*FILTERS, *compared.topaz[:1], *compared.ours]
    words += repeated("--denoiser", names)
    return [*parts, Part(name="empty_ice", script="empty_ice", words=words)]


def apoferritin_parts(data: Data, compared: Compared, output: Path) -> list[Part]:
    """Our own pickers on everything, those of others on some of it, and spike-in."""
    first = compared.ours[0]
    guides = {"guided": data.reference, "decoy-guided": data.decoy}
    guided = [
        guided_settings(output / f"{name}.yaml", model=first, atoms=atoms)
        for name, atoms in guides.items()
        if atoms is not None
    ]
    usual: Words = ["--data", data.apoferritin, *compared.tools]
    names = [*FILTERS, *compared.topaz, *compared.ours, *guided]
    words = [*usual, *repeated("--denoiser", names)]
    words += [] if data.reference is None else ["--reference", data.reference]
    words += shown("apoferritin", output)
    # These take long, and ask one question: what should be given to such a picker?
    names = ["raw", *compared.topaz[:1], first]
    others = [*usual, "--programs", *repeated("--denoiser", names)]
    parts = [
        Part(name="apoferritin", script="apoferritin", words=words),
        Part(name="apoferritin_programs", script="apoferritin", words=others),
    ]
    if data.decoy is not None:
        names = [*FILTERS, *compared.topaz, *compared.ours]
        words = [*usual, "--particle", data.decoy, *repeated("--denoiser", names)]
        parts.append(Part(name="spiked", script="spiked", words=words))
    return parts


def shown(name: str, output: Path) -> Words:
    """Words that ask for a picture of what the denoisers make of one micrograph."""
    return ["--picture", output / f"{name}_example.png"]


def repeated(option: str, values: Sequence[object]) -> Words:
    """An option with each of its values."""
    return [word for value in values for word in (option, value)]
