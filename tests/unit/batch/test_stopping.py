"""Runs that are stopped or killed leave no half file, and go on later."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from cryoscore_plugin.errors import JobAbortedError


def statuses(results):
    return [result.status for result in results]


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("size", [0, 100, 1024, 1100])
def test_output_that_is_cut_short_is_made_again(tasks, size, denoise):
    denoise(tasks)
    whole = tasks[0].output.read_bytes()
    tasks[0].output.write_bytes(whole[:size])
    assert statuses(denoise(tasks)) == ["denoised"] + ["skipped"] * 3
    assert tasks[0].output.read_bytes() == whole


def test_leftover_of_a_killed_run_is_removed(tasks, denoise):
    dead = subprocess.run([sys.executable, "-c", ""], check=True)
    assert dead.returncode == 0
    denoise(tasks[:1])
    leftover = tasks[0].output.with_name(
        f".m1.mrc.999999999@{socket.gethostname()}.part"
    )
    leftover.write_bytes(b"half")
    denoise(tasks)
    assert files_of(leftover.parent) == [f"m{number}.mrc" for number in range(4)]


def test_wish_to_stop_keeps_what_is_finished(make_tasks, use, denoise, new_monitor):
    tasks = make_tasks(9)
    monitor = new_monitor()

    def wish_during_the_second(micrograph):
        if micrograph.source == tasks[1].source:
            monitor.stop_after = 0

    use(wish_during_the_second)
    with pytest.raises(JobAbortedError, match=r"after 2 of 9 .*Finished outputs are"):
        denoise(tasks, monitor)
    # The third was read already, but is not begun any more.
    assert files_of(tasks[0].output.parent) == ["m0.mrc", "m1.mrc"]
    use()
    assert statuses(denoise(tasks)).count("skipped") == 2


def test_wish_to_stop_before_the_first_leaves_nothing(tasks, denoise, new_monitor):
    with pytest.raises(JobAbortedError, match="after 0 of 4"):
        denoise(tasks, new_monitor(stop_after=0))
    assert not tasks[0].output.parent.exists()


def test_wish_is_asked_before_each_micrograph(tasks, denoise, new_monitor):
    monitor = new_monitor()
    denoise(tasks, monitor)
    assert monitor.asked >= len(tasks)


@pytest.mark.parametrize("devices", [1, 2])
def test_ctrl_c_leaves_no_half_file(use, devices, make_tasks, denoise, new_monitor):
    tasks = make_tasks(9)

    def interrupt(micrograph):
        if micrograph.source == tasks[3].source:
            raise KeyboardInterrupt

    use(*[interrupt] * devices)
    monitor = new_monitor()
    with pytest.raises(KeyboardInterrupt):
        denoise(tasks, monitor)
    done = [result.task.output.name for result in monitor.results]
    assert files_of(tasks[0].output.parent) == sorted(done)
    assert len(done) < 9


def test_ctrl_c_while_writing_leaves_no_half_file(tasks, monkeypatch, denoise):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cryoscore_plugin.mrc.writing.make_header", interrupted)
    with pytest.raises(KeyboardInterrupt):
        denoise(tasks)
    assert files_of(tasks[0].output.parent) == []
