"""What is done again and what not, and several runs at once."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from cryoscore_plugin.batch import run as run_module
from cryoscore_plugin.batch import steps
from cryoscore_plugin.batch import work as work_module
from cryoscore_plugin.batch.claims import Claims
from cryoscore_plugin.batch.ledger import LedgerFile, read_ledger
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.batch.resume import Recipe, key_with_optics
from cryoscore_plugin.batch.run import denoise_micrographs
from cryoscore_plugin.batch.work import Assignment, work_on
from cryoscore_plugin.errors import InputError, JobAbortedError, MicrographError
from cryoscore_plugin.mrc import read_micrograph
from cryoscore_plugin.optics import Optics
from cryoscore_plugin.settings import DenoiseSettings

OPTICS = Optics(defocus_u=15000.0, defocus_v=15000.0)


@pytest.fixture
def batch(tmp_path, new_monitor):
    """Work on tasks with a ledger, and give the statuses in a word each."""

    def run(tasks, *, model="fake 0123456789ab", retry_failed=False, **settings):
        chosen = DenoiseSettings(**settings)

        def engine(waiting, monitor, gate):
            batch_run.asked.append([task.source.stem for task in waiting])
            return denoise_micrographs(waiting, chosen, monitor, gate=gate)

        assignment = Assignment(
            recipe=Recipe(model=model, settings=chosen),
            output=tmp_path / "out",
            retry_failed=retry_failed,
        )
        monitor = run.monitor or new_monitor()
        return work_on(tasks, assignment, monitor, engine)

    batch_run = run
    run.monitor = None
    run.asked = []
    return run


def statuses(results):
    return [result.status for result in results]


def entries_of(tmp_path):
    return read_ledger(tmp_path / "out").entries


def test_what_is_finished_is_not_given_to_the_engine(tasks, batch):
    first = batch(tasks[:2])
    assert statuses(first) == ["denoised"] * 2
    again = batch(tasks)
    assert statuses(again) == ["skipped", "skipped", "denoised", "denoised"]
    assert [result.task for result in again] == tasks
    assert again[0].quality == first[0].quality
    assert batch.asked == [["m0", "m1"], ["m2", "m3"]]


def test_finished_run_asks_no_engine_and_adds_no_line(tasks, batch, tmp_path):
    batch(tasks)
    before = entries_of(tmp_path)
    batch(tasks)
    assert len(batch.asked) == 1
    assert entries_of(tmp_path) == before


def test_ledger_has_hashes_stamps_and_numbers(tasks, batch, tmp_path):
    batch(tasks[:1])
    [entry] = entries_of(tmp_path)["m0.mrc"]
    assert entry.sha256 == shutil_sha256(tasks[0].source)
    assert entry.input == [tasks[0].source.stat().st_size, mtime(tasks[0].source)]
    assert entry.written == [tasks[0].output.stat().st_size, mtime(tasks[0].output)]
    assert entry.source == str(tasks[0].source)
    assert entry.warnings == ["doubled"]
    assert set(entry.quality) == {"mean"}


def shutil_sha256(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def mtime(path):
    return path.stat().st_mtime_ns


@pytest.mark.parametrize(
    "changed", [{"output_dtype": "float16"}, {"pixel_size": 2.0}, {"overwrite": True}]
)
def test_other_settings_make_it_again(tasks, batch, changed):
    batch(tasks)
    assert statuses(batch(tasks, **changed)) == ["denoised"] * 4


def test_other_model_makes_it_again(tasks, batch, use):
    batch(tasks)
    use(fingerprint="fake 999999999999")
    again = batch(tasks, model="fake 999999999999")
    assert statuses(again) == ["denoised"] * 4


def test_touched_input_is_recognised_by_its_bytes(tasks, batch, tmp_path):
    batch(tasks)
    written = mtime(tasks[1].output)
    os.utime(tasks[1].source, ns=(0, 0))
    assert statuses(batch(tasks)) == ["skipped"] * 4
    assert mtime(tasks[1].output) == written
    # The new time stamp is remembered, so that the bytes are not read again.
    assert entries_of(tmp_path)["m1.mrc"][-1].input[1] == 0


def test_changed_input_is_done_again(tasks, batch):
    batch(tasks)
    shutil.copyfile(tasks[3].source, tasks[1].source)
    assert statuses(batch(tasks)) == ["skipped", "denoised", "skipped", "skipped"]
    assert (
        read_micrograph(tasks[1].output).pixels
        == read_micrograph(tasks[3].output).pixels
    ).all()


def test_halves_that_changed_are_noticed_where_they_are_used(
    tasks, batch, tmp_path, monkeypatch
):
    monkeypatch.setattr(steps, "with_agreement", lambda result, *_others: result)
    halves = [tmp_path / f"half{end}.mrc" for end in ("_EVN", "_ODD")]
    for half in halves:
        shutil.copyfile(tasks[0].source, half)
    tasks[0] = dataclasses.replace(tasks[0], halves=tuple(halves))
    assert statuses(batch(tasks[:1], halves=True)) == ["denoised"]
    os.utime(halves[1], ns=(0, 0))
    assert statuses(batch(tasks[:1], halves=True)) == ["skipped"]
    assert entries_of(tmp_path)["m0.mrc"][-1].input[5] == 0
    shutil.copyfile(tasks[3].source, halves[1])
    assert statuses(batch(tasks[:1], halves=True)) == ["denoised"]
    halves[1].unlink()
    assert statuses(batch(tasks[:1], halves=True)) == ["denoised"]
    batch(tasks[:1])
    shutil.copyfile(tasks[2].source, halves[0])
    assert statuses(batch(tasks[:1])) == ["skipped"]


def test_optics_count_where_a_reference_guides():
    here = MicrographTask(source=Path("a.mrc"), output=Path("b.mrc"), optics=OPTICS)
    there = dataclasses.replace(
        here, optics=dataclasses.replace(OPTICS, defocus_u=2e4, defocus_v=2e4)
    )
    guided = DenoiseSettings(reference="r.safetensors", guidance=0.5)
    assert key_with_optics("k", here, guided) != key_with_optics("k", there, guided)
    plain = DenoiseSettings()
    assert (
        key_with_optics("k", here, plain) == key_with_optics("k", there, plain) == "k"
    )


def test_other_pixel_size_of_the_table_makes_it_again(tasks, batch):
    batch(tasks)
    tasks[2] = dataclasses.replace(tasks[2], pixel_size=1.6)
    assert statuses(batch(tasks)) == ["skipped", "skipped", "denoised", "skipped"]


@pytest.mark.parametrize("damage", ["removed", "cut", "replaced"])
def test_output_that_is_not_what_was_written_is_made_again(tasks, batch, damage):
    batch(tasks)
    output = tasks[0].output
    whole = output.read_bytes()
    if damage == "removed":
        output.unlink()
    elif damage == "cut":
        output.write_bytes(whole[:-1])
    else:
        shutil.copyfile(tasks[1].output, output)
    expected = ["denoised", "skipped", "skipped", "skipped"]
    # m1's fingerprint has the name of m1, so its image is none of m0.
    assert statuses(batch(tasks)) == expected
    assert output.read_bytes() == whole


def test_output_that_was_copied_is_recognised_by_its_header(tasks, batch):
    batch(tasks)
    for task in tasks:
        os.utime(task.output, ns=(0, 0))
    assert statuses(batch(tasks)) == ["skipped"] * 4
    assert len(batch.asked) == 1


def test_without_the_ledger_outputs_are_still_recognised(tasks, batch, tmp_path):
    batch(tasks)
    shutil.rmtree(tmp_path / "out" / "cryoscore_ledger")
    again = batch(tasks)
    assert statuses(again) == ["skipped"] * 4
    assert again[0].quality == {"mean": pytest.approx(0.95)}
    assert statuses(batch(tasks)) == ["skipped"] * 4
    assert len(batch.asked) == 2


def fail_for(*names, error=MicrographError("It is bad.")):  # noqa: B008  never changed
    def before(micrograph):
        if micrograph.source.stem in names:
            raise error

    return before


def test_what_failed_is_left_alone_until_the_user_asks(tasks, batch, use):
    use(fail_for("m1"))
    assert statuses(batch(tasks)) == ["denoised", "failed", "denoised", "denoised"]
    use()
    again = batch(tasks)
    assert again[1].status == "failed"
    assert again[1].message == "It is bad."
    assert len(batch.asked) == 1
    assert statuses(batch(tasks, retry_failed=True)) == [
        "skipped",
        "denoised",
        "skipped",
        "skipped",
    ]
    assert batch.asked[-1] == ["m1"]


def test_what_failed_is_tried_again_when_its_input_changed(tasks, batch, use):
    use(fail_for("m1"))
    batch(tasks)
    use()
    os.utime(tasks[1].source, ns=(0, 0))
    assert statuses(batch(tasks))[1] == "denoised"


def test_full_disk_is_tried_again_without_asking(tasks, batch, use):
    full = OSError(28, "No space left on device")
    use(fail_for("m1", error=full))
    [_, failed, *_] = batch(tasks)
    assert failed.status == "failed"
    assert "the disk is full" in failed.message
    use()
    assert statuses(batch(tasks))[1] == "denoised"


def test_vanished_input_fails_alone_and_is_done_when_it_is_back(tasks, batch):
    hidden = tasks[1].source.with_suffix(".away")
    tasks[1].source.rename(hidden)
    results = batch(tasks)
    assert statuses(results) == ["denoised", "failed", "denoised", "denoised"]
    assert "cannot be read" in results[1].message
    hidden.rename(tasks[1].source)
    assert statuses(batch(tasks))[1] == "denoised"


def test_wish_to_stop_leaves_a_ledger_of_what_is_done(
    make_tasks, batch, new_monitor, tmp_path
):
    tasks = make_tasks(9)
    batch.monitor = new_monitor(stop_after=3)
    with pytest.raises(JobAbortedError):
        batch(tasks)
    done = len(entries_of(tmp_path))
    assert 3 <= done < 9
    assert not [*(tmp_path / "out/cryoscore_ledger/claims").iterdir()]
    batch.monitor = None
    assert statuses(batch(tasks)) == ["skipped"] * done + ["denoised"] * (9 - done)


def test_two_runs_at_once_share_the_work(make_tasks, batch, monkeypatch):
    monkeypatch.setattr(work_module, "PAUSE", 0.01)
    # Two threads stand for two processes, but have one number: what one is writing would
    # seem to the other to be of an earlier process.
    for module in (work_module, run_module):
        monkeypatch.setattr(module, "remove_leftovers", lambda _: None)
    tasks = make_tasks(30)
    found = {}

    def run(name):
        found[name] = statuses(batch(tasks))

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, other in zip(found["a"], found["b"], strict=True):
        assert sorted([mine, other]) == ["denoised", "skipped"]
    assert all(task.output.exists() for task in tasks)


def test_what_a_killed_run_left_beside_a_finished_output_goes(tasks, batch):
    batch(tasks)
    output = tasks[1].output
    dead = output.with_name(f".{output.name}.999999999@{socket.gethostname()}.part")
    dead.touch()
    assert statuses(batch(tasks)) == ["skipped"] * 4
    assert not dead.exists()


def test_run_waits_for_another_one_and_takes_over_when_it_dies(
    tasks, batch, tmp_path, monkeypatch
):
    output = tmp_path / "out"
    with LedgerFile(output) as ledger:
        other = Claims(ledger)
        assert other.take("m2.mrc")
        waits = []

        def die(_seconds):
            waits.append(1)
            other.give_back("m2.mrc")

        monkeypatch.setattr(work_module.time, "sleep", die)
        assert statuses(batch(tasks)) == ["denoised"] * 4
    assert batch.asked == [["m0", "m1", "m2", "m3"], ["m2"]]


def test_lines_that_a_full_disk_swallowed_are_an_error(tasks, batch, monkeypatch):
    monkeypatch.setattr(LedgerFile, "lost", 3)
    with pytest.raises(InputError, match=r"3 lines of .* because the disk is full"):
        batch(tasks)


def test_setting_without_effect_on_pixels_is_no_part_of_the_recipe():
    def key(**settings):
        return Recipe(model="m", settings=DenoiseSettings(**settings)).key

    assert key(threads=1, device="cpu", tile_size=128) == key()
    assert key(precision="float32") != key()
    assert Recipe(model="n", settings=DenoiseSettings()).key != key()
    assert len({key(), key(write_binned=True), key(pixel_size=2.0)}) == 3
