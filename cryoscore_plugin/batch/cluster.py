"""Denoise on many computers through Dask: a running scheduler, or a queue of a cluster.

A unit of work is one micrograph. If a worker dies, Dask gives its micrograph to another
one, and the queue is asked for a new worker; a micrograph that has killed several
workers fails alone. The process that started all of it writes the ledger, and hands out
only as much as the workers can soon do.

Dask's connections are neither encrypted nor is anybody asked for a password: use it in
a network that you trust.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.cluster_worker import denoise_on_worker
from cryoscore_plugin.batch.monitor import (
    Gate,
    JobMonitor,
    MicrographResult,
    MicrographTask,
    stopped_as_asked,
)
from cryoscore_plugin.batch.uncertainty import files_of
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.files import remove_leftovers
from cryoscore_plugin.settings import DenoiseSettings

Client = Any
Future = Any
"""Of Dask, whose functions have types only in part."""

CLUSTERS = {
    "local": ("distributed", "LocalCluster"),
    "slurm": ("dask_jobqueue", "SLURMCluster"),
    "pbs": ("dask_jobqueue", "PBSCluster"),
    "lsf": ("dask_jobqueue", "LSFCluster"),
    "sge": ("dask_jobqueue", "SGECluster"),
}
"""Module and class of Dask for each kind of cluster."""

_AHEAD = 2
"""Micrographs that wait for each worker, beside the one it is at."""

PATIENCE = 20.0
"""How long a scheduler may take to answer, in s."""

_LOOK = 1.0
"""How often the user is asked whether to stop, in s."""


class ClusterEngine:
    """Gives micrographs to Dask workers, and takes their results.

    Parameters
    ----------
    client : Client
        Of a Dask cluster.
    settings : DenoiseSettings
        How to denoise.
    model : str
        Name and hash of the model, which each worker must find.
    """

    def __init__(self, client: Client, settings: DenoiseSettings, model: str) -> None:
        self._client = client
        self._settings = settings
        self._model = model

    def __call__(
        self, tasks: Sequence[MicrographTask], monitor: JobMonitor, gate: Gate
    ) -> list[MicrographResult]:
        """Results of the tasks that the gate let through.

        Raises
        ------
        JobAbortedError
            If the monitor asked to stop.
        ConfigError, CheckpointError, DeviceError
            If a setting, the model or a device of a worker cannot be used.
        """
        remove_leftovers(files_of(tasks))
        address = self._client.scheduler.address
        monitor.on_start(f"model {self._model} on Dask {address}", total=len(tasks))
        work = _Work(waiting=(task for task in tasks if gate.take(task)))
        results: list[MicrographResult] = []
        try:
            while True:
                self._fill(work)
                if not work.pending:
                    return results
                for result in self._finished(work):
                    results.append(result)
                    monitor.on_result(result, done=len(results), total=len(tasks))
                if monitor.abort_requested():
                    raise stopped_as_asked(len(results), len(tasks))
        finally:
            self._client.cancel(list(work.pending))

    def _fill(self, work: _Work) -> None:
        """Hand out as much as the workers can soon do; suspects alone, at the end."""
        threads = sum(self._client.nthreads().values())
        room = (1 + _AHEAD) * max(threads, 1) - len(work.pending)
        for _, task in zip(range(room), work.waiting, strict=False):
            self._submit(task, work)
        if not work.pending and work.suspects:
            task = work.suspects.pop(0)
            work.alone.add(task)
            self._submit(task, work)

    def _submit(self, task: MicrographTask, work: _Work) -> None:
        future = self._client.submit(
            denoise_on_worker,
            task,
            self._settings,
            (__version__, self._model),
            pure=False,
        )
        work.pending[future] = task

    def _finished(self, work: _Work) -> Iterator[MicrographResult]:
        """Wait a moment for results, and take them."""
        distributed = _module("distributed")
        try:
            done, _ = distributed.wait(
                list(work.pending), timeout=_LOOK, return_when="FIRST_COMPLETED"
            )
        except TimeoutError:
            return
        for future in done:
            task = work.pending.pop(future)
            try:
                yield future.result()
            except distributed.KilledWorker:
                if task in work.alone:
                    yield _deadly(task)
                else:
                    work.suspects.append(task)


@dataclass(kw_only=True)
class _Work:
    """What waits, what the workers have, and who may have killed them.

    Dask blames all that a dead worker had, also what only waited there. So those are
    tried again one at a time.
    """

    waiting: Iterator[MicrographTask]
    pending: dict[Future, MicrographTask] = field(default_factory=dict)
    suspects: list[MicrographTask] = field(default_factory=list)
    alone: set[MicrographTask] = field(default_factory=set)


def _deadly(task: MicrographTask) -> MicrographResult:
    msg = (
        f"{task.source} was given to several workers, and all of them died, perhaps "
        "for lack of memory. Try it alone with --include, or leave it out."
    )
    return MicrographResult(task=task, status="failed", message=msg)


@contextmanager
def dask_client(
    *, scheduler: str | None, kind: str | None, site: Path | None
) -> Iterator[Client]:
    """Connect to a scheduler, or start workers: a context that ends them.

    Parameters
    ----------
    scheduler : str or None
        Address of a scheduler that runs, such as `tcp://node1:8786`.
    kind : str or None
        Else the kind of cluster to start workers on, of `CLUSTERS`.
    site : Path or None
        YAML file with `jobs`, the number of worker jobs, and the arguments of the class
        of Dask, such as `queue`, `cores`, `memory` and `walltime`.

    Raises
    ------
    ConfigError
        If Dask is not installed, the scheduler does not answer, or an argument is
        wrong.
    """
    distributed = _module("distributed")
    logging.getLogger("distributed").setLevel(logging.ERROR)
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            msg = (
                f"No Dask scheduler answers at {scheduler} ({error}). Start one with "
                "`dask scheduler`, or correct the address."
            )
            raise ConfigError(msg) from error
        with client:
            yield client
        return
    with _cluster(str(kind), site) as cluster, distributed.Client(cluster) as client:
        yield client


def _cluster(kind: str, site: Path | None) -> Any:  # noqa: ANN401  of Dask, without types
    module, name = CLUSTERS[kind]
    options = _site_options(site)
    jobs = options.pop("jobs", 1)
    if not isinstance(jobs, int) or jobs < 1:
        msg = f"{site}: jobs should be a number of worker jobs, but is {jobs!r}."
        raise ConfigError(msg)
    make = getattr(_module(module), name)
    try:
        if kind == "local":
            defaults = {
                "threads_per_worker": 1,
                "dashboard_address": None,
                # Workers complain at length when they are told to go.
                "silence_logs": logging.CRITICAL,
            }
            cluster = make(**defaults | {"n_workers": jobs} | options)
        else:
            cluster = make(**{"cores": 1, "processes": 1, "memory": "8GB"} | options)
    except (TypeError, ValueError) as error:
        msg = (
            f"Dask's {name} refuses the options of {site or 'none'}: {error}. See "
            "examples/batch/slurm_site.yaml."
        )
        raise ConfigError(msg) from error
    # Not `scale`: a worker that is killed shall be replaced.
    number = (
        ("minimum", "maximum") if kind == "local" else ("minimum_jobs", "maximum_jobs")
    )
    cluster.adapt(**dict.fromkeys(number, jobs), interval="2s")
    return cluster


def _site_options(site: Path | None) -> dict[str, Any]:
    if site is None:
        return {}
    try:
        values = yaml.safe_load(site.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"Cannot read {site}: {error}. Expected lines of the form `name: value`."
        raise ConfigError(msg) from error
    if not isinstance(values, Mapping):
        msg = f"{site} should hold lines of the form `name: value`, but does not."
        raise ConfigError(msg)
    return {str(name): value for name, value in values.items()}


def _module(name: str) -> Any:  # noqa: ANN401  a module
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = (
            f"Clusters need {name}, which cannot be imported ({error}). Install it: "
            "pip install 'cryoscore[cluster]'"
        )
        raise ConfigError(msg) from error
