"""What fails in a run, what is said, and what goes on."""

from __future__ import annotations

import errno
import shutil
import threading
from collections import namedtuple

import numpy as np
import pytest

from cryoscore_plugin.batch import steps
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.errors import DeviceError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph, write_stack

GONE = "the GPU is gone"


def statuses(results):
    return [result.status for result in results]


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bad_micrographs_do_not_stop_the_others(tasks, denoise):
    tasks[1].source.write_bytes(b"")
    tasks[2].source.unlink()
    results = denoise(tasks)
    assert statuses(results) == ["denoised", "failed", "failed", "denoised"]
    assert "is empty (0 bytes)" in results[1].message
    assert "No such file" in results[2].message
    assert files_of(tasks[0].output.parent) == ["m0.mrc", "m3.mrc"]


def test_bug_in_one_micrograph_does_not_stop_the_others(tasks, use, denoise):
    def fail_at_second(micrograph):
        if micrograph.source == tasks[1].source:
            raise ZeroDivisionError

    use(fail_at_second)
    results = denoise(tasks)
    assert statuses(results) == ["denoised", "failed", "denoised", "denoised"]
    assert "unexpected ZeroDivisionError" in results[1].message
    assert "report it" in results[1].message


def test_error_of_a_device_stops_the_run(tasks, use, denoise, new_monitor):
    def fail_at_second(micrograph):
        if micrograph.source == tasks[1].source:
            raise DeviceError(GONE)

    use(fail_at_second)
    monitor = new_monitor()
    with pytest.raises(DeviceError, match=GONE):
        denoise(tasks, monitor)
    assert [result.task for result in monitor.results] == tasks[:1]
    assert files_of(tasks[0].output.parent) == ["m0.mrc"]


def test_error_of_the_second_device_stops_the_first(
    use, make_tasks, denoise, new_monitor
):
    tasks = make_tasks(40)
    broken = threading.Event()

    def fail(_micrograph):
        broken.set()
        raise DeviceError(GONE)

    use(lambda _micrograph: broken.wait(20), fail)
    monitor = new_monitor()
    with pytest.raises(DeviceError, match=GONE):
        denoise(tasks, monitor)
    # What the first device had in work when the second failed, and no more.
    assert len(monitor.results) <= 2


def test_output_of_ours_is_refused_as_input(tasks, tmp_path, denoise):
    denoise(tasks)
    again = [
        MicrographTask(source=task.output, output=tmp_path / "twice" / task.output.name)
        for task in tasks
    ]
    results = denoise(again)
    assert statuses(results) == ["failed"] * 4
    assert "was already denoised" in results[0].message


def test_image_of_another_program_is_never_replaced(tasks, denoise):
    tasks[0].output.parent.mkdir()
    shutil.copy(tasks[3].source, tasks[0].output)
    before = tasks[0].output.read_bytes()
    for overwrite in (False, True):
        results = denoise(tasks, overwrite=overwrite)
        assert statuses(results) == ["failed"] + ["denoised"] * 3 or overwrite is False
        assert "was not written by cryoscore" in results[0].message
    assert tasks[0].output.read_bytes() == before


def test_float16_that_overflows_fails_with_advice(tasks, denoise):
    bright = np.full((4, 4), 40000, np.float32)
    write_micrograph(tasks[0].source, Micrograph(pixels=bright, pixel_size=1.5))
    results = denoise(tasks, output_dtype="float16")
    assert statuses(results) == ["failed"] + ["denoised"] * 3
    assert "--output-dtype float32" in results[0].message


def test_truncated_stack_fails_without_a_half_file(tmp_path, denoise):
    source = tmp_path / "x.mrcs"
    image = Micrograph(pixels=np.ones((3, 4), np.float32), pixel_size=1.5)
    write_stack(source, [image] * 3)
    source.write_bytes(source.read_bytes()[:-1])
    task = MicrographTask(source=source, output=tmp_path / "o" / "x.mrcs")
    (result,) = denoise([task])
    assert result.status == "failed"
    assert "image 3 of 3" in result.message
    assert files_of(tmp_path / "o") == []


def test_full_disk_is_told_and_the_rest_is_tried(tasks, monkeypatch, denoise):
    def write_or_not(path, micrograph, **options):
        if path == tasks[1].output:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_micrograph(path, micrograph, **options)

    monkeypatch.setattr(steps, "write_micrograph", write_or_not)
    results = denoise(tasks)
    assert statuses(results) == ["denoised", "failed", "denoised", "denoised"]
    assert "the disk is full" in results[1].message
    assert "Make room" in results[1].message


def test_full_disk_is_found_before_computing(tasks, use, monkeypatch, denoise):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 990, 10))

    def never(_micrograph):
        raise AssertionError

    use(never)
    results = denoise(tasks)
    assert statuses(results) == ["failed"] * 4
    assert "the disk is full (0.0 MB are needed" in results[0].message


def test_output_folder_below_a_file_fails_with_advice(tasks, denoise):
    (tasks[0].source.parent.parent / "out").write_text("a file")
    results = denoise(tasks)
    assert statuses(results) == ["failed"] * 4
    assert "cannot be written" in results[0].message
    assert "--output" in results[0].message


def test_really_full_disk_leaves_no_half_file(
    mount_disk, tmp_path, monkeypatch, denoise
):
    small_disk = mount_disk("64k")
    pixels = np.random.default_rng(0).normal(size=(90, 100)).astype(np.float32)
    (tmp_path / "raw").mkdir()
    tasks = []
    for number in range(3):
        source = tmp_path / "raw" / f"m{number}.mrc"
        write_micrograph(source, Micrograph(pixels=pixels, pixel_size=1.5))
        tasks.append(MicrographTask(source=source, output=small_disk / source.name))
    # As on a file system that does not know what it has left.
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 10**9))
    results = denoise(tasks)
    assert statuses(results) == ["denoised", "failed", "failed"]
    assert "the disk is full" in results[1].message
    assert files_of(small_disk) == ["m0.mrc"]
