"""A CryoSPARC user gets exposures that pickers see denoised."""

from __future__ import annotations

import json
import sys

import mrcfile
import numpy as np
import pytest

from cryosparc_jobs.event_log import EventLog

V5 = int(sys.modules["cryosparc"].__version__.split(".")[0]) >= 5


def test_job_completes_with_all_micrographs(finished):
    assert finished.code == 0
    assert finished.job.type == "snowflake"
    assert finished.job.history == ["building", "running", "completed"]
    assert list(finished.job.outputs["micrographs"].data["uid"]) == [1001, 1002, 1003]
    assert "micrographs_rejected" not in finished.job.outputs


def test_pickers_see_denoised_and_extraction_sees_raw(finished):
    rows = finished.site.load_output(finished.job, "micrographs")
    for row in rows.rows():
        raw = row["micrograph_blob/path"]
        denoised = row["micrograph_blob_denoised/path"]
        name = f"{row['uid']:021d}_mic_{row['uid']}"
        assert raw == f">J1/motioncorrected/{name}.mrc"
        assert denoised == f"J2/denoised/{name}_denoised.mrc"
        with mrcfile.open(finished.site.folder / denoised) as file:
            assert file.data.shape == tuple(row["micrograph_blob_denoised/shape"])
            assert float(file.voxel_size.x) == row["micrograph_blob_denoised/psize_A"]


def test_ctf_and_microscope_pass_through_by_uid(finished):
    rows = finished.site.load_output(finished.job, "micrographs")
    assert list(rows["ctf/df1_A"]) == [10000.0, 10001.0, 10002.0]
    assert list(rows["mscope_params/accel_kv"]) == [300.0] * 3


def test_own_slot_is_the_denoised_one_and_nothing_else(finished):
    made = finished.job.outputs["micrographs"]
    assert [(slot.name, slot.dtype) for slot in made.slots] == [
        ("micrograph_blob_denoised", "micrograph_blob")
    ]
    assert made.passthrough == "micrographs"


def test_denoised_fields_keep_what_denoising_does_not_change(finished):
    data = finished.job.outputs["micrographs"].data
    slot = "micrograph_blob_denoised"
    assert list(data[f"{slot}/import_sig"]) == [7, 8, 9]
    assert list(data[f"{slot}/is_background_subtracted"]) == [1, 1, 1]
    assert list(data[f"{slot}/idx"]) == [0, 0, 0]
    assert list(data[f"{slot}/format"]) == ["MRC/2"] * 3
    assert all(data[f"{slot}/vmin"] < data[f"{slot}/vmax"])


def test_half_precision_is_told_to_cryosparc(site, denoise):
    denoise("--output-dtype", "float16")
    data = site.jobs["J2"].outputs["micrographs"].data
    assert list(data["micrograph_blob_denoised/format"]) == ["MRC/12"] * 3


def test_picking_output_has_the_denoised_in_place_of_the_raw(finished):
    made = finished.job.outputs["micrographs_denoised_only"]
    assert made.title == "PICKING ONLY - do not extract"
    for path in made.data["micrograph_blob/path"]:
        assert path.endswith("_denoised.mrc")
    assert list(made.data["uid"]) == [1001, 1002, 1003]
    assert "connect J2:micrographs_denoised_only" in finished.out


def test_there_is_no_picking_output_unless_asked_for(site, denoise):
    denoise()
    assert set(site.jobs["J2"].outputs) == {"micrographs"}


@pytest.mark.parametrize(
    "words",
    [
        "cryoscore 0.",
        "CryoSPARC v",
        "Raw micrographs: J1:exposures",
        "threads=1",
        "Model tiny: Random weights, for tests.",
        "Limit of the model: Of no use but in tests.",
        "3 micrographs, model tiny",
        "Denoised 3 of 3 (100 %).",
        "3 of 3 micrographs are denoised.",
        'switch on "Pick on denoised micrographs"',
    ],
)
def test_event_log_tells(finished, words):
    assert any(words in event["text"] for event in finished.job.events)


@pytest.mark.skipif(not V5, reason="Version 4 cannot change a line.")
def test_progress_is_one_line_that_changes(finished):
    lines = [event["text"] for event in finished.job.events]
    assert sum(line.startswith("Denoised ") for line in lines) == 1
    assert finished.site.calls.count("jobs.update_event_log") == 2


def test_progress_does_not_flood_the_event_log():
    told = []

    class Handle:
        uid = "J2"

        def log(self, text):
            told.append(text)

    log = EventLog(Handle(), is_v5=False)
    for number in range(100):
        log.progress(f"{number}", last=number == 99)
    assert told == ["0", "99"]


