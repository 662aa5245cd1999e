"""Denoise one micrograph from Python: quick_start.py RAW.mrc DENOISED.mrc."""

import sys
from pathlib import Path

from cryoscore_plugin import (
    DenoiseSettings,
    load_denoisers,
    read_micrograph,
    write_micrograph,
)


def main(raw: Path, denoised: Path) -> None:
    """Read, denoise, write, and say what the program noticed."""
    settings = DenoiseSettings(device="auto")
    [denoiser, *_] = load_denoisers(settings)  # one for each device
    print(f"Using {denoiser.description}")
    restoration = denoiser.denoise(read_micrograph(raw))
    for warning in restoration.warnings:
        print(f"Note: {warning}")
    write_micrograph(denoised, restoration.micrograph)
    print(f"Pick particles on {denoised}, and extract them from {raw}.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
