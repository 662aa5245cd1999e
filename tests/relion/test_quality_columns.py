"""RELION selects on our numbers, and loses none of its own columns by them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from relion_wrappers.micrographs_star import (
    MicrographsStar,
    denoised_star,
    read_micrographs,
)
from relion_wrappers.project import output_names
from relion_wrappers.quality_columns import QUALITY_COLUMNS, with_quality
from relion_wrappers.star_file import write_star

A, B = "MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/b.mrc"
NUMBERS = ["noise_level", "signal_to_noise", "residual_whiteness", "half_correlation"]
QUALITY = {
    A: dict(zip(NUMBERS, (12.5, 0.125, 0.75, 0.625), strict=True)),
    B: dict(zip(NUMBERS, (1e-5, 0.5, 0.9, -0.01), strict=True)),
}
LABELS = [
    "rlnStandardDeviationValue",
    "rlnSignalToNoiseRatio",
    "rlnParticleFigureOfMerit",
    "rlnFourierShellCorrelation",
]
PATH = os.pathsep.join(
    filter(None, [os.environ.get("RELION_BIN", ""), os.environ["PATH"]])
)


@pytest.fixture(params=["3.0", "3.1", "4.0", "5.0"])
def micrographs(
    request: pytest.FixtureRequest, tables: dict[str, str], tmp_path: Path
) -> MicrographsStar:
    path = tmp_path / "micrographs_ctf.star"
    path.write_text(tables[request.param])
    return read_micrographs(path)


def test_labels_are_the_ones_that_relion_knows_as_numbers() -> None:
    assert list(QUALITY_COLUMNS.values()) == LABELS


def test_numbers_follow_the_columns_of_the_input(micrographs: MicrographsStar) -> None:
    table = with_quality(micrographs, QUALITY).table
    before = list(micrographs.table.columns)
    assert list(table.columns) == before + LABELS
    assert table[before].equals(micrographs.table)
    assert table[LABELS].to_numpy().tolist() == [
        ["12.5", "0.125", "0.75", "0.625"],
        ["1e-05", "0.5", "0.9", "-0.01"],
    ]


def test_raw_name_stays_the_last_column(micrographs: MicrographsStar) -> None:
    star = denoised_star(with_quality(micrographs, QUALITY), {A: "a.mrc", B: "b.mrc"})
    columns = list(star.blocks[micrographs.block])
    assert columns[-5:] == [*LABELS, "rlnMicrographNameRaw"]


def test_missing_number_is_nan_and_a_column_without_any_is_left_out(
    micrographs: MicrographsStar,
) -> None:
    table = with_quality(micrographs, {A: {"noise_level": 2.0}, B: {}}).table
    assert list(table["rlnStandardDeviationValue"]) == ["2", "nan"]
    assert not {*LABELS[1:]} & {*table.columns}


def test_column_that_is_there_already_is_kept(micrographs: MicrographsStar) -> None:
    once = with_quality(micrographs, QUALITY)
    other = {name: {"noise_level": 7.0, "signal_to_noise": 7.0} for name in (A, B)}
    assert with_quality(once, other).table.equals(once.table)


needs_handler = pytest.mark.skipif(
    shutil.which("relion_star_handler", path=PATH) is None,
    reason="relion_star_handler is not on the PATH; install RELION or set RELION_BIN",
)


def selected(source: Path, label: str, smallest: str) -> Path:
    """The rows that RELION selects."""
    target = source.with_name("selected.star")
    words = ["--i", source, "--o", target, "--select", label, "--minval", smallest]
    subprocess.run(
        ["relion_star_handler", *words],
        env={**os.environ, "PATH": PATH},
        check=True,
        capture_output=True,
    )
    return target


@needs_handler
@pytest.mark.parametrize(
    ("label", "smallest", "kept"),
    [
        ("rlnStandardDeviationValue", "1", "a"),
        ("rlnSignalToNoiseRatio", "0.3", "b"),
        ("rlnParticleFigureOfMerit", "0.8", "b"),
        ("rlnFourierShellCorrelation", "0.5", "a"),
    ],
)
def test_relion_selects_on_each_number(
    tables: dict[str, str], tmp_path: Path, label: str, smallest: str, kept: str
) -> None:
    source = tmp_path / "all.star"
    source.write_text(tables["3.1"])
    measured = with_quality(read_micrographs(source), QUALITY)
    write_star(source, denoised_star(measured, {A: "a.mrc", B: "b.mrc"}))
    found = read_micrographs(selected(source, label, smallest))
    assert found.names == (f"{kept}.mrc",)
    assert {*found.table.columns} == {*read_micrographs(source).table.columns}


@pytest.mark.slow
@needs_handler
def test_a_hundred_thousand_micrographs_take_seconds_and_relion_reads_them(
    tables: dict[str, str], tmp_path: Path
) -> None:
    *head, first, _second, _end = tables["5.0"].splitlines()
    rows = [first.replace("a.mrc", f"{i:06d}.mrc") for i in range(100_000)]
    source, target = tmp_path / "in.star", tmp_path / "out.star"
    source.write_text("\n".join([*head, *rows]) + "\n")
    before = time.process_time()
    micrographs = read_micrographs(source)
    names = micrographs.names
    outputs = [f"External/job012/{place}" for place in output_names(names)]
    measured = with_quality(micrographs, dict.fromkeys(names, QUALITY[A]))
    denoised = denoised_star(measured, dict(zip(names, outputs, strict=True)))
    write_star(target, denoised)
    # About 5 s on one core of a laptop; what is quadratic takes hours.
    assert time.process_time() - before < 60
    last = target.read_text().strip().splitlines()[-1].split()
    assert last == [
        *(outputs[-1], *rows[-1].split()[1:]),
        *("12.5", "0.125", "0.75", "0.625", names[-1]),
    ]
    lines = selected(target, "rlnSignalToNoiseRatio", "0").read_text()
    assert lines.count("External/job012/") == 100_000
