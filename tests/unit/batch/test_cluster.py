"""Dask: the same outputs as in one process, lost workers, poisonous micrographs."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from cryoscore_plugin.batch import cluster, cluster_worker
from cryoscore_plugin.batch.cluster import ClusterEngine, dask_client
from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.batch.uncertainty import files_of
from cryoscore_plugin.errors import ConfigError, JobAbortedError
from cryoscore_plugin.settings import DenoiseSettings

pytest.importorskip("distributed", reason="Dask is not installed")


class Everything:
    """A gate that lets all through."""

    def take(self, task):  # noqa: ARG002
        return True


@pytest.fixture
def workers(tmp_path):
    """A client of Dask workers; in this process, or in others."""

    def start(**options):
        site = tmp_path / "site.yaml"
        site.write_text(
            "\n".join(f"{name}: {value}" for name, value in options.items())
        )
        return dask_client(scheduler=None, kind="local", site=site)

    return start


def engine_of(client):
    return ClusterEngine(client, DenoiseSettings(), "fake 0123456789ab")


def statuses(results):
    by_name = {result.task.source.stem: result.status for result in results}
    return [by_name[name] for name in sorted(by_name)]


def test_workers_denoise_and_the_monitor_is_told(
    tasks, workers, new_monitor, monkeypatch, use
):
    from cryoscore_plugin.batch import run

    use()
    monkeypatch.setattr(cluster_worker, "_loaded", {})
    monkeypatch.setattr("cryoscore_plugin.denoiser.load_denoisers", run.load_denoisers)
    monitor = new_monitor()
    left = []
    for file in files_of(tasks[:1]):
        dead = f".{file.name}.999999999@{socket.gethostname()}.part"
        left.append(file.with_name(dead))
        file.parent.mkdir()
        left[-1].touch()
    with workers(jobs=2, processes="false") as client:
        results = engine_of(client)(tasks, monitor, Everything())
    assert statuses(results) == ["denoised"] * 4
    assert not any(file.exists() for file in left)
    assert all(task.output.exists() for task in tasks)
    assert [done for done, _ in monitor.counts] == [1, 2, 3, 4]
    assert "Dask" in monitor.started[0][0]


def test_other_model_on_a_worker_is_refused(tasks, monkeypatch, use):
    from cryoscore_plugin.batch import run

    use(fingerprint="fake 999999999999")
    monkeypatch.setattr(cluster_worker, "_loaded", {})
    monkeypatch.setattr("cryoscore_plugin.denoiser.load_denoisers", run.load_denoisers)
    with pytest.raises(ConfigError, match="Install the same on all computers"):
        cluster_worker.denoise_on_worker(
            tasks[0], DenoiseSettings(), ("0.1.0", "fake 0123456789ab")
        )


def quick(folder):
    """Work that takes no model: m1 always kills its worker, m2 the first time."""

    def work(task, _settings, _expected):
        name = task.source.stem
        mark = Path(folder, name)
        if name == "m1" or (name == "m2" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return MicrographResult(task=task, status="denoised")

    return work


@pytest.mark.slow
def test_lost_worker_is_replaced_and_a_poisonous_micrograph_fails_alone(
    make_tasks, workers, new_monitor, monkeypatch, tmp_path
):
    import dask

    monkeypatch.setattr(cluster, "denoise_on_worker", quick(str(tmp_path)))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        workers(jobs=2) as client,
    ):
        results = engine_of(client)(make_tasks(5), new_monitor(), Everything())
    by_name = {result.task.source.stem: result for result in results}
    assert len(by_name) == 5
    assert by_name.pop("m1").status == "failed"
    assert all(result.status == "denoised" for result in by_name.values())


def test_wish_to_stop_ends_the_work(make_tasks, workers, new_monitor, monkeypatch):
    monkeypatch.setattr(
        cluster,
        "denoise_on_worker",
        lambda task, _s, _e: MicrographResult(task=task, status="denoised"),
    )
    monitor = new_monitor(stop_after=1)
    with workers(jobs=1, processes="false") as client, pytest.raises(JobAbortedError):
        engine_of(client)(make_tasks(40), monitor, Everything())
    assert len(monitor.results) < 40


# Dask complains about the cluster that it refused to make.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobs: none", "jobs should be a number of worker jobs, but is 'none'"),
        ("- a", "should hold lines of the form"),
        ("nonsense: 3", "refuses the options"),
        ("a: b: c", "Cannot read"),
    ],
)
def test_wrong_site_file_ends_with_a_sentence(tmp_path, text, expected):
    site = tmp_path / "site.yaml"
    site.write_text(text)
    with (
        pytest.raises(ConfigError, match=expected),
        dask_client(scheduler=None, kind="slurm", site=site),
    ):
        pass


def test_scheduler_that_does_not_answer_is_said_in_words(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    with (
        pytest.raises(ConfigError, match="No Dask scheduler answers at tcp://127"),
        dask_client(scheduler="tcp://127.0.0.1:1", kind=None, site=None),
    ):
        pass


def test_missing_dask_is_said_in_words(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'cryoscore\[cluster\]'"),
        dask_client(scheduler="tcp://127.0.0.1:1", kind=None, site=None),
    ):
        pass