def test_pictures_before_and_after_are_in_the_event_log(finished):
    plots = [event for event in finished.job.events if event["type"] == "image"]
    assert plots
    for event in plots:
        assert event["text"].endswith("raw, denoised, power spectra")
        data = finished.site.assets[event["imgfiles"][0]["fileid"]]
        assert data.startswith(b"\x89PNG")


@pytest.mark.skipif(not V5, reason="Version 4 has no pictures on cards.")
def test_card_and_output_show_a_picture(finished):
    assets = finished.site.assets
    assert assets[finished.job.tile].startswith(b"\x89PNG")
    assert assets[finished.job.outputs["micrographs"].image].startswith(b"\x89PNG")


def test_provenance_is_in_the_folder_of_the_job(finished):
    facts = json.loads((finished.site.folder / "J2/provenance.json").read_text())
    assert facts["source"] == "J1:exposures"
    assert facts["model"]["card"]["name"] == "tiny"
    assert len(facts["model"]["sha256"]) == 64
    assert facts["settings"]["output_dtype"] == "float32"
    assert facts["denoised"] == 3
    assert facts["failed"] == {}


def test_report_is_in_the_folder_of_the_job_and_says_how_to_repeat(finished):
    folder = finished.site.folder / "J2"
    page = (folder / "report.html").read_text()
    command = "cryoscore cryosparc denoise P1 W1 J1:exposures --job J2 --picking-output"
    assert f"{command} --model " in page
    assert "--threads 1" in page
    assert "CryoSPARC P1, J1:exposures" in page
    rows = json.loads((folder / "report.json").read_text())["micrographs"]
    assert [row["status"] for row in rows] == ["denoised"] * 3
    assert len((folder / "report.csv").read_text().splitlines()) == 4
    assert not [*(folder / "denoised").glob("report*")]
    assert any("J2/report.html" in event["text"] for event in finished.job.events)


@pytest.mark.parametrize("secret", ["not-for-logs", "ali@example.com"])
def test_no_secret_is_in_the_event_log_the_shell_or_a_file(finished, secret):
    told = json.dumps(finished.job.events) + finished.out
    assert secret not in told
    for path in (finished.site.folder / "J2").rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()


def test_bad_micrograph_is_in_an_output_of_its_own(site, denoise):
    [bad] = site.folder.glob("J1/motioncorrected/*_mic_1002.mrc")
    bad.write_bytes(b"no micrograph")
    answer = denoise()
    job = site.jobs["J2"]
    assert answer.code == 1
    assert job.status == "completed"
    assert list(job.outputs["micrographs"].data["uid"]) == [1001, 1003]
    rejected = job.outputs["micrographs_rejected"].data
    assert list(rejected["uid"]) == [1002]
    assert rejected["micrograph_blob/path"][0].endswith("mic_1002.mrc")
    assert any("mic_1002.mrc failed:" in event["text"] for event in job.events)
    assert "1 failed, and are in micrographs_rejected" in answer.out


def test_job_in_which_all_failed_is_failed(site, denoise):
    for path in site.folder.glob("J1/motioncorrected/*.mrc"):
        path.write_bytes(b"no micrograph")
    answer = denoise()
    job = site.jobs["J2"]
    assert answer.code == 1
    assert job.status == "failed"
    assert len(job.outputs["micrographs_rejected"].data) == 3
    assert "All 3 micrographs should be denoised, but none was" in answer.err


def test_section_of_a_stack_is_rejected(site, denoise):
    rows = site.jobs["J1"].outputs["exposures"].data
    rows["micrograph_blob/idx"] = [0, 4, 0]
    denoise()
    assert list(site.jobs["J2"].outputs["micrographs_rejected"].data["uid"]) == [1002]


def test_pixel_size_of_the_table_counts_more_than_the_header(site, denoise):
    rows = site.jobs["J1"].outputs["exposures"].data
    rows["micrograph_blob/psize_A"] = [2.5, 2.5, 2.5]
    denoise()
    data = site.jobs["J2"].outputs["micrographs"].data
    assert np.allclose(data["micrograph_blob_denoised/psize_A"], 2.5)


def test_binned_outputs_are_refused_before_a_job_is_made(site, denoise):
    answer = denoise("--write-binned")
    assert answer.code == 2
    assert "write_binned should be off" in answer.err
    assert set(site.jobs) == {"J1"}


def test_empty_card_that_the_user_made_can_be_filled(site, denoise):
    site.create("snowflake", "mine")
    assert denoise("--job", "J2").code == 0
    assert site.jobs["J2"].status == "completed"
    assert site.jobs["J2"].title == "mine"
    assert set(site.jobs) == {"J1", "J2"}
