"""A CryoSPARC site to run jobs in, and the commands as users type them.

The client is the real one, of whichever version is installed. The server is ours.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
import types
import warnings
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

# Before the client is imported: a request that fails is made again at once.
os.environ["CRYOSPARC_COMMAND_RETRY_SECONDS"] = "0"

import mrcfile
import numpy as np
import pytest
from cryosparc.dataset import Dataset

from cryoscore_plugin.cli import main
from cryosparc_jobs import client, event_log, plots

MAJOR = int(importlib.import_module("cryosparc").__version__.split(".")[0])

_HERE = Path(__file__).parent / "server"
_package = types.ModuleType("cryosparc_test_server")
_package.__path__ = [str(_HERE)]
sys.modules["cryosparc_test_server"] = _package

from cryosparc_test_server import site as _site

SHAPE = (80, 96)
ONE_CORE = ("--device", "cpu", "--threads", "1")
"""Several threads only get into each other's way on images that small."""
COUNT = 3


def micrograph_names(count):
    return [f"J1/motioncorrected/{uid:021d}_mic_{uid}.mrc" for uid in uids(count)]


def uids(count):
    return list(range(1001, 1001 + count))


def write_raw(path, seed, pixel_size=3.0, images=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*images, *SHAPE)
    pixels = np.random.default_rng(seed).normal(10, 2, shape).astype(np.float32)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(pixels)
        file.voxel_size = pixel_size


def exposure_rows(count):
    """What Patch CTF writes about its micrographs, as far as we look at it."""
    fields = [
        (f"{slot}/{name}", kind)
        for slot in ("micrograph_blob", "mscope_params", "ctf")
        for name, kind in _site.DTYPES[slot]
    ]
    rows = Dataset({"uid": np.array(uids(count), dtype="u8")}).add_fields(fields)
    # Some versions of CryoSPARC write `>` before a path.
    rows["micrograph_blob/path"] = [f">{name}" for name in micrograph_names(count)]
    rows["micrograph_blob/shape"] = np.array([SHAPE] * count)
    rows["micrograph_blob/psize_A"] = [3.0] * count
    rows["micrograph_blob/format"] = ["MRC/2"] * count
    rows["micrograph_blob/is_background_subtracted"] = [1] * count
    rows["micrograph_blob/import_sig"] = [7 + i for i in range(count)]
    rows["mscope_params/accel_kv"] = [300.0] * count
    rows["mscope_params/cs_mm"] = [2.7] * count
    rows["ctf/accel_kv"] = [300.0] * count
    rows["ctf/cs_mm"] = [2.7] * count
    rows["ctf/amp_contrast"] = [0.1] * count
    rows["ctf/df1_A"] = [10000.0 + i for i in range(count)]
    rows["ctf/df2_A"] = [9000.0] * count
    rows["ctf/df_angle_rad"] = [np.pi / 6] * count
    return rows


@contextmanager
def sites(tmp_path, monkeypatch):
    """Gives a function that makes sites, and logs in to each; at the end all stop."""
    servers = []

    def make(count=COUNT):
        folder = tmp_path / "project"
        folder.mkdir()
        site = _site.Site(folder, "v5.0.3" if MAJOR >= 5 else "v4.7.1")
        source = site.create("patch_ctf_estimation_multi")
        for seed, name in enumerate(micrograph_names(count)):
            write_raw(folder / name, seed)
        slots = [_site.Slot(s, s) for s in ("micrograph_blob", "mscope_params", "ctf")]
        rows = exposure_rows(count)
        source.outputs["exposures"] = _site.Output(
            "exposure", "Micrographs", slots, data=rows
        )
        site.set_status(source, "completed")
        protocol = importlib.import_module(f"cryosparc_test_server.v{MAJOR}")
        found, site.port = protocol.serve(site)
        servers.extend(found)
        site.url = f"http://127.0.0.1:{site.port}"
        monkeypatch.setenv("CRYOSPARC_BASE_URL", site.url)
        return site

    for name in list(os.environ):
        if name.startswith("CRYOSPARC_") and name != "CRYOSPARC_COMMAND_RETRY_SECONDS":
            monkeypatch.delenv(name)
    monkeypatch.setenv("CRYOSPARC_EMAIL", "ali@example.com")
    monkeypatch.setenv("CRYOSPARC_PASSWORD", "not-for-logs")
    monkeypatch.setenv("CRYOSPARC_LICENSE_ID", "12345678-1234-1234-1234-123456789abc")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # A login that one test saves must not be found by another.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(client, "PAUSE", 0.0)
    monkeypatch.chdir(tmp_path)
    gc.freeze()  # So that the search for sockets looks at what is new.
    yield make
    for server in servers:
        server.shutdown()
        server.server_close()
    # The client leaves its sockets to the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.unfreeze()


