"""Target guidance: what a known particle says about a micrograph.

`views` makes projections of a reference, `reference` keeps them in a file with where
they are from, `mixture` asks where in a micrograph they are, and `guide` brings the
answer into the estimate of a network.
"""
