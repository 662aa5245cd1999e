"""Micrographs of known truth: particles and background as the microscope shows them.

The forward model is `y = x + b + n` (linear in phase: the weak-phase object).
`x` holds the particles as the transfer function, its envelope, radiation damage and the
detector leave them: this, not the particle itself, is what a denoiser should return.
`b` is all other structure, seen by the same optics and not damaged; `n` is counting
noise.

Images are simulated on a canvas that wraps around. `simulate_micrograph` cuts a
margin off, so that nothing of the wrapping is left.

References
----------
Vulović et al. (2013), J. Struct. Biol. 183, 19-32 (image formation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryoscore_plugin.arrays import CentersYX, Image
from cryoscore_plugin.ctf import Optics, contrast_transfer
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.simulation.background import (
    Canvas,
    debris_views,
    random_background,
)
from cryoscore_plugin.simulation.contrast import layer_contrast, particle_contrast
from cryoscore_plugin.simulation.detector import ModulationTransfer
from cryoscore_plugin.simulation.radiation_damage import damage_envelope
from cryoscore_plugin.simulation.specimen import (
    Pose,
    add_views,
    random_centers,
    random_views,
)
from cryoscore_plugin.tensors import HalfPlaneMap

MARGIN = 300.0
"""Width in Å of the canvas around a micrograph: half a large particle and the
reach of its Fresnel fringes."""

TYPICAL_BACKGROUND = 0.4
"""Strength of the background at which simulated micrographs have as much power at
waves longer than 250 Å as eight real ones (EMPIAR-10146), by the spectra that a frame
and the rest of its movie share. With 1 a micrograph is an ugly one."""

QUANTUM_EFFICIENCY = 0.7
"""Share of the electrons that count, of a direct detector at low frequency."""


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """How a simulated micrograph is filled.

    Attributes
    ----------
    occupancy : float
        Part of the area covered by particles, 0 to about 0.6.
    separation : float
        Smallest distance of neighbours, in diameters.
    contrast : float
        Phase contrast relative to elastic weak-phase theory; real images show
        less, because of inelastic scattering and movement.
    background : float
        Strength of the structured background; 0 for none.
    parts : tuple[str, ...] | None
        Names of the parts of the background in each micrograph (`background.PARTS`);
        None leaves them to chance.
    views : int
        Number of different orientations.
    preferred : float
        Part of them with the model's z axis near the beam, 0 to 1.
    """

    occupancy: float = 0.25
    separation: float = 1.05
    contrast: float = 0.6
    background: float = TYPICAL_BACKGROUND
    parts: tuple[str, ...] | None = None
    views: int = 24
    preferred: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What the detector sees.

    Attributes
    ----------
    shape : tuple[int, int]
        `(h, w)` in px.
    pixel_size : float
        In Å/px.
    dose : float
        In e/Å².
    detector : ModulationTransfer | None
        Its modulation transfer; None for a perfect one.
    """

    shape: tuple[int, int]
    pixel_size: float
    dose: float
    detector: ModulationTransfer | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedMicrograph:
    """A micrograph and the truth about it.

    Attributes
    ----------
    noisy : Image
        Electrons per pixel.
    clean : Image
        What the particles alone contribute, in electrons per pixel; the truth.
    background : Image
        What the rest contributes, relative to the mean, in electrons per pixel.
    centers_yx : CentersYX
        Pixels of the particles inside the image; their centres are displaced from
        there by the shifts of their poses.
    poses : list[Pose]
        Of each of them.
    optics : Optics
        How it was taken.
    pixel_size : float
        In Å/px.
    """

    noisy: Image
    clean: Image
    background: Image
    centers_yx: CentersYX
    poses: list[Pose]
    optics: Optics
    pixel_size: float


