"""What else lies in the ice: everything that is not a particle.

Each part is a `Layer`: a phase image, which the microscope's transfer function
acts on, and an absorption image, which it does not. Carbon, contamination and
debris are phase objects with some absorption; slow changes of ice thickness
absorb only. Lengths are in Å, so a background looks the same at any sampling.

Amplitudes come from mean inner potentials (ice 4.5 V, carbon 9 V) and plausible
thicknesses; ranges are wide, because a denoiser must have met worse than what
it will meet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.constants import ICE_POTENTIAL, interaction_constant
from cryoscore_plugin.density.atomic_model import AtomicModel, fragment
from cryoscore_plugin.simulation.specimen import (
    ViewBank,
    add_views,
    random_views,
)

CARBON_POTENTIAL = 9.0
"""Mean inner potential of amorphous carbon in V (Wanner et al. 2006: 9.1 V)."""

CARBON_ATOMS = 0.1
"""Atoms per Å³ of amorphous carbon of 2 g/cm³."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One part of the background.

    Attributes
    ----------
    phase : Image
        In rad.
    absorption : Image
        Fraction of the electrons that are lost.
    """

    phase: Image
    absorption: Image


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """Where a background is painted.

    Attributes
    ----------
    shape : tuple[int, int]
        `(h, w)` in px.
    pixel_size : float
        In Å/px.
    voltage : float
        In kV.
    debris : Sequence[ViewBank]
        Views of fragments of particles, if there are any.
    """

    shape: tuple[int, int]
    pixel_size: float
    voltage: float
    debris: Sequence[ViewBank] = ()

    def coordinates(self) -> tuple[Image, Image]:
        """Rows and columns in Å, from the upper left corner."""
        y, x = np.indices(self.shape, dtype=np.float32) * np.float32(self.pixel_size)
        return y, x

    def empty(self) -> Image:
        """A blank image."""
        return np.zeros(self.shape, dtype=np.float32)

    def random_field(self, exponent: float, rng: np.random.Generator) -> Image:
        """Gaussian field of unit variance whose power falls as `k ** -exponent`."""
        noise = fft.rfft2(rng.standard_normal(self.shape, dtype=np.float32))
        fy, fx = np.fft.fftfreq(self.shape[0])[:, None], np.fft.rfftfreq(self.shape[1])
        k = np.hypot(fy, fx) / self.pixel_size
        k[0, 0] = np.inf
        # Slower than 3000 Å it is a gradient, which `ice_thickness` adds.
        filtered = noise * np.maximum(k, 1 / 3000) ** (-exponent / 2)
        field = fft.irfft2(filtered, s=self.shape).astype(np.float32)
        field /= field.std()
        return field


Part = Callable[[Canvas, np.random.Generator], Layer]


def ice_thickness(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Slow changes of thickness: a gradient, and a cloudy field."""
    y, x = canvas.coordinates()
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.exp(rng.uniform(np.log(0.005), np.log(0.1))) / 1000  # per Å
    ramp = slope * (np.cos(angle) * y + np.sin(angle) * x)
    cloud = np.exp(rng.uniform(np.log(0.003), np.log(0.06)))
    field = cloud * canvas.random_field(rng.uniform(2.5, 4), rng)
    absorption = (ramp - ramp.mean() + field).astype(np.float32)
    return Layer(phase=canvas.empty(), absorption=absorption)


