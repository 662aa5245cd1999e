"""What a detector makes of the image before it counts: its modulation transfer function.

A counting detector blurs the signal, while the counts of neighbouring pixels stay nearly
independent: so the function multiplies what is expected, and the noise stays white.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

from cryoscore_plugin.arrays import Image, Values
from cryoscore_plugin.errors import InputError

TWO_NUMBERS = re.compile(r"\s*([\d.eE+-]+)\s+([\d.eE+-]+)\s*$")


@dataclass(frozen=True, kw_only=True, eq=False)
class ModulationTransfer:
    """How much of a wave a detector records.

    Attributes
    ----------
    frequency : Values
        In cycles per px of the micrograph, rising.
    value : Values
        From 0 to 1; beyond the last frequency as there.
    """

    frequency: Values
    value: Values

    def applied(self, image: Image) -> Image:
        """An image as the detector records it; it is taken as periodic."""
        h, w = image.shape
        k = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w))
        gain = np.interp(k, self.frequency, self.value)
        seen: Image = fft.irfft2(fft.rfft2(image) * gain, s=(h, w)).astype(np.float32)
        return seen


def read_modulation_transfer(path: Path) -> ModulationTransfer:
    """Read a table of two columns: frequency in 1/px, and value.

    Parameters
    ----------
    path : Path
        A STAR file as RELION and makers of detectors give it
        (`_rlnResolutionInversePixel`, `_rlnMtfValue`), or text. Lines that are not two
        numbers are left out.

    Raises
    ------
    InputError
        If it cannot be read or holds no such table.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"Cannot read {path}: {error}. Expected a table of two columns."
        raise InputError(msg) from error
    pairs = [match.groups() for match in map(TWO_NUMBERS.match, lines) if match]
    if len(pairs) < 2:
        msg = (
            f"{path} should be a table of two columns, frequency in 1/px and modulation "
            f"transfer, but {len(pairs)} of its lines are two numbers. Use the STAR file "
            "that RELION takes for the detector."
        )
        raise InputError(msg)
    frequency, value = np.array(pairs, dtype=np.float64).T
    order = np.argsort(frequency)
    return ModulationTransfer(frequency=frequency[order], value=value[order])
