"""A RELION project for tests, and the real RELION that works in it.

Debian's package `relion` (3.1.3) is enough. The folder of another RELION's programs
can be given in the environment variable RELION_BIN.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from relion_wrappers.star_file import read_star

PROGRAMS = os.environ.get("RELION_BIN", "")
PATH = os.pathsep.join(filter(None, [PROGRAMS, os.environ["PATH"]]))
COMMAND = Path(sys.executable).with_name("cryoscore-relion-denoise")
TRAIN = Path(sys.executable).with_name("cryoscore-relion-train")
RESTORE = Path(sys.executable).with_name("cryoscore-relion-restore-picks")

needs_relion = pytest.mark.skipif(
    shutil.which("relion_pipeliner", path=PATH) is None,
    reason="relion_pipeliner is not on the PATH; install RELION or set RELION_BIN",
)

TABLE = "External/job002/micrographs_ctf.star"
"""Raw micrographs with CTF columns, in the test project."""

TIMEOUT = 600
"""In s; a job takes a few, but a machine may be busy."""

STATUS = {"2": "Succeeded", "3": "Failed", "4": "Aborted"}
"""RELION 3.1 has numbers, 4 and 5 have words."""

FAKE_CTF = """\
import sys
from pathlib import Path

words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = Path(words["--o"])
lines = Path(words["--in_mics"]).read_text().splitlines()
out = []
for line in lines:
    out.append(line)
    if line.startswith("_rlnMicrographName "):
        name_at = int(line.split("#")[1]) - 1
    if line.startswith("_rlnOpticsGroup ") and out[-2].startswith("_rlnMicrographName"):
        out += ["_rlnCtfImage #3", "_rlnDefocusU #4", "_rlnDefocusV #5",
                "_rlnCtfAstigmatism #6", "_rlnDefocusAngle #7",
                "_rlnCtfFigureOfMerit #8", "_rlnCtfMaxResolution #9"]
    if ".mrc" in line:
        name = line.split()[name_at]
        out[-1] += f" {name}:ctf 12000.0 11800.0 200.0 45.0 0.15 4.0"
(folder / "micrographs_ctf.star").write_text("\\n".join(out) + "\\n")
head, _, rows = (folder / "job_pipeline.star").read_text().partition("data_pipeline_nodes")
labels = [x for x in rows.splitlines() if x.startswith("_rlnPipeLineNode")]
row = next(x for x in rows.splitlines() if x.startswith(words["--in_mics"]))
row = row.replace(words["--in_mics"], str(folder / "micrographs_ctf.star"))
(folder / "RELION_OUTPUT_NODES.star").write_text(
    "\\ndata_output_nodes\\n\\nloop_\\n" + "\\n".join([*labels, row]) + "\\n\\n")
(folder / "RELION_JOB_EXIT_SUCCESS").touch()
"""


@dataclass(kw_only=True)
class Project:
    """A RELION project, and RELION itself."""

    folder: Path
    checkpoint: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {**os.environ, "PATH": PATH, "OMP_NUM_THREADS": "1"},
        repr=False,
    )

    @property
    def version(self) -> int:
        """Generation of this RELION: 3, 4 or 5."""
        said = self.relion("--version", program="relion_refine")
        found = re.search(r"version: (\d)", said)
        assert found is not None, said
        return int(found.group(1))

    @property
    def next_number(self) -> int:
        """Number that RELION will give to the next job."""
        pipeline = (self.folder / "default_pipeline.star").read_text()
        found = re.search(r"_rlnPipeLineJobCounter\s+(\d+)", pipeline)
        assert found is not None, pipeline
        return int(found.group(1))

    def relion(self, *words: str, program: str = "relion_pipeliner") -> str:
        """Run a program of RELION to its end; return what it says."""
        answer = subprocess.run(
            [program, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        return answer.stdout

    def add(self, kind: str, *, alias: str = "", **options: str) -> str:
        """Add a job; return its name, such as `External/job002/`."""
        name = f"{kind}/job{self.next_number:03d}/"
        text = ";".join(f"{name} == {value}" for name, value in options.items())
        words = ["--setJobAlias", alias] if alias else []
        said = self.relion("--addJob", kind, "--addJobOptions", text, *words)
        assert (self.folder / name).is_dir(), said
        return name

    def add_denoising(self, table: str, **options: str) -> str:
        """Add our job; return its name."""
        settings = f"--model {self.checkpoint} --device cpu"
        return self.add(
            "External",
            **{"fn_exe": str(COMMAND), "in_mic": table, "other_args": settings}
            | options,
        )

    def add_picking(self, table: str) -> str:
        """Add a job that picks blobs on the micrographs of a table; return its name."""
        return self.add(
            "AutoPick",
            fn_input_autopick=table,
            do_log="Yes",
            log_diam_min="120",
            log_diam_max="180",
            **({} if self.version == 3 else {"do_refs": "No"}),
        )

    def picks_of(self, picking: str) -> str:
        """The file that RELION offers as the picks of a job."""
        name = "coords_suffix_autopick.star" if self.version == 3 else "autopick.star"
        return f"{picking}{name}"

    def count_picks(self, picking: str) -> int:
        """How many particles a job has picked."""
        paths = (self.folder / picking).rglob("*_autopick.star")
        return sum(
            len(read_star(path).blocks[""])
            for path in paths
            if not path.name.startswith("coords_suffix")
        )

    def extract(self, coordinates: str, **options: str) -> list[dict[str, str]]:
        """Extract from the raw micrographs; return the rows of the particles."""
        job = self.add(
            "Extract",
            **{"star_mics": TABLE, "coords_suffix": coordinates, "extract_size": "64"}
            | options,
        )
        assert self.run(job) == "Succeeded"
        return self.table(f"{job}particles.star", "particles")

    def start(self, job: str) -> subprocess.Popen[bytes]:
        """Let RELION start a job and wait for its end."""
        words = ["--RunJobs", f"{job} ", "--schedule", f"run{time.monotonic_ns()}"]
        return subprocess.Popen(
            ["relion_pipeliner", *words, "--sec_wait_after", "1"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, job: str) -> str:
        """Let RELION run a job; return how it ended in RELION's eyes."""
        self.finish(self.start(job))
        return self.status(job)

    def finish(self, pipeliner: subprocess.Popen[bytes]) -> None:
        """Wait for RELION; a job without a marker would let it wait for ever."""
        try:
            pipeliner.wait(timeout=TIMEOUT)
        finally:
            pipeliner.kill()
            pipeliner.wait()

    def status(self, job: str) -> str:
        """How a job ended, according to the pipeline."""
        table = self.table("default_pipeline.star", "pipeline_processes")
        [row] = [r for r in table if r["rlnPipeLineProcessName"] == job]
        [status] = [v for k, v in row.items() if "ProcessStatus" in k]
        return STATUS.get(status, status)

    def table(self, path: str, block: str) -> list[dict[str, str]]:
        """Rows of a table."""
        return read_star(self.folder / path).blocks[block].to_dict("records")

    def run_out(self, job: str) -> str:
        """What a job said."""
        path = self.folder / job / "run.out"
        return path.read_text() if path.exists() else ""

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        end = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.005)

    def pid_of(self, job: str) -> int:
        """The process that RELION started for a job."""
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                here = (entry / "cwd").readlink() == self.folder
            except (OSError, UnicodeDecodeError):
                continue
            if here and job in words and str(COMMAND) in words:
                return int(entry.name)
        message = "no such process"
        raise AssertionError(message)


