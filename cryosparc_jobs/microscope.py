"""How the microscope was set for each exposure, from the slots `ctf` and `mscope_params`.

CryoSPARC has angles in radians, and voltage and aberration in both slots; those of `ctf`
were used to fit the defocus, and count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cryoscore_plugin.optics import Optics

_FIELDS = {
    "defocus_u": ("ctf/df1_A",),
    "defocus_v": ("ctf/df2_A",),
    "defocus_angle": ("ctf/df_angle_rad",),
    "voltage": ("ctf/accel_kv", "mscope_params/accel_kv"),
    "spherical_aberration": ("ctf/cs_mm", "mscope_params/cs_mm"),
    "amplitude_contrast": ("ctf/amp_contrast",),
    "phase_shift": ("ctf/phase_shift_rad",),
}
"""Where each number is; the first that is there counts."""

_ANGLES = ("defocus_angle", "phase_shift")

_POSITIVE = ("defocus_u", "defocus_v", "voltage", "spherical_aberration")
"""Zero in a row that no CTF was fitted for."""


def optics_of(rows: Any) -> list[Optics | None]:  # noqa: ANN401  Dataset
    """How each exposure was taken; None where the dataset does not say all of it.

    Parameters
    ----------
    rows : Dataset
        Exposures.
    """
    known = set(rows.fields())
    found = {
        name: next((field for field in fields if field in known), None)
        for name, fields in _FIELDS.items()
    }
    if None in found.values():
        return [None] * len(rows)
    columns = {name: rows[field] for name, field in found.items()}
    return [
        _optics({name: float(column[place]) for name, column in columns.items()})
        for place in range(len(rows))
    ]


def _optics(numbers: Mapping[str, float]) -> Optics | None:
    if not all(map(math.isfinite, numbers.values())):
        return None
    if min(numbers[name] for name in _POSITIVE) <= 0:
        return None
    angles = {name: math.degrees(numbers[name]) for name in _ANGLES}
    return Optics(**{**numbers, **angles})
