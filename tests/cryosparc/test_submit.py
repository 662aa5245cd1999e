"""The site's own cluster script runs our command, and no secret goes along."""

from __future__ import annotations

import json
import os
import shlex
import sys

import pytest

MAJOR = int(sys.modules["cryosparc"].__version__.split(".")[0])

TEMPLATE = """\
#!/bin/sh
#SBATCH -J cryosparc_{{ project_uid }}_{{ job_uid }}
#SBATCH --partition={{ partition }}
#SBATCH -n {{ num_cpu }}
#SBATCH --gres=gpu:{{ num_gpu }}
#SBATCH --mem={{ (ram_gb*1000)|int }}M
#SBATCH -o {{ job_dir_abs }}/out.txt
{{ run_cmd }}
"""


@pytest.fixture
def cluster(site, tmp_path, monkeypatch):
    """A folder with the template of a lane, and a command that keeps what it gets."""
    folder = tmp_path / "lane"
    folder.mkdir()
    (folder / "cluster_script.sh").write_text(TEMPLATE)
    take = folder / "take.sh"
    take.write_text(
        f'#!/bin/sh\ncp "$1" {folder}/taken.sh\nenv > {folder}/env\necho 77\n'
    )
    take.chmod(0o755)
    info = {"qsub_cmd_tpl": f"{take} {{{{ script_path_abs }}}}"}
    (folder / "cluster_info.json").write_text(json.dumps(info))
    saved = tmp_path / "config/cryosparc-tools/auth.json"
    saved.parent.mkdir(parents=True)
    saved.write_text(json.dumps({site.url: {}}))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


@pytest.fixture
def submit(shell, cluster, tiny_checkpoint):
    """`cryoscore cryosparc submit` of J1:exposures."""

    def run(*words, after=()):
        denoise = ("--", "P1", "W1", "J1:exposures", "--model", tiny_checkpoint, *after)
        template = cluster / "cluster_script.sh"
        return shell("submit", template, "--set", "partition=gpu", *words, *denoise)

    return run


def test_script_of_the_site_runs_our_command(site, submit, cluster, tiny_checkpoint):
    answer = submit(after=("--output_dtype", "float16"))
    assert answer.code == 0, answer.err
    lines = (cluster / "taken.sh").read_text().splitlines()
    assert lines[1:7] == [
        "#SBATCH -J cryosparc_P1_J2",
        "#SBATCH --partition=gpu",
        "#SBATCH -n 4",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --mem=16000M",
        f"#SBATCH -o {site.folder}/J2/out.txt",
    ]
    assert shlex.split(lines[7]) == [
        *(sys.executable, "-m", "cryoscore_plugin", "cryosparc", "denoise"),
        *("P1", "W1", "J1:exposures", "--model", str(tiny_checkpoint)),
        *("--output_dtype", "float16", "--job", "J2", "--url", site.url),
    ]
    assert "Submitted cryoscore_submit.sh for P1 J2. 77" in answer.out


def test_training_is_submitted_as_well(site, shell, cluster, tiny_checkpoint):
    words = ("train", "P1", "W1", "J1:exposures", "--start", str(tiny_checkpoint))
    template = cluster / "cluster_script.sh"
    answer = shell("submit", template, "--set", "partition=gpu", "--", *words)
    assert answer.code == 0, answer.err
    assert site.jobs["J2"].title == "Train a denoiser (cryoscore)"
    assert shlex.split((cluster / "taken.sh").read_text().splitlines()[7]) == [
        *(sys.executable, "-m", "cryoscore_plugin", "cryosparc", *words),
        *("--job", "J2", "--url", site.url),
    ]


def test_card_is_there_at_once_and_waits(site, submit):
    submit()
    assert site.jobs["J2"].status == "building"
    assert site.jobs["J2"].inputs["micrographs"].connections == [("J1", "exposures")]
    assert "Submitted to the cluster: 77" in site.jobs["J2"].events[-1]["text"]


def test_password_does_not_reach_the_cluster(submit, cluster):
    submit()
    assert "CRYOSPARC_PASSWORD" in os.environ
    assert "not-for-logs" not in (cluster / "env").read_text()
    assert "not-for-logs" not in (cluster / "taken.sh").read_text()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--cpus", "8"), "#SBATCH -n 8"),
        (("--gpus", "2"), "#SBATCH --gres=gpu:2"),
        (("--ram-gb", "32"), "#SBATCH --mem=32000M"),
        (("--set", "partition=big"), "#SBATCH --partition=big"),
    ],
)
def test_option_changes_the_script(submit, cluster, words, line):
    submit(*words)
    assert line in (cluster / "taken.sh").read_text().splitlines()


def test_only_write_submits_nothing(submit, cluster, tmp_path):
    answer = submit("--only-write", "--script", "mine.sh")
    assert answer.code == 0
    assert "Wrote mine.sh for P1 J2." in answer.out
    assert (tmp_path / "mine.sh").exists()
    assert not (cluster / "taken.sh").exists()


def test_submit_command_counts_more_than_that_of_the_site(submit, cluster):
    answer = submit("--submit-command", "echo mine")
    assert "mine /" in answer.out
    assert not (cluster / "taken.sh").exists()


def test_cluster_that_refuses_is_told_with_its_words(submit, cluster):
    (cluster / "take.sh").write_text("#!/bin/sh\necho no such partition >&2\nexit 1\n")
    answer = submit()
    assert answer.code == 1
    assert "failed: no such partition. The script is kept" in answer.err


def test_variable_without_a_value_is_named(submit, cluster):
    (cluster / "cluster_script.sh").write_text("{{ run_cmd }} {{ qos }}")
    answer = submit()
    assert answer.code == 2
    assert "'qos' is undefined" in answer.err
    assert "--set partition=gpu" in answer.err


def test_template_without_our_command_is_refused(submit, cluster):
    (cluster / "cluster_script.sh").write_text("#!/bin/sh\n")
    answer = submit()
    assert answer.code == 2
    assert "should hold {{ run_cmd }}" in answer.err


def test_words_that_denoise_does_not_know_are_refused_before_a_card_is_made(
    site, submit
):
    answer = submit(after=("--colour", "red"))
    assert answer.code == 2
    assert "No such option" in answer.err
    assert set(site.jobs) == {"J1"}


@pytest.mark.skipif(MAJOR < 5, reason="Version 4 saves no login.")
def test_cluster_without_a_saved_login_is_refused_before_a_card_is_made(
    site, submit, tmp_path
):
    (tmp_path / "config/cryosparc-tools/auth.json").unlink()
    answer = submit()
    assert answer.code == 1
    assert "cryosparc.tools login --url" in answer.err
    assert set(site.jobs) == {"J1"}


def test_missing_submit_command_is_told_before_a_card_is_made(site, submit, cluster):
    (cluster / "cluster_info.json").unlink()
    answer = submit()
    assert answer.code == 2
    assert "--submit-command sbatch" in answer.err
    assert set(site.jobs) == {"J1"}
