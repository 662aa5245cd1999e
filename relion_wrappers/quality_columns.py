"""What was measured on each micrograph, as columns that RELION can select on.

RELION keeps a column whose label it does not know, but refuses to select on it
("can only make a subset selection based on numbers"). So the numbers that tell
micrographs apart go under labels that RELION knows as numbers, of images, references
and particles, and that it does not use for micrographs itself:

- `rlnStandardDeviationValue`: noise level, the standard deviation of the noise of a
  pixel at the working pixel size, in grey values of the raw micrograph;
- `rlnSignalToNoiseRatio`: power that was kept over power that was removed, between
  250 and 20 Å, where particles are;
- `rlnParticleFigureOfMerit`: how even the spectrum of what was removed is, from 0 to
  1; low where structure was removed, such as carbon, crystalline ice or a particle;
- `rlnFourierShellCorrelation`, where halves are used: how well the denoised image of
  even frames agrees with that of odd frames as recorded, between 250 and 20 Å.

They compare the micrographs of one data set, and are no measure of truth. The tests
hold that RELION itself keeps and selects on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relion_wrappers.micrographs_star import MicrographsStar

QUALITY_COLUMNS = {
    "noise_level": "rlnStandardDeviationValue",
    "signal_to_noise": "rlnSignalToNoiseRatio",
    "residual_whiteness": "rlnParticleFigureOfMerit",
    "half_correlation": "rlnFourierShellCorrelation",
}
"""RELION's label by our name of the number."""


def with_quality(
    micrographs: MicrographsStar, quality: Mapping[str, Mapping[str, float]]
) -> MicrographsStar:
    """The same micrographs, with the columns of `QUALITY_COLUMNS` at the end.

    Parameters
    ----------
    micrographs : MicrographsStar
        The raw micrographs.
    quality : Mapping[str, Mapping[str, float]]
        Numbers by name, for each micrograph by its raw name.

    Returns
    -------
    extended : MicrographsStar
        A column that the table has already stays as it is, and one without any
        number is left out. A missing number is `nan`, which RELION reads as 0.
    """
    columns = {}
    for name, label in QUALITY_COLUMNS.items():
        values = [quality.get(one, {}).get(name) for one in micrographs.names]
        if label not in micrographs.table and any(v is not None for v in values):
            columns[label] = ["nan" if v is None else f"{v:.6g}" for v in values]
    return replace(micrographs, table=micrographs.table.assign(**columns))
