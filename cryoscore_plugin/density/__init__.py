"""Densities: from atoms or shapes to projections."""
