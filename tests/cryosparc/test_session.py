"""A session of fifty micrographs, with all that may happen to it on the way."""

from __future__ import annotations

import mrcfile
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("seen", [True, False])
def test_fifty_micrographs_survive_a_bad_one_and_a_kill(make_site, denoise, seen):
    site = make_site(50)
    if not seen:
        site.told_folder = "/not/on/this/machine"
    [bad] = site.folder.glob("J1/motioncorrected/*_mic_1007.mrc")
    bad.write_bytes(b"no micrograph")
    folder = site.folder / "J2/denoised"

    at_kill = []

    def interfere():
        count = len(list(folder.glob("*.mrc")))
        if count >= 20 and not at_kill:
            at_kill.append(count)
            site.set_status(site.jobs["J2"], "killed")

    site.hooks["jobs.get_status"] = interfere
    assert denoise().code == 1
    job = site.jobs["J2"]
    assert job.history[-1] == "killed"
    assert len(list(folder.glob("*.mrc"))) <= at_kill[0] + 1 < 50
    site.hooks.clear()
    answer = denoise("--job", "J2")
    assert answer.code == 1  # For the bad one.
    assert job.history[-1] == "completed"
    assert len(job.outputs["micrographs"].data) == 49
    assert list(job.outputs["micrographs_rejected"].data["uid"]) == [1007]
    assert "49 of 50 micrographs are denoised" in answer.out
    rows = site.load_output(job, "micrographs")
    assert len(rows) == 49
    for path in rows["micrograph_blob_denoised/path"]:
        with mrcfile.open(site.folder / path) as file:
            assert file.data.shape == (80, 96)
    assert not list(site.folder.rglob("*.part"))
