"""The Schedule of the examples in a real RELION, while micrographs are being recorded."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from relion_project import COMMAND, RESTORE, Project, needs_relion, write_micrograph

pytestmark = [pytest.mark.slow, needs_relion]

EXAMPLES = Path(__file__).parents[2] / "examples" / "relion"
JOBS = ["import", "denoise", "autopick", "restore", "extract"]
NAMES = [f"Micrographs/mic{number:03d}.mrc" for number in (1, 2, 3)]


@pytest.fixture
def example(tmp_path: Path, tiny_checkpoint: Path) -> Project:
    """A project with the files of the examples, changed as a user would."""
    # RELION itself looks at names from here only, so that this one may have a space.
    folder = tmp_path.resolve() / "my project"
    project = Project(folder=folder, checkpoint=tiny_checkpoint)
    shutil.copytree(EXAMPLES, folder)
    (folder / "default_pipeline.star").write_text(
        f"\n# version {50001 if project.version == 5 else 30001}\n\n"
        "data_pipeline_general\n\n_rlnPipeLineJobCounter 1\n \n"
    )
    for name, old, new in (
        ("denoise", "cryoscore-relion-denoise\n", f"{COMMAND}\n"),
        ("denoise", "param1_label       device", "param1_label       model"),
        ("denoise", "auto\n", f'{tiny_checkpoint}\nother_args "--max_failed 10"\n'),
        ("restore", "cryoscore-relion-restore-picks\n", f"{RESTORE}\n"),
        ("extract", "128\n", "64\n"),
    ):
        path = folder / f"{name}job.star"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    return project


def made(project: Project, *words: str) -> list[str]:
    """Make the Schedule or Scheme; return the command that starts it."""
    said = project.relion("make_schedule.sh", *words, program="sh")
    *_, command = re.findall("^Now run: (.*)$", said, re.MULTILINE)
    return command.split()


def edges(project: Project) -> list[tuple[str, str]]:
    """From node to node; RELION 3.1 says Schedule where 4 and 5 say Scheme."""
    names = ("schedule.star", "scheme.star")
    [path] = [p for p in project.folder.glob("Sche*/cryoscore/*") if p.name in names]
    kind = path.stem.title()
    columns = [f"rln{kind}Edge{end}NodeName" for end in ("Input", "Output")]
    rows = project.table(str(path), f"{path.stem}_edges")
    return [(row[columns[0]], row[columns[1]]) for row in rows]


def test_schedule_ends_after_extraction_unless_it_is_to_begin_again(
    example: Project,
) -> None:
    made(example)
    assert edges(example) == list(zip(JOBS, [*JOBS[1:], "EXIT"], strict=True))
    shutil.rmtree(next(example.folder.glob("Sche*")))
    made(example, "60")
    around = [*JOBS, "WAIT_pause", "import"]
    assert edges(example) == list(pairwise(around))


def denoised(project: Project) -> Counter[str]:
    """How often each micrograph was denoised."""
    said = project.run_out("External/job002/")
    return Counter(re.findall(r"^\d+ of \d+: (\S+): denoised in", said, re.MULTILINE))


def test_micrograph_that_is_completed_meanwhile_is_denoised_once_like_the_others(
    example: Project,
) -> None:
    for number, name in enumerate(NAMES):
        write_micrograph(example.folder / name, number)
    late = example.folder / NAMES[2]
    complete = late.read_bytes()
    late.write_bytes(complete[: len(complete) // 2])
    program, *words = made(example, "1")
    scheduler = subprocess.Popen(
        [program, *words],
        cwd=example.folder,
        env=example.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        particles = "Extract/job005/particles.star"
        example.wait_for((example.folder / particles).exists)
        late.write_bytes(complete)
        rows = example.table(particles, "particles")
        assert len(rows) == example.count_picks("AutoPick/job003/") > 0
        assert {row["rlnMicrographName"] for row in rows} == {*NAMES[:2]}
        example.wait_for(lambda: denoised(example)[NAMES[2]] > 0)
        example.relion(*words[:2], "--abort", program=program)
        scheduler.wait(60)
    finally:
        scheduler.kill()
        scheduler.wait()
    assert denoised(example) == dict.fromkeys(NAMES, 1)
    table = example.table("External/job002/denoised_micrographs.star", "micrographs")
    assert [row["rlnMicrographNameRaw"] for row in table] == NAMES
