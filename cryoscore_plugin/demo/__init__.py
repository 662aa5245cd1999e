"""A small project of known truth, denoised through the commands a user would type.

`project` simulates it, `jobs` runs the commands, `outcome` compares with the truth.
The words of RELION in here are those that a user writes: a table of micrographs and
lines for the shell. No adapter is imported.
"""
