"""Micrographs of known truth."""
