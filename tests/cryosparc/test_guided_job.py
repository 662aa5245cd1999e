"""A volume of the project guides, and its origin decides whether it may."""

from __future__ import annotations

import json
import sys
import types

import mrcfile
import numpy as np
import pytest
from cryosparc.dataset import Dataset

from cryosparc_jobs import ancestry

site_module = sys.modules["cryosparc_test_server.site"]
GUIDED = ("--guidance", "0.5")


def add_volume(site, kind, parents=()):
    """A job with a volume; `parents` are a kind, a job and its output each."""
    job = add_job(site, kind, parents)
    y = np.linspace(-1, 1, 20)
    ball = (y[:, None, None] ** 2 + y[:, None] ** 2 + y**2 < 0.4).astype(np.float32)
    with mrcfile.new(site.folder / job.uid / "map.mrc") as file:
        file.set_data(ball)
        file.voxel_size = 1.0  # Wrong: the dataset counts.
    slot = site_module.Slot("map", "volume_blob")
    job.outputs["volume"] = site_module.Output("volume", "Volume", [slot])
    rows = Dataset.allocate(1, site.fields(job, "volume"))
    rows["map/path"] = [f"{job.uid}/map.mrc"]
    rows["map/psize_A"] = [6.0]
    job.outputs["volume"].data = rows
    return f"{job.uid}:volume"


def add_particles(site, kind, uids, parents=()):
    """A job with particles of these micrographs; they may not say which."""
    job = add_job(site, kind, parents)
    slots = [site_module.Slot("location", "location")] if uids else []
    job.outputs["particles"] = site_module.Output("particle", "Particles", slots)
    rows = Dataset.allocate(max(1, len(uids)), site.fields(job, "particles"))
    if uids:
        rows["location/micrograph_uid"] = uids
    job.outputs["particles"].data = rows
    return ("particle", job.uid, "particles")


def add_job(site, kind, parents):
    job = site.create(kind)
    for number, (taken, uid, output) in enumerate(parents):
        made = site_module.Input(taken, "", [], 1, [(uid, output)])
        job.inputs[f"input_{number}"] = made
    site.set_status(job, "completed")
    return job


EXPOSURES = ("exposure", "J1", "exposures")


@pytest.fixture(autouse=True)
def _few_views(monkeypatch):
    monkeypatch.setattr("cryosparc_jobs.reference.VIEWS", 3)


@pytest.fixture
def quick_audit(monkeypatch):
    """An audit that asks nothing, and passes or does not."""
    answer = types.SimpleNamespace(verdict="all is well", passed=True)

    def audit_guided(_results, _settings, output):
        (output / "audit").mkdir(exist_ok=True)
        (output / "audit/audit.json").write_text("{}")
        return answer

    monkeypatch.setattr("cryosparc_jobs.audit.audit_guided", audit_guided)
    return answer


def labels(site, uid):
    [first, *_] = sorted((site.folder / uid / "denoised").glob("*.mrc"))
    with mrcfile.open(first) as file:
        return [str(label) for label in file.get_labels()]


def told(site, uid):
    return " ".join(event["text"] for event in site.jobs[uid].events)


def test_imported_volume_guides_as_external_and_is_audited(site, denoise):
    volume = add_volume(site, "import_volumes")
    answer = denoise("--reference-volume", volume, *GUIDED)
    job = site.jobs["J3"]
    assert job.status == "completed", answer.err
    assert job.inputs["reference"].connections == [("J2", "volume")]
    [label] = [one for one in labels(site, "J3") if "cryoscore guided" in one]
    assert "strength 0.5, by J2-volume R2 " in label
    story = told(site, "J3")
    assert "It is J2:volume: only imports of maps are behind it." in story
    assert "Mind that" not in story
    facts = json.loads((site.folder / "J3/provenance.json").read_text())
    assert facts["reference"]["tier"] == "R2"
    assert facts["reference"]["sha256"][:12] in label
    assert facts["reference"]["card"]["sources"].keys() == {"map.mrc"}
    assert f"--reference-volume {volume}" in facts["command"]
    assert "Audit of " in story
    audit = json.loads((site.folder / "J3/audit/audit.json").read_text())
    assert audit[0]["verdict"] in story
    assert (answer.code == 0) == (not facts["doubts"])


@pytest.mark.usefixtures("quick_audit")
def test_guidance_uses_the_ctf_of_the_exposures(site, denoise):
    add_volume(site, "import_volumes")
    words = ("--reference-volume", "J2:volume", *GUIDED)
    denoise(*words)
    rows = site.jobs["J1"].outputs["exposures"].data
    rows["ctf/df1_A"] = rows["ctf/df2_A"] = [25000.0] * 3
    denoise(*words)
    pairs = [
        min((site.folder / uid / "denoised").glob("*.mrc")) for uid in ("J3", "J4")
    ]
    assert not np.allclose(*map(mrcfile.read, pairs))


@pytest.mark.usefixtures("quick_audit")
def test_volume_from_other_micrographs_of_the_project_warns(site, denoise):
    particles = add_particles(site, "extract_micrographs", [7, 8], [EXPOSURES])
    volume = add_volume(site, "homo_abinit", [particles])
    answer = denoise("--reference-volume", volume, *GUIDED)
    assert answer.code == 0, answer.err
    assert "by J3-volume R3 " in " ".join(labels(site, "J4"))
    warning = "it is made from other micrographs of this project. Mind that"
    assert warning in told(site, "J4")


