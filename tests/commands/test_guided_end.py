"""What is audited at the end of a guided run, and when; the audit is a stand-in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cryoscore_plugin.batch.model import ModelFacts
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.cli import audit, guided_end
from cryoscore_plugin.cli.audit import AuditOutcome
from cryoscore_plugin.cli.guided_end import audit_guided
from cryoscore_plugin.settings import DenoiseSettings

GUIDED = DenoiseSettings(reference="r.safetensors", guidance=0.8)
OUT = Path("out")


@pytest.fixture
def audited(monkeypatch, tmp_path):
    """The micrographs that were audited; the audit fails where it is told to."""
    monkeypatch.chdir(tmp_path)
    audited = []

    def stand_in(task, settings, output):
        passed = settings.guidance < 1
        audited.append(str(task.source))
        output.mkdir(parents=True, exist_ok=True)
        summary = {"result": "passed" if passed else "failed"}
        (output / "audit.json").write_text(json.dumps([summary, {}]))
        return AuditOutcome(verdict="So it is.", passed=passed, rows=[])

    monkeypatch.setattr(guided_end, "audit_task", stand_in)
    return audited


def results(*statuses, suffix=".mrc"):
    return [
        MicrographResult(
            task=MicrographTask(
                source=Path(f"{name}.mrc"), output=OUT / f"{name}{suffix}"
            ),
            status=status,
        )
        for name, status in zip("abc", statuses, strict=False)
    ]


def test_first_micrograph_that_was_guided_now_is_audited(audited):
    outcome = audit_guided(results("skipped", "failed", "denoised"), GUIDED, OUT)
    assert (audited, outcome.passed) == (["c.mrc"], True)
    assert outcome.verdict == "Audit of c.mrc: So it is."


def test_nothing_is_audited_again_that_has_passed(audited):
    audit_guided(results("denoised"), GUIDED, OUT)
    assert audit_guided(results("skipped"), GUIDED, OUT) is None
    assert audited == ["a.mrc"]


def test_run_that_failed_its_audit_does_not_pass_by_being_repeated(audited):
    strong = GUIDED.model_copy(update={"guidance": 1.0})
    assert not audit_guided(results("denoised"), strong, OUT).passed
    assert not audit_guided(results("skipped"), strong, OUT).passed
    assert audited == ["a.mrc", "a.mrc"]


def test_run_that_never_came_to_its_audit_is_audited(audited):
    audit_guided(results("failed", "skipped"), GUIDED, OUT)
    assert audited == ["b.mrc"]


def test_unguided_runs_and_stacks_are_not_audited(audited):
    assert audit_guided(results("denoised"), DenoiseSettings(), OUT) is None
    assert audit_guided(results("denoised", suffix=".mrcs"), GUIDED, OUT) is None
    assert audit_guided(results("failed"), GUIDED, OUT) is None
    assert audited == []


def test_guided_batch_ends_with_its_audit(
    audited, shell, raw, tiny_checkpoint, monkeypatch
):
    monkeypatch.chdir(raw.parent)
    words = ("--diameter", "60", "--output", "r.safetensors")
    assert shell("reference", *words).code == 0
    words = ("--model", tiny_checkpoint, "--reference", "r.safetensors", "--no-report")
    answer = shell("batch", "raw", *words, "--guidance", "1")
    assert (answer.code, audited) == (1, ["raw/a.mrc"])
    assert "Audit of raw/a.mrc: So it is." in answer.err
    assert Path("raw/cryoscore/audit/audit.json").exists()
    # Who watches is told early, and once.
    words += ("--guidance", "1", "--watch", "--watch-interval", "0.01")
    answer = shell("batch", "raw", *words, "--idle-limit", "0.001", "--overwrite")
    assert (answer.code, audited) == (1, ["raw/a.mrc", "raw/a.mrc"])


def test_model_that_was_guided_in_training_is_audited_too(audited, monkeypatch):
    told = {"strength": 0.5, "reference": "ball R1 0123456789ab"}
    own = ModelFacts(fingerprint="own 1", card={"training": {"guidance": told}})
    monkeypatch.setattr(audit, "read_model_facts", lambda _: own)
    outcome = audit_guided(results("denoised"), DenoiseSettings(model="own"), OUT)
    assert (audited, outcome.passed) == (["a.mrc"], True)
