"""The adapter for CryoSPARC."""