def test_volume_from_these_micrographs_is_refused_before_a_job_is_made(site, denoise):
    particles = add_particles(site, "extract_micrographs", [1001, 8], [EXPOSURES])
    first = add_volume(site, "homo_abinit", [particles])
    uid, output = first.split(":")
    volume = add_volume(site, "volume_tools", [("volume", uid, output)])
    answer = denoise("--reference-volume", volume, *GUIDED)
    assert answer.code == 1
    assert "was made from 1 of the 3 micrographs of J1:exposures (R4)" in answer.err
    assert "Exposure Sets Tool" in answer.err
    assert set(site.jobs) == {"J1", "J2", "J3", "J4"}


def test_volume_that_may_be_from_these_micrographs_is_refused(site, denoise):
    particles = add_particles(site, "extract_micrographs", [], [EXPOSURES])
    volume = add_volume(site, "homo_abinit", [particles])
    answer = denoise("--reference-volume", volume, *GUIDED)
    assert answer.code == 1
    assert "both come from J1, and it is not known which micrographs" in answer.err


@pytest.mark.usefixtures("quick_audit")
def test_volume_of_unknown_particles_and_no_common_job_warns(site, denoise):
    particles = add_particles(site, "import_particles", [])
    volume = add_volume(site, "homo_abinit", [particles])
    assert denoise("--reference-volume", volume, *GUIDED).code == 0
    assert "no job that is behind the exposures" in told(site, "J4")


def test_volume_whose_parents_are_gone_is_refused(site, denoise):
    particles = add_particles(site, "extract_micrographs", [7], [EXPOSURES])
    volume = add_volume(site, "homo_abinit", [particles])
    del site.jobs["J2"]
    answer = denoise("--reference-volume", volume, *GUIDED)
    assert answer.code == 1
    assert (
        "should tell what it was made from, but one cannot be looked at" in answer.err
    )


def test_audit_that_finds_the_reference_is_a_warning_and_an_exit_code(
    site, denoise, quick_audit
):
    quick_audit.passed, quick_audit.verdict = False, "too much of it is made up"
    add_volume(site, "import_volumes")
    answer = denoise("--reference-volume", "J2:volume", *GUIDED)
    assert answer.code == 1
    assert site.jobs["J3"].status == "completed"
    assert "too much of it is made up" in answer.err
    assert "too much of it is made up" in told(site, "J3")


@pytest.mark.usefixtures("quick_audit")
def test_guided_job_that_was_stopped_goes_on_and_does_nothing_twice(site, denoise):
    add_volume(site, "import_volumes")
    words = ("--reference-volume", "J2:volume", *GUIDED)
    folder = site.folder / "J3/denoised"
    site.told_folder = "/not/on/this/machine"

    def kill():
        if list(folder.glob("*.mrc")) and site.jobs["J3"].status == "running":
            site.set_status(site.jobs["J3"], "killed")

    site.hooks["jobs.get_status"] = kill
    assert denoise(*words).code == 1
    site.hooks.clear()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.mrc")}
    assert before
    answer = denoise("--job", "J3")
    assert answer.code == 1
    assert "was begun with --reference-volume J2:volume" in answer.err
    answer = denoise("--job", "J3", *words)
    assert answer.code == 0, answer.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (site.folder / "J3/reference.safetensors").exists()
    assert (site.folder / "J3/audit/audit.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--reference-volume", "J2:volume"), 2, "guidance of more than 0"),
        (
            ("--reference-volume", "J2:volume", "--reference", "x", *GUIDED),
            2,
            "no other reference",
        ),
        (("--reference-volume", "J2", *GUIDED), 2, "wanted as JOB:OUTPUT"),
        (("--reference-volume", "J9:volume", *GUIDED), 1, "find the job P1 J9"),
        (
            ("--reference-volume", "J1:exposures", *GUIDED),
            1,
            "should be a volume with map, but holds exposure",
        ),
    ],
)
def test_wrong_words_about_a_volume_are_told(site, denoise, words, code, sentence):
    add_volume(site, "import_volumes")
    answer = denoise(*words)
    assert answer.code == code
    assert sentence in answer.err
    assert set(site.jobs) == {"J1", "J2"}


def parent(kind, job):
    source = ancestry.Source(job=job, output="x")
    return ancestry.Parent(kind=kind, source=source)


def test_jobs_behind_a_job_are_followed_through_every_input():
    records = {
        "J4": ancestry.JobRecord(
            type="a", parents=(parent("volume", "J3"), parent("particle", "J2"))
        ),
        "J3": ancestry.JobRecord(type="import_volumes", parents=()),
        "J2": ancestry.JobRecord(type="b", parents=(parent("exposure", "J1"),)),
        "J1": ancestry.JobRecord(type="import_movies", parents=()),
        "J9": ancestry.JobRecord(type="other", parents=()),
    }
    found = ancestry.ancestors("J4", records.__getitem__)
    assert found.keys() == {"J1", "J2", "J3", "J4"}
    assert ancestry.jobs_with_data(found) == {"J1", "J2", "J4"}
    volume = ancestry.Source(job="J4", output="x")
    assert ancestry.particles_behind(volume, found) == [
        ancestry.Source(job="J2", output="x")
    ]
