"""cryoscore: score-based denoising of cryo-EM micrographs."""

__version__ = "0.1.0"
