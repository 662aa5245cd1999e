"""Files as each RELION writes them, word for word, and a project to run jobs in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from relion_project import Project, new_project

RELION_3_0 = """\

data_

loop_ 
_rlnMicrographName #1 
_rlnCtfImage #2 
_rlnDefocusU #3 
_rlnDefocusV #4 
_rlnDefocusAngle #5 
_rlnVoltage #6 
_rlnSphericalAberration #7 
_rlnAmplitudeContrast #8 
_rlnMagnification #9 
_rlnDetectorPixelSize #10 
_rlnCtfFigureOfMerit #11 
MotionCorr/job002/Movies/a.mrc CtfFind/job003/Movies/a.ctf:mrc 10863.857422 10575.722656 77.995003 300.000000 2.700000 0.100000 10000.000000 1.500000 0.131144 
MotionCorr/job002/Movies/b.mrc CtfFind/job003/Movies/b.ctf:mrc 9836.475586  9586.718750 71.040001 300.000000 2.700000 0.100000 10000.000000 2.500000 0.141000 
 
"""

OPTICS = """\

# version {version}

data_optics

loop_ 
_rlnOpticsGroupName #1 
_rlnOpticsGroup #2 
_rlnMicrographPixelSize #3 
_rlnMicrographOriginalPixelSize #4 
_rlnVoltage #5 
_rlnSphericalAberration #6 
_rlnAmplitudeContrast #7 
opticsGroup1            1     1.500000     0.750000   300.000000     2.700000     0.100000 
opticsGroup2            2     2.500000     0.750000   300.000000     2.700000     0.100000 
 
"""

MICROGRAPHS = """\

# version {version}

data_micrographs

loop_ 
_rlnMicrographName #1 
_rlnOpticsGroup #2 
_rlnCtfImage #3 
_rlnDefocusU #4 
_rlnCtfFigureOfMerit #5 
_rlnSomethingUnknown #6 
MotionCorr/job002/Movies/a.mrc            1 CtfFind/job003/Movies/a_PS.ctf:mrc 10863.857422 1e-30 00012 
MotionCorr/job002/Movies/b.mrc            2 CtfFind/job003/Movies/b_PS.ctf:mrc  9836.475586   nan    "" 
 
"""

TABLES = {
    "3.0": RELION_3_0,
    "3.1": (OPTICS + MICROGRAPHS).format(version=30001),
    "4.0": (OPTICS + MICROGRAPHS).format(version=30001),
    "5.0": (OPTICS + MICROGRAPHS).format(version=50001),
}

JOB_STAR = {
    "3.1": "\n# version 30001\n\ndata_job\n\n_rlnJobType   99\n_rlnJobIsContinue  0\n",
    "4.0": "\n# version 30001\n\ndata_job\n\n_rlnJobTypeLabel   relion.external\n"
    "_rlnJobIsContinue  0\n_rlnJobIsTomo   0\n",
    "5.0": "\n# version 50001\n\ndata_job\n\n_rlnJobTypeLabel   relion.external\n"
    "_rlnJobIsContinue  0\n_rlnJobIsTomo   0\n",
}

NODE_COLUMNS = {
    "3.1": "_rlnPipeLineNodeName #1 \n_rlnPipeLineNodeType #2 \n",
    "4.0": "_rlnPipeLineNodeName #1 \n_rlnPipeLineNodeTypeLabel #2 \n",
    "5.0": "_rlnPipeLineNodeName #1 \n_rlnPipeLineNodeTypeLabel #2 \n"
    "_rlnPipeLineNodeTypeLabelDepth #3 \n",
}

NODE_TYPE = {
    "3.1": "1",
    "4.0": "MicrographsData.star.relion",
    "5.0": "MicrographGroupMetadata.star.relion 1",
}

OTHER_TYPE = {"3.1": "6", "4.0": "DensityMap.mrc", "5.0": "DensityMap.mrc 1"}


@pytest.fixture
def tables() -> dict[str, str]:
    """The same two micrographs, 1.5 and 2.5 Å/px, as each RELION lists them."""
    return TABLES


@pytest.fixture
def start_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make `External/job012/` as a RELION does before it starts the job.

    The project is the current folder; `CtfFind/job003/micrographs_ctf.star` is the
    input of the job.
    """
    monkeypatch.chdir(tmp_path)

    def start(version: str, node: str = "CtfFind/job003/micrographs_ctf.star") -> Path:
        folder = Path("External/job012")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.star").write_text(JOB_STAR[version])
        (folder / "job_pipeline.star").write_text(
            "\n# version 30001\n\ndata_pipeline_general\n\n"
            "_rlnPipeLineJobCounter                       13\n \n"
            "\n# version 30001\n\ndata_pipeline_nodes\n\nloop_ \n"
            f"{NODE_COLUMNS[version]}Refine3D/job011/x.mrc {OTHER_TYPE[version]} \n"
            f"{node} {NODE_TYPE[version]} \n \n"
        )
        table = Path("CtfFind/job003/micrographs_ctf.star")
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(TABLES[version])
        return folder

    return start


@pytest.fixture
def micrographs_of_the_tables(tmp_path: Path) -> None:
    """The files that the tables list."""
    pixels = np.random.default_rng(3).normal(10, 1, (128, 128)).astype(np.float32)
    for name, pixel_size in (("a", 1.5), ("b", 2.5)):
        path = tmp_path / f"MotionCorr/job002/Movies/{name}.mrc"
        path.parent.mkdir(parents=True, exist_ok=True)
        with mrcfile.new(path) as file:
            file.set_data(pixels)
            file.voxel_size = pixel_size


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Project:
    """Three micrographs in a project of the real RELION; see `new_project`."""
    return new_project(tmp_path_factory.mktemp("project"), tiny_checkpoint)
