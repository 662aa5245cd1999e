"""Ways to restore a micrograph from a denoiser, each with the same signature."""
