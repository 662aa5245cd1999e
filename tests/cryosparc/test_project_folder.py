"""Which dataset of a CryoSPARC project `cryoscore batch` takes, and what it writes."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import yaml
from cryosparc.dataset import Dataset

from cryoscore_plugin.batch.projects import find_project
from cryoscore_plugin.cli import main
from cryoscore_plugin.errors import InputError
from cryosparc_jobs.project_folder import find_project_dataset


@pytest.fixture
def project(site):
    """The folder of a project, as a function that adds jobs; J1 is none yet."""
    rows = site.jobs["J1"].outputs["exposures"].data
    motion = rows.copy().filter_prefixes(["micrograph_blob", "mscope_params"])
    ctf = rows.copy().filter_prefixes(["ctf"])

    def add(uid, kind="patch_ctf_estimation_multi", status="completed", **datasets):
        folder = site.folder / uid
        folder.mkdir(exist_ok=True)
        if uid == "J5":  # As CryoSPARC 5 writes it.
            facts = {"uid": uid, "spec": {"type": kind}, "status": status}
        else:
            facts = {"uid": uid, "job_type": kind, "status": status}
        (folder / "job.json").write_text(json.dumps(facts))
        for name, data in (datasets or {"micrographs": motion}).items():
            data.save(folder / f"{name}.cs")
        return site.folder

    add.folder, add.motion, add.ctf, add.rows = site.folder, motion, ctf, rows
    return add


def found(project):
    table = find_project_dataset(project.folder).table
    return str(table.relative_to(project.folder))


@pytest.mark.parametrize("uid", ["J3", "J5"])
def test_latest_job_that_corrected_motion_estimated_the_ctf_or_curated_counts(
    project, uid
):
    project("J2", "patch_motion_correction_multi")
    project(uid, "curate_exposures_v2", exposures_accepted=project.rows)
    project("J9", "blob_picker_gpu", micrographs=project.rows)
    assert found(project) == f"{uid}/exposures_accepted.cs"
    project("J10")
    assert found(project) == "J10/micrographs.cs"


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_job_that_did_not_finish_and_job_without_micrographs_do_not_count(
    project, status
):
    project("J2", "patch_motion_correction_multi")
    project("J3", status=status)
    project("J4", exposures=project.ctf)
    (project("J6") / "J6/job.json").write_text("cut")
    assert found(project) == "J2/micrographs.cs"


def test_import_counts_only_if_nothing_else_does(project):
    project("J7", "import_micrographs")
    assert found(project) == "J7/micrographs.cs"
    project("J2", "rigid_motion_correction_multi")
    assert found(project) == "J2/micrographs.cs"


def test_micrographs_that_the_user_left_out_do_not_count(project):
    few = project.rows.slice(0, 1)
    outputs = {"exposures_rejected": project.rows, "exposures_accepted": few}
    project("J2", "curate_exposures_v2", **outputs)
    assert found(project) == "J2/exposures_accepted.cs"


@pytest.mark.parametrize(
    "place", ["exports/groups/J3_exposures", "exports/jobs/J3_ctf/J3_exposures"]
)
def test_newest_export_counts_where_no_job_does(project, place):
    for number, name in enumerate(["old", "new"]):
        folder = project.folder / f"{place}{name}"
        folder.mkdir(parents=True)
        project.rows.save(folder / f"{name}_exported.cs")
        os.utime(folder / f"{name}_exported.cs", (number, number))
    assert found(project) == f"{place}new/new_exported.cs"
    project("J2", "patch_motion_correction_multi")
    assert found(project) == "J2/micrographs.cs"


def test_folder_that_is_an_export_is_taken(project, tmp_path):
    export = tmp_path / "J3_exposures"
    shutil.copytree(project.folder / "J1", export / "J1")
    project.rows.save(export / "J3_exposures_exported.cs")
    found = find_project(export, tmp_path / "out")
    assert found.kind == "CryoSPARC project"
    assert len(found.micrographs) == 3
    assert all(one.path.is_file() for one in found.micrographs)


def test_project_without_micrographs_is_refused_in_words(project):
    project("J2", "patch_ctf_estimation_multi", exposures=project.ctf)
    with pytest.raises(InputError, match=r"is a CryoSPARC project, but .*--in-mics"):
        find_project_dataset(project.folder)


def test_other_folder_is_no_cryosparc_project(tmp_path):
    assert find_project_dataset(tmp_path) is None
    Dataset({"uid": [1], "location/center_x_frac": [0.1]}).save(
        tmp_path / "picks_exported.cs"
    )
    assert find_project_dataset(tmp_path) is None


def test_batch_takes_a_project_and_writes_what_cryosparc_imports(
    project, tiny_checkpoint, capsys
):
    datasets = {
        "exposures_ctf_estimated": project.ctf,
        "J3_passthrough_exposures": project.motion,
    }
    folder = project("J3", **datasets)
    words = ["batch", str(folder), "--model", str(tiny_checkpoint), "--device", "cpu"]
    assert main(words) == 0
    table = folder / "J3/exposures_ctf_estimated.cs"
    said = capsys.readouterr().out
    assert f"CryoSPARC project {folder}, table {table}: 3 micrographs" in said
    dataset = folder / "cryoscore/exposures_ctf_estimated_denoised.cs"
    assert f"Pick particles on {dataset}" in said
    rows = Dataset.load(dataset)
    assert list(rows["ctf/df1_A"]) == [10000.0, 10001.0, 10002.0]
    for row in rows.rows():
        raw = row["micrograph_blob/path"].removeprefix(">")
        assert row["micrograph_blob_denoised/path"] == f"cryoscore/{raw}"
        assert (folder / "cryoscore" / raw).is_file()
    group = yaml.safe_load(dataset.with_suffix(".csg").read_text())
    assert group["group"]["type"] == "exposure"
    assert {slot: one["type"] for slot, one in group["results"].items()} == {
        "ctf": "exposure.ctf",
        "micrograph_blob": "exposure.micrograph_blob",
        "micrograph_blob_denoised": "exposure.micrograph_blob",
        "mscope_params": "exposure.mscope_params",
    }
    for one in group["results"].values():
        assert one["num_items"] == 3
        assert dataset.with_name(one["metafile"].removeprefix(">")) == dataset
    assert main(words) == 0
    assert "0 to do, 3 were finished before" in capsys.readouterr().out