def write_micrograph(path: Path, seed: int, side: int = 512) -> None:
    """Write noise with dark Gaussian blobs, as far apart as particles."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(10, 1, (side, side))
    y, x = np.mgrid[:side, :side]
    for cy in range(80, side - 79, 116):
        for cx in range(80, side - 79, 116):
            dy, dx = rng.uniform(-12, 12, 2)
            far = (y - cy - dy) ** 2 + (x - cx - dx) ** 2
            pixels -= 2 * np.exp(-far / (2 * 25**2))
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path) as file:
        file.set_data(pixels.astype(np.float32))
        file.voxel_size = 1.5


def write_table(project: Project, name: str, micrographs: list[str]) -> str:
    """Write the imported table again with other micrographs; return its name."""
    text = (project.folder / "Import/job001/micrographs.star").read_text()
    head, _, _ = text.partition("Micrographs/mic001.mrc")
    rows = "".join(f"{micrograph} 1\n" for micrograph in micrographs)
    (project.folder / name).write_text(f"{head}{rows} \n")
    return name


def images_in(project: Project, job: str, folder: str = "Many") -> dict[str, bytes]:
    """The finished images of a job, by name."""
    paths = (project.folder / job / folder).glob("[!.]*.mrc")
    return {path.name: path.read_bytes() for path in paths}


def stopped(project: Project, pipeliner: subprocess.Popen[bytes], job: str) -> None:
    """Stop a RELION that waits for a dead job, as its users do, and tell it so."""
    pipeliner.terminate()
    pipeliner.wait()
    lock = project.folder / ".relion_lock"
    if lock.exists():
        shutil.rmtree(lock)
    for left in project.folder.glob("RUNNING_PIPELINER_*"):
        left.unlink()
    (project.folder / job / "RELION_JOB_EXIT_FAILURE").touch()
    project.relion("--check_job_completion")
    assert project.status(job) == "Failed"


def new_project(folder: Path, checkpoint: Path) -> Project:
    """Three micrographs, imported, and with CTF columns from a stand-in of CtfFind."""
    project = Project(folder=folder.resolve(), checkpoint=checkpoint)
    for number in (1, 2, 3):
        write_micrograph(project.folder / f"Micrographs/mic{number:03d}.mrc", number)
    (project.folder / "default_pipeline.star").write_text(
        f"\n# version {50001 if project.version == 5 else 30001}\n\ndata_pipeline_general\n\n"
        "_rlnPipeLineJobCounter                       1\n \n"
    )
    (project.folder / ".gui_projectdir").touch()
    (project.folder / "fake_ctf.py").write_text(FAKE_CTF)
    imported = project.add(
        "Import",
        fn_in_raw="Micrographs/*.mrc",
        is_multiframe="No",
        angpix="1.5",
        kV="300",
        Cs="2.7",
        Q0="0.1",
    )
    assert project.run(imported) == "Succeeded"
    ctf = project.add(
        "External",
        fn_exe=f"{sys.executable} fake_ctf.py",
        in_mic=f"{imported}micrographs.star",
    )
    assert project.run(ctf) == "Succeeded"
    return project
