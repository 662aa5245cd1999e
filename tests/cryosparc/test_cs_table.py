"""Exposures on disk are denoised without a server, and come back with all columns."""

from __future__ import annotations

import numpy as np
import pytest
from cryosparc.dataset import Dataset

from cryoscore_plugin.cli import main
from cryoscore_plugin.errors import InputError
from cryosparc_jobs.cs_table import CsTable


@pytest.fixture
def project(site):
    """The project of the site, with the outputs of J1 in the two files of CryoSPARC."""
    rows = site.jobs["J1"].outputs["exposures"].data
    own = rows.copy().filter_prefixes(["ctf"])
    rest = rows.copy().filter_prefixes(["micrograph_blob", "mscope_params"])
    own.save(site.folder / "J1/exposures.cs")
    rest.save(site.folder / "J1/J1_passthrough_exposures.cs")
    return site.folder


@pytest.fixture
def denoise(tiny_checkpoint):
    """`cryoscore denoise` with a tiny model, into `out` of the current folder."""

    def run(*words):
        fixed = ("--output", "out", "--model", tiny_checkpoint, "--device", "cpu")
        return main(["denoise", *map(str, (*fixed, *words))])

    return run


def test_dataset_comes_back_with_denoised_micrographs_and_all_columns(project, denoise):
    assert denoise(project / "J1/exposures.cs") == 0
    before = CsTable.read(project / "J1/exposures.cs")
    rows = Dataset.load("out/exposures_denoised.cs")
    assert list(rows["uid"]) == [1001, 1002, 1003]
    assert list(rows["ctf/df1_A"]) == [10000.0, 10001.0, 10002.0]
    assert list(rows["mscope_params/accel_kv"]) == [300.0] * 3
    assert [path[1:] for path in rows["micrograph_blob/path"]] == [
        str(row.path.relative_to(project)) for row in before
    ]
    for row in rows.rows():
        path = row["micrograph_blob_denoised/path"]
        assert path.startswith("/")  # It lies outside of the project.
        assert path.endswith(f"/out/{row['uid']:021d}_mic_{row['uid']}.mrc")
        assert tuple(row["micrograph_blob_denoised/shape"]) == (80, 96)


@pytest.mark.parametrize("name", ["exposures.cs", "J1_passthrough_exposures.cs"])
def test_either_file_of_an_output_brings_the_other(project, name):
    rows = CsTable.read(project / "J1" / name)
    assert [row.path.name for row in rows] == [
        f"{uid:021d}_mic_{uid}.mrc" for uid in (1001, 1002, 1003)
    ]
    assert [row.pixel_size for row in rows] == [3.0] * 3


def test_project_dir_says_where_names_begin(project, denoise, tmp_path):
    for name in ("exposures.cs", "J1_passthrough_exposures.cs"):
        (project / "J1" / name).rename(tmp_path / name)
    table = tmp_path / "exposures.cs"
    assert denoise(table) == 1
    assert denoise(table, "--project-dir", project) == 0
    assert len(Dataset.load("out/exposures_denoised.cs")) == 3


def test_output_inside_the_project_is_named_from_it(project, tiny_checkpoint):
    words = ("--output", str(project / "clean"), "--model", str(tiny_checkpoint))
    assert main(["denoise", *words, str(project / "J1/exposures.cs")]) == 0
    rows = Dataset.load(project / "clean/exposures_denoised.cs")
    assert all(p.startswith("clean/") for p in rows["micrograph_blob_denoised/path"])


def test_micrograph_that_failed_is_left_out(project, denoise):
    [bad] = project.glob("J1/motioncorrected/*_mic_1002.mrc")
    bad.write_bytes(b"")
    assert denoise(project / "J1/exposures.cs") == 1
    rows = Dataset.load("out/exposures_denoised.cs")
    assert list(rows["uid"]) == [1001, 1003]
    assert np.all(rows["ctf/df1_A"] == [10000.0, 10002.0])


def test_file_that_is_no_dataset_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "exposures.cs"
    path.write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"should be a dataset of CryoSPARC"):
        CsTable.read(path)


def test_halves_are_the_file_that_the_dataset_names(project):
    path = project / "J1/exposures.cs"
    assert [row.halves for row in CsTable.read(path)] == [()] * 3
    rows = Dataset.load(path)
    rows.add_fields([("micrograph_blob_non_dw_AB/path", "O")])
    rows["micrograph_blob_non_dw_AB/path"] = [">J1/x_AB.mrc", "J1/y_AB.mrc", ""]
    rows.save(path)
    x, y = project / "J1/x_AB.mrc", project / "J1/y_AB.mrc"
    assert [row.halves for row in CsTable.read(path)] == [(x,), (y,), ()]


def test_particles_are_refused(tmp_path):
    path = tmp_path / "particles.cs"
    Dataset({"uid": [1, 2], "location/center_x_frac": [0.1, 0.2]}).save(path)
    with pytest.raises(InputError, match=r"micrograph_blob, but holds location"):
        CsTable.read(path)
