"""The `.csg` file that tells CryoSPARC which slots a dataset has.

"Import Result Group" takes one: a YAML text that names the output, and for each slot the
file, the number of rows and the type. A name of a file that begins with `>` is looked for
beside the `.csg` file. The form is that of the files that CryoSPARC exports.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import yaml
from cryosparc import __version__ as client_version

from cryosparc_jobs.exposures import DENOISED, OUTPUT, RAW

_TYPES = {
    DENOISED: RAW,
    f"{RAW}_non_dw": RAW,
    f"{RAW}_non_dw_AB": RAW,
    "background_blob": "stat_blob",
    "micrograph_thumbnail_blob_1x": "thumbnail_blob",
    "micrograph_thumbnail_blob_2x": "thumbnail_blob",
    "rigid_motion": "motion",
    "spline_motion": "motion",
}
"""Types of slots that have another name than their type."""


def result_group(fields: Iterable[str], count: int, dataset: str) -> str:
    """The text of the `.csg` file of a dataset of exposures.

    Parameters
    ----------
    fields : Iterable[str]
        Columns of the dataset but `uid`, such as `ctf/df1_A`.
    count : int
        Its number of rows.
    dataset : str
        Its name, in the folder of the `.csg` file.
    """
    slots = sorted({field.partition("/")[0] for field in fields})
    facts = {
        "created": datetime.now(UTC).replace(tzinfo=None),
        "group": {
            "description": "Exposures with denoised micrographs, to pick on",
            "name": OUTPUT,
            "title": "Micrographs (cryoscore)",
            "type": "exposure",
        },
        "results": {
            slot: {
                "metafile": f">{dataset}",
                "num_items": count,
                "type": f"exposure.{_TYPES.get(slot, slot)}",
            }
            for slot in slots
        },
        "version": f"v{client_version}",
    }
    return yaml.safe_dump(facts)