@pytest.fixture
def make_site(tmp_path, monkeypatch):
    """Make a site in which J1 has `count` micrographs, and log in to it."""
    # Pictures take most of the time of a small job.
    monkeypatch.setattr(plots, "SPREAD", 0)
    monkeypatch.setattr(plots, "UNLIKE", 0)
    with sites(tmp_path, monkeypatch) as make:
        yield make


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_checkpoint):
    """A job J2 that was run with most options, its site, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        sites(folder, monkeypatch) as make,
    ):
        site = make()
        with monkeypatch.context() as each, redirect_stdout(io.StringIO()) as out:
            each.setattr(event_log, "SHOWN", {4: 0.0, 5: 0.0})
            words = ("P1", "W1", "J1:exposures", "--picking-output", "--threads", "1")
            code = main(
                ["cryosparc", "denoise", *words, "--model", str(tiny_checkpoint)]
            )
        job = site.jobs["J2"]
        yield types.SimpleNamespace(site=site, job=job, code=code, out=out.getvalue())


@pytest.fixture
def site(make_site):
    """A site with three micrographs."""
    return make_site()


@pytest.fixture
def shell(capsys):
    """Type words after `cryoscore cryosparc`; get exit code, stdout and stderr."""

    def run(*words):
        code = main(["cryosparc", *map(str, words)])
        captured = capsys.readouterr()
        return types.SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def denoise(shell, tiny_checkpoint):
    """`cryoscore cryosparc denoise` of J1:exposures with a tiny model."""

    def run(*words, source="J1:exposures"):
        fixed = ("P1", "W1", source, "--model", tiny_checkpoint, *ONE_CORE)
        return shell("denoise", *fixed, *words)

    return run


@pytest.fixture
def train(shell, tiny_checkpoint):
    """`cryoscore cryosparc train` on J1:exposures, three steps from a tiny model."""

    def run(*words):
        return shell("train", *train_words(tiny_checkpoint), *words)

    return run


def train_words(checkpoint):
    source = ("P1", "W1", "J1:exposures", "--start", str(checkpoint))
    # The number of threads changes the order of sums, and so the last digit.
    return (*source, "--steps", "3", *ONE_CORE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_checkpoint):
    """A train job J2 with halves that was run, its site, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        sites(folder, monkeypatch) as make,
    ):
        site = make()
        _add_halves(site)
        site.hooks["jobs.mark_running"] = lambda: (folder / "project/J2").chmod(0o2770)
        with redirect_stdout(io.StringIO()) as out:
            code = main(["cryosparc", "train", *train_words(tiny_checkpoint)])
        job = site.jobs["J2"]
        yield types.SimpleNamespace(site=site, job=job, code=code, out=out.getvalue())


@pytest.fixture
def add_halves():
    """Give the exposures of J1 halves, as Patch Motion writes them for training."""
    return _add_halves


def _add_halves(site, count=COUNT, images=(2,)):
    made = site.jobs["J1"].outputs["exposures"]
    slot = "micrograph_blob_non_dw_AB"
    fields = [(f"{slot}/{name}", kind) for name, kind in _site.BLOB]
    made.data = made.data.add_fields(fields)
    names = [name.replace(".mrc", "_AB.mrc") for name in micrograph_names(count)]
    made.data[f"{slot}/path"] = names
    made.slots.append(_site.Slot(slot, "micrograph_blob"))
    for seed, name in enumerate(names):
        write_raw(site.folder / name, 100 + seed, images=images)


@pytest.fixture
def fault(site):
    """Make something go wrong at the server."""

    def add(function, kind, **more):
        made = _site.Fault(function, kind, **more)
        site.faults.append(made)
        return made

    return add
