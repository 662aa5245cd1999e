"""A run over files: outputs, their labels, what is done again, overlap, memory."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
import weakref

import numpy as np
import pytest

from cryoscore_plugin.batch import steps
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import (
    read_header,
    read_labels,
    read_micrograph,
    read_stack,
    write_micrograph,
    write_stack,
)


def statuses(results):
    return [result.status for result in results]


def test_each_output_is_the_denoised_input_with_our_labels(tasks, denoise, new_monitor):
    monitor = new_monitor()
    results = denoise(tasks, monitor)
    assert [result.task for result in results] == tasks
    assert statuses(results) == ["denoised"] * 4
    assert monitor.started == [("a fake device", 4)]
    assert monitor.counts == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert monitor.results == results
    assert all(result.warnings == ("doubled",) for result in results)
    for task, result in zip(tasks, results, strict=True):
        raw, out = read_micrograph(task.source), read_micrograph(task.output)
        np.testing.assert_array_equal(out.pixels, 2 * raw.pixels)
        assert out.pixel_size == raw.pixel_size
        assert result.quality == {"mean": float(raw.pixels.mean())}
        assert result.seconds > 0
        first, second, third = read_labels(task.output)
        assert first == "cryoscore 0.1.0 denoised, model fake 0123456789ab"
        assert second.startswith("cryoscore fingerprint ")
        assert third.startswith("cryoscore measured mean=")


def written_at(task):
    # Not the whole of `stat`: reading changes the time of the last access.
    return task.output.stat().st_ino, task.output.stat().st_mtime_ns


def test_finished_outputs_are_skipped_and_keep_what_was_measured(tasks, denoise):
    first = denoise(tasks[:2])
    before = [written_at(task) for task in tasks[:2]]
    again = denoise(tasks)
    assert statuses(again) == ["skipped"] * 2 + ["denoised"] * 2
    for earlier, later in zip(first, again, strict=False):
        assert later.quality == pytest.approx(earlier.quality, rel=1e-5)
    assert [written_at(task) for task in tasks[:2]] == before


@pytest.mark.parametrize(
    "changed",
    [
        {"overwrite": True},
        {"output_dtype": "float16"},
        {"pixel_size": 2.0},
        {"working_pixel_size": 4.0},
        {"precision": "float32"},
        {"write_binned": True},
    ],
)
def test_other_settings_make_it_again(tasks, changed, denoise):
    denoise(tasks)
    assert statuses(denoise(tasks, **changed)) == ["denoised"] * 4


@pytest.mark.parametrize(
    "changed", [{"device": "cpu"}, {"threads": 1}, {"tile_size": 128}]
)
def test_settings_without_effect_on_pixels_make_nothing_again(tasks, changed, denoise):
    denoise(tasks)
    assert statuses(denoise(tasks, **changed)) == ["skipped"] * 4


def test_other_model_makes_it_again(tasks, use, denoise):
    denoise(tasks)
    use(fingerprint="fake 999999999999")
    assert statuses(denoise(tasks)) == ["denoised"] * 4


def test_changed_input_or_table_pixel_size_makes_it_again(tasks, denoise):
    denoise(tasks)
    os.utime(tasks[1].source, ns=(0, 0))
    tasks[2] = dataclasses.replace(tasks[2], pixel_size=1.6)
    expected = ["skipped", "denoised", "denoised", "skipped"]
    assert statuses(denoise(tasks)) == expected


def test_next_micrograph_is_read_while_one_is_computed(
    tasks, use, monkeypatch, denoise
):
    read = {task.source: threading.Event() for task in tasks}

    def reading(path, **options):
        micrograph = read_micrograph(path, **options)
        read[path].set()
        return micrograph

    def wait_for_the_next(micrograph):
        number = [task.source for task in tasks].index(micrograph.source)
        if number + 1 < len(tasks):
            assert read[tasks[number + 1].source].wait(20)

    monkeypatch.setattr(steps, "read_micrograph", reading)
    use(wait_for_the_next)
    assert statuses(denoise(tasks)) == ["denoised"] * 4


def test_last_output_is_written_while_the_next_is_computed(
    tasks, use, monkeypatch, denoise
):
    computing = threading.Event()

    def write_slowly(*args, **options):
        assert computing.wait(20)
        write_micrograph(*args, **options)

    def note_the_second(micrograph):
        if micrograph.source == tasks[1].source:
            computing.set()

    monkeypatch.setattr(steps, "write_micrograph", write_slowly)
    use(note_the_second)
    assert statuses(denoise(tasks)) == ["denoised"] * 4


def test_at_most_one_result_waits_for_the_disk(tasks, use, monkeypatch, denoise):
    third = threading.Event()
    too_early = []

    def write_slowly(path, micrograph, **options):
        if path == tasks[0].output:
            too_early.append(third.wait(0.5))
        write_micrograph(path, micrograph, **options)

    def note_the_third(micrograph):
        if micrograph.source == tasks[2].source:
            third.set()

    monkeypatch.setattr(steps, "write_micrograph", write_slowly)
    use(note_the_third)
    denoise(tasks)
    assert too_early == [False]


def test_at_most_one_micrograph_is_read_ahead(tasks, use, monkeypatch, denoise):
    read = []

    def reading(path, **options):
        read.append(path)
        return read_micrograph(path, **options)

    def wait_a_little(micrograph):
        time.sleep(0.1)
        number = [task.source for task in tasks].index(micrograph.source)
        assert len(read) <= number + 2

    monkeypatch.setattr(steps, "read_micrograph", reading)
    use(wait_a_little)
    assert statuses(denoise(tasks)) == ["denoised"] * 4


def test_raw_pixels_are_let_go_before_writing(tasks, use, monkeypatch, denoise):
    raw = {}
    writing, looked = threading.Event(), threading.Event()
    kept = []

    def reading(path, **options):
        micrograph = read_micrograph(path, **options)
        raw[path] = weakref.ref(micrograph)
        return micrograph

    def write_late(path, micrograph, **options):
        writing.set()
        looked.wait(20)
        write_micrograph(path, micrograph, **options)

    def look(micrograph):
        if micrograph.source == tasks[1].source:
            writing.wait(20)
            kept.append(raw[tasks[0].source]() is not None)
            looked.set()

    monkeypatch.setattr(steps, "read_micrograph", reading)
    monkeypatch.setattr(steps, "write_micrograph", write_late)
    use(look)
    denoise(tasks)
    assert kept == [False]


def test_two_devices_work_at_the_same_time(tasks, use, denoise, new_monitor):
    meeting = threading.Barrier(2, timeout=20)
    use(*[lambda _micrograph: meeting.wait()] * 2)
    monitor = new_monitor()
    results = denoise(tasks, monitor)
    assert [result.task for result in results] == tasks
    assert statuses(results) == ["denoised"] * 4
    assert [done for done, _ in monitor.counts] == [1, 2, 3, 4]


def test_table_and_header_that_disagree_are_told(tasks, denoise):
    tasks = [dataclasses.replace(task, pixel_size=1.51) for task in tasks]
    tasks[0] = dataclasses.replace(tasks[0], pixel_size=2.0)
    results = denoise(tasks)
    warning = results[0].warnings[0]
    assert "table says 2 Å/px" in warning
    assert "header 1.5 Å/px" in warning
    assert read_header(tasks[0].output).pixel_size == pytest.approx(2.0)
    assert results[1].warnings == ("doubled",)
    given = denoise(tasks, pixel_size=1.7)
    assert given[0].warnings == ("doubled",)
    assert read_header(tasks[0].output).pixel_size == pytest.approx(1.7)


def test_header_that_may_not_know_the_pixel_size_is_told(tasks, denoise):
    image = Micrograph(pixels=np.ones((3, 4), np.float32), pixel_size=1.0)
    write_micrograph(tasks[0].source, image)
    (result,) = denoise(tasks[:1])
    assert "1 Å/px, which many programs write" in result.warnings[0]
    (result,) = denoise(tasks[:1], pixel_size=1.0)
    assert result.warnings == ("doubled",)
    known = [dataclasses.replace(tasks[0], pixel_size=1.0)]
    (result,) = denoise(known)
    assert result.warnings == ("doubled",)


def test_float16_that_is_coarse_for_the_contrast_is_told(tasks, denoise):
    low_contrast = np.full((40, 40), 20000, np.float32)
    low_contrast[::2] += 5
    micrograph = Micrograph(pixels=low_contrast, pixel_size=1.5)
    write_micrograph(tasks[0].source, micrograph)
    results = denoise(tasks, output_dtype="float16")
    assert any("coarse" in warning for warning in results[0].warnings)
    assert results[1].warnings == ("doubled",)
    assert read_header(tasks[1].output).dtype == np.float16


def test_stack_is_denoised_image_by_image(tmp_path, denoise):
    images = [
        Micrograph(pixels=np.full((3, 4), value, np.float32), pixel_size=1.5)
        for value in (1, 2, 3)
    ]
    write_stack(tmp_path / "x.mrcs", images)
    task = MicrographTask(source=tmp_path / "x.mrcs", output=tmp_path / "o" / "x.mrcs")
    (result,) = denoise([task])
    assert [one.pixels.mean() for one in read_stack(task.output)] == [2, 4, 6]
    assert result.quality == {"mean": 2.0}
    assert result.warnings == ("doubled",)
    assert read_labels(task.output)[2] == "for picking and looking, not for refinement"
    assert statuses(denoise([task])) == ["skipped"]


def test_tiff_becomes_mrc(tmp_path, denoise):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "x.tif", np.arange(12, dtype="u2").reshape(3, 4))
    task = MicrographTask(source=tmp_path / "x.tif", output=tmp_path / "o" / "x.mrc")
    (result,) = denoise([task])
    assert "--pixel-size" in result.message
    (result,) = denoise([task], pixel_size=1.5)
    assert result.status == "denoised"
    assert read_micrograph(task.output).pixels[0, 0] == 16


def test_no_tasks_are_no_error(denoise, new_monitor):
    monitor = new_monitor()
    assert denoise([], monitor) == []
    assert monitor.started == [("a fake device", 0)]


def test_place_on_the_specimen_is_kept(tmp_path, denoise):
    place = {"origin": (1.0, 2.0, 3.0), "start": (4, 5, 6), "axes": (2, 1, 3)}
    image = Micrograph(pixels=np.ones((3, 4), np.float32), pixel_size=1.5, **place)
    write_micrograph(tmp_path / "x.mrc", image)
    task = MicrographTask(source=tmp_path / "x.mrc", output=tmp_path / "o" / "x.mrc")
    denoise([task])
    after = read_micrograph(task.output)
    assert {name: getattr(after, name) for name in place} == place