def random_optics(rng: np.random.Generator, *, voltage: float) -> Optics:
    """Defocus 0.5 to 3.5 µm at a voltage in kV; one in ten has a phase plate."""
    defocus = rng.uniform(5000, 35000)
    return Optics(
        defocus_u=defocus + rng.exponential(200),
        defocus_v=defocus,
        defocus_angle=rng.uniform(0, 180),
        voltage=voltage,
        amplitude_contrast=rng.uniform(0.05, 0.12),
        phase_shift=rng.uniform(40, 120) if rng.random() < 0.1 else 0.0,
        b_factor=rng.uniform(20, 200),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Crowd:
    """Particles on a canvas: their phase in rad, and place and pose of each."""

    phase: Image
    centers_yx: CentersYX
    poses: list[Pose]

    def inside(
        self, margin: int, shape: tuple[int, int]
    ) -> tuple[CentersYX, list[Pose]]:
        """Pixels and poses of those in an image that is cut out behind a margin."""
        kept = self.centers_yx - margin
        inside = ((kept >= 0) & (kept < shape)).all(axis=1)
        poses = [self.poses[number] for number in np.flatnonzero(inside)]
        return np.floor(kept[inside]), poses


def _canvas_around(exposure: Exposure, margin: int, voltage: float) -> Canvas:
    """What a micrograph is cut out of, a margin in px wider on each side."""
    h, w = exposure.shape
    return Canvas(
        shape=(h + 2 * margin, w + 2 * margin),
        pixel_size=exposure.pixel_size,
        voltage=voltage,
    )


def _crowd(
    models: Sequence[AtomicModel],
    scene: SceneSettings,
    canvas: Canvas,
    *,
    rng: np.random.Generator,
) -> _Crowd:
    """A canvas that is as full of one of the particles as the scene wants it."""
    bank = random_views(
        models[int(rng.integers(len(models)))],
        scene.views,
        pixel_size=canvas.pixel_size,
        voltage=canvas.voltage,
        rng=rng,
        preferred=scene.preferred,
    )
    phase = canvas.empty()
    count = int(scene.occupancy * phase.size / (np.pi / 4 * bank.diameter**2))
    centers = random_centers(
        canvas.shape, count=count, distance=scene.separation * bank.diameter, rng=rng
    )
    chosen = add_views(phase, centers, bank.views, rng=rng)
    return _Crowd(
        phase=phase, centers_yx=centers, poses=[bank.poses[view] for view in chosen]
    )


def _background(
    models: Sequence[AtomicModel],
    scene: SceneSettings,
    canvas: Canvas,
    *,
    transfer: HalfPlaneMap,
    rng: np.random.Generator,
) -> Image:
    """Relative contrast of a background of strength 1, with debris of the particles."""
    debris = debris_views(
        models, pixel_size=canvas.pixel_size, voltage=canvas.voltage, rng=rng
    )
    layer = random_background(replace(canvas, debris=debris), rng, scene.parts)
    return layer_contrast(layer, transfer, contrast=scene.contrast)


def simulate_micrograph(
    models: Sequence[AtomicModel],
    optics: Optics,
    scene: SceneSettings,
    exposure: Exposure,
    *,
    rng: np.random.Generator,
) -> SimulatedMicrograph:
    """Simulate one micrograph.

    Parameters
    ----------
    models : Sequence[AtomicModel]
        Particles; each micrograph holds one of them, chosen at random.
    optics : Optics
        How it is taken.
    scene : SceneSettings
        How it is filled.
    exposure : Exposure
        Size, sampling and dose.
    rng : np.random.Generator
        Source of everything random; the same state gives the same micrograph.
    """
    pixel_size = exposure.pixel_size
    margin = int(np.ceil(MARGIN / pixel_size))
    inner = (slice(margin, -margin), slice(margin, -margin))
    canvas = _canvas_around(exposure, margin, optics.voltage)
    transfer = contrast_transfer(optics, shape=canvas.shape, pixel_size=pixel_size)
    crowd = _crowd(models, scene, canvas, rng=rng)
    background = _background(models, scene, canvas, transfer=transfer, rng=rng)

    electrons = np.float32(exposure.dose * pixel_size**2 * QUANTUM_EFFICIENCY)
    left = transfer * damage_envelope(
        dose=exposure.dose,
        shape=canvas.shape,
        pixel_size=pixel_size,
        voltage=canvas.voltage,
    )
    clean = (
        electrons * np.float32(scene.contrast) * particle_contrast(crowd.phase, left)
    )
    structure = electrons * np.float32(scene.background) * background
    if exposure.detector is not None:
        clean, structure = map(exposure.detector.applied, (clean, structure))
    expected = np.maximum(electrons + (clean + structure)[inner], 0)
    centers_yx, poses = crowd.inside(margin, exposure.shape)
    return SimulatedMicrograph(
        noisy=rng.poisson(expected).astype(np.float32),
        clean=clean[inner],
        background=structure[inner],
        centers_yx=centers_yx,
        poses=poses,
        optics=optics,
        pixel_size=pixel_size,
    )
