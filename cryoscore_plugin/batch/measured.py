"""Numbers about a micrograph, kept in the header of its output.

A run that goes on where another one stopped skips what is finished, and still has to
say how noisy each micrograph was. The header is the one place that is there whenever
the output is: both appear in the same moment. The tests hold that the numbers come
back with six digits, and that other labels are not taken for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress

_PREFIX = "cryoscore measured"

_LONGEST = 80
"""Characters of one label of an MRC file."""


def measured_labels(quality: Mapping[str, float]) -> list[str]:
    """Text lines for the header of an output, as many numbers on each as fit.

    Parameters
    ----------
    quality : Mapping[str, float]
        Numbers by name, such as `noise_level`; a name has no space and no `=`.

    Returns
    -------
    labels : list[str]
        For example `cryoscore measured noise_level=12.5 noise_variation=0.031`.
    """
    labels: list[str] = []
    line = _PREFIX
    for name, value in quality.items():
        word = f" {name}={value:.6g}"
        if len(line) + len(word) > _LONGEST:
            labels.append(line)
            line = _PREFIX
        line += word
    return [*labels, line] if quality else []


def measured_in(labels: Iterable[str]) -> dict[str, float]:
    """The numbers that labels of an output hold.

    Parameters
    ----------
    labels : Iterable[str]
        Text lines of a header; those that hold no numbers are passed over.

    Returns
    -------
    quality : dict[str, float]
        Numbers by name; a number that was not finite is left out.
    """
    quality = {}
    for label in labels:
        if not label.startswith(_PREFIX):
            continue
        for word in label.removeprefix(_PREFIX).split():
            name, _, text = word.partition("=")
            with suppress(ValueError):  # A label that was cut by another program.
                value = float(text)
                if math.isfinite(value):
                    quality[name] = value
    return quality
