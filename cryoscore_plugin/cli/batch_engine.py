"""Who does the work of `cryoscore batch`: this process, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryoscore_plugin.batch.local import LocalEngine
from cryoscore_plugin.batch.session import BatchRequest
from cryoscore_plugin.batch.work import Engine
from cryoscore_plugin.cli.batch_options import Choices
from cryoscore_plugin.errors import ConfigError


@contextmanager
def chosen_engine(request: BatchRequest, choices: Choices) -> Iterator[Engine]:
    """The engine that the options ask for: a context that ends its workers.

    Parameters
    ----------
    request : BatchRequest
        What the user asked for.
    choices : Choices
        The options of the command.

    Raises
    ------
    ConfigError
        If the options contradict each other, or the cluster cannot be used.
    """
    _refuse_contradictions(choices)
    if choices.scheduler is None and choices.cluster is None:
        yield LocalEngine(request.settings)
        return
    from cryoscore_plugin.batch.cluster import (  # noqa: PLC0415  an extra
        ClusterEngine,
        dask_client,
    )

    with dask_client(
        scheduler=choices.scheduler,
        kind=choices.cluster,
        site=choices.cluster_settings,
    ) as client:
        yield ClusterEngine(client, request.settings, request.model.fingerprint)


def _refuse_contradictions(choices: Choices) -> None:
    if choices.scheduler is not None and choices.cluster is not None:
        msg = "Give either --scheduler or --cluster, not both."
        raise ConfigError(msg)
    if choices.cluster_settings is not None and choices.cluster is None:
        msg = "--cluster-settings needs --cluster, such as --cluster slurm."
        raise ConfigError(msg)
    if choices.idle_limit is not None and not choices.watch:
        msg = "--idle-limit is for --watch. Add --watch, or leave it out."
        raise ConfigError(msg)
