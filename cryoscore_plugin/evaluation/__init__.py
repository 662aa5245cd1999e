"""Numbers for claims: fidelity, picking, speed."""
