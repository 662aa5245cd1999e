"""Target guidance: what a known particle says about a micrograph.

`views` makes projections of a reference, `reference` keeps them in a file whose `card`
says where they are from, `mixture` and `search` ask where in a micrograph they are, and
`guide` brings the answer into the estimate of a network.
"""