def ice_texture(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Water is not smooth: white phase noise, weakened by its own movement.

    0.003 to 0.03 rad at 3 Å/px: 100 to 600 Å of water whose density fluctuates
    at long wavelengths by its compressibility (structure factor about 0.06).
    """
    noise = rng.standard_normal(canvas.shape, dtype=np.float32)
    strength = np.exp(rng.uniform(np.log(0.003), np.log(0.03)))
    return Layer(
        phase=np.float32(strength * 3.0 / canvas.pixel_size) * noise,
        absorption=canvas.empty(),
    )


def carbon_film(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """The edge of a hole: carbon on one side, thick, rough and absorbing.

    Its grain is that of atoms that keep apart: in a column the number of atoms
    fluctuates less than at random, by a structure factor of 0.05 to 0.3 at the
    frequencies of particles.
    """
    y, x = canvas.coordinates()
    extent = max(canvas.shape) * canvas.pixel_size
    radius = rng.uniform(3000, 12000)
    angle = rng.uniform(0, 2 * np.pi)
    # The edge passes at a random place through the picture.
    edge = rng.uniform(-0.45, 0.45) * extent
    cy = y.mean() + np.cos(angle) * (edge - radius)
    cx = x.mean() + np.sin(angle) * (edge - radius)
    rough = rng.uniform(0, 30) * canvas.random_field(2.5, rng)
    beyond = np.hypot(y - cy, x - cx) - radius + rough
    width = rng.uniform(5, 60)
    film = (0.5 + 0.5 * np.tanh(beyond / width)).astype(np.float32)
    thickness = rng.uniform(80, 400)  # Å
    mean_phase = interaction_constant(canvas.voltage) * CARBON_POTENTIAL * thickness
    texture = rng.standard_normal(canvas.shape, dtype=np.float32)
    atoms = CARBON_ATOMS * thickness * canvas.pixel_size**2
    grain = mean_phase * np.sqrt(rng.uniform(0.05, 0.3) / atoms)
    # Ice is displaced or covered, so only part of the step is seen.
    step = rng.uniform(0.05, 0.5) * mean_phase
    return Layer(
        phase=(film * (step + grain * texture)).astype(np.float32),
        absorption=(film * rng.uniform(0.0, 0.2)).astype(np.float32),
    )


def contamination(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Ice crystals and dirt: a few thick lumps, from 60 to 1500 Å across."""
    thickness = canvas.empty()
    count = int(rng.geometric(0.35))
    for _ in range(count):
        diameter = np.exp(rng.triangular(np.log(60), np.log(100), np.log(1500)))
        thickness += _lump(canvas, diameter, rng)
    potential = ICE_POTENTIAL * rng.uniform(0.5, 1.5)
    grain = 1 + rng.uniform(0, 0.1) * canvas.random_field(rng.uniform(1, 3), rng)
    phase = interaction_constant(canvas.voltage) * potential * thickness * grain
    # Thick ice scatters most electrons out of the image: 3000 Å mean free path.
    absorption = 1 - np.exp(-thickness * rng.uniform(0.2, 1.5) / 3000)
    return Layer(
        phase=np.tanh(phase).astype(np.float32),
        absorption=absorption.astype(np.float32),
    )


def _lump(canvas: Canvas, diameter: float, rng: np.random.Generator) -> Image:
    """Thickness in Å of one irregular lump, thicker than a particle of its size."""
    y, x = canvas.coordinates()
    dy = y - rng.uniform(0, y.max())
    dx = x - rng.uniform(0, x.max())
    theta = np.arctan2(dy, dx)
    outline = np.ones_like(theta)
    for order in range(2, 7):
        amplitude = rng.normal(0, 0.35 / order)
        outline += amplitude * np.cos(order * theta + rng.uniform(0, 2 * np.pi))
    radius = np.hypot(dy, dx) / (diameter / 2 * np.maximum(outline, 0.2))
    power = rng.uniform(1.5, 8)  # from a cone to a plate
    height = min(diameter * rng.uniform(0.5, 2.5), 2000)
    lump: Image = (height * np.maximum(1 - radius**power, 0)).astype(np.float32)
    return lump


def debris(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Fragments of particles: scattered over the picture, or in dense clumps."""
    phase = canvas.empty()
    if canvas.debris:
        bank = canvas.debris[int(rng.integers(len(canvas.debris)))]
        area = np.prod(canvas.shape) / bank.diameter**2
        count = int(area * np.exp(rng.uniform(np.log(0.01), np.log(0.4))))
        centers = rng.uniform(0, canvas.shape, (count, 2))
        if rng.random() < 0.25:  # an aggregate
            spread = rng.uniform(100, 300) / canvas.pixel_size
            middle = rng.uniform(0, canvas.shape)
            centers = rng.normal(middle, spread, (int(rng.integers(20, 120)), 2))
        add_views(phase, centers, bank.views, rng=rng)
    return Layer(phase=phase, absorption=canvas.empty())


PARTS: dict[Part, float] = {
    ice_thickness: 0.9,
    ice_texture: 0.8,
    carbon_film: 0.2,
    contamination: 0.35,
    debris: 0.5,
}
"""How often each part is present."""


def random_background(
    canvas: Canvas, rng: np.random.Generator, parts: Collection[str] | None = None
) -> Layer:
    """Sum of the parts that happen to be present.

    Parameters
    ----------
    canvas : Canvas
        Where it is painted.
    rng : np.random.Generator
        Source of everything random.
    parts : Collection[str] or None
        Names of those that are present, and no others; None leaves it to chance.
    """
    phase, absorption = canvas.empty(), canvas.empty()
    for part, chance in PARTS.items():
        present = rng.random() < chance
        if present if parts is None else part.__name__ in parts:
            layer = part(canvas, rng)
            phase += layer.phase
            absorption += layer.absorption
    return Layer(phase=phase, absorption=absorption)


def debris_views(
    models: Sequence[AtomicModel],
    *,
    pixel_size: float,
    voltage: float,
    rng: np.random.Generator,
) -> list[ViewBank]:
    """Views of a few fragments, 12 to 32 Å in radius, of the given particles."""
    pieces = [
        fragment(models[int(rng.integers(len(models)))], rng.uniform(12, 32), rng)
        for _ in range(3)
    ]
    return [
        random_views(piece, 6, pixel_size=pixel_size, voltage=voltage, rng=rng)
        for piece in pieces
        if piece.diameter > 0
    ]
