"""The adapter for RELION 3.1 to 5: translates tables, markers and names, no more."""
