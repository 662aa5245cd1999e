"""Read and write micrographs: MRC files, plain or compressed, and TIFF.

An input is checked before it is used (`reading`, `header`). An output carries what
its input said about the specimen, and is seen under its own name only when it is
complete (`writing`). A stack (`.mrcs`) goes through memory image by image.
"""

from cryoscore_plugin.mrc.halves import read_halves
from cryoscore_plugin.mrc.header import MrcHeader
from cryoscore_plugin.mrc.reading import (
    is_tiff,
    iterate_stack,
    read_header,
    read_labels,
    read_micrograph,
    read_stack,
    read_volume,
)
from cryoscore_plugin.mrc.writing import (
    write_micrograph,
    write_stack,
)

__all__ = [
    "MrcHeader",
    "is_tiff",
    "iterate_stack",
    "read_halves",
    "read_header",
    "read_labels",
    "read_micrograph",
    "read_stack",
    "read_volume",
    "write_micrograph",
    "write_stack",
]
