"""Networks that estimate the clean image; loading and training are elsewhere."""
