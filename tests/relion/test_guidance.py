"""What guidance needs of RELION: the defocus in its tables, and its reference field."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cryoscore_plugin.cli import cryoscore
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.optics import Optics
from relion_wrappers.micrographs_star import StarTable, read_micrographs

GROUPS = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnMicrographPixelSize #5
1 300 2.7 0.1 1.5
2 200 1.4 0.07 1.1
"""

ROWS = """
data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
a.mrc 1 21000 20000 30
b.mrc 2 9000 8000 -10
"""

OLD = """
data_

loop_
_rlnMicrographName #1
_rlnDefocusU #2
_rlnDefocusV #3
_rlnDefocusAngle #4
_rlnVoltage #5
_rlnSphericalAberration #6
_rlnAmplitudeContrast #7
_rlnPhaseShift #8
a.mrc 21000 20000 30 300 2.7 0.1 90
"""


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "micrographs.star"
        path.write_text(text)
        return path

    return write


def test_each_micrograph_has_its_defocus_and_the_optics_of_its_group(table):
    first, second = read_micrographs(table(GROUPS + ROWS)).optics
    assert first == Optics(
        defocus_u=21000.0,
        defocus_v=20000.0,
        defocus_angle=30.0,
        voltage=300.0,
        spherical_aberration=2.7,
        amplitude_contrast=0.1,
    )
    assert (second.voltage, second.spherical_aberration) == (200.0, 1.4)
    assert (second.defocus_u, second.amplitude_contrast) == (9000.0, 0.07)


def test_a_table_without_optics_groups_says_all_in_the_row(table):
    [optics] = read_micrographs(table(OLD)).optics
    assert (optics.voltage, optics.phase_shift) == (300.0, 90.0)


@pytest.mark.parametrize(
    ("there", "instead"),
    [("_rlnDefocusV", "_rlnOther"), ("21000", "nan"), ("_rlnVoltage", "_rlnOther")],
)
def test_what_the_table_does_not_say_is_not_guessed(table, there, instead):
    path = table((GROUPS + ROWS).replace(there, instead))
    assert StarTable.read(path)[0].optics is None


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Settings that `cryoscore relion denoise` would work with."""
    from relion_wrappers import denoise

    monkeypatch.chdir(tmp_path)
    taken = []

    def stand_in(_job, _in_mics, settings, **_rest):
        taken.append(settings)

    monkeypatch.setattr(denoise, "denoise_table", stand_in)

    def run(*words):
        Path("External/job001").mkdir(parents=True, exist_ok=True)
        fixed = ("relion", "denoise", "--o", "External/job001/", "--in_mics", "m.star")
        result = CliRunner().invoke(cryoscore, [*fixed, *words])
        if isinstance(result.exception, ConfigError):
            raise result.exception
        return taken[-1]

    return run


def test_the_field_for_a_reference_is_the_setting(asked):
    settings = asked("--in_3dref", "r.safetensors", "--guidance", "0.5", "--j", "1")
    assert (settings.reference, settings.guidance) == ("r.safetensors", 0.5)
    assert asked("--j", "1").reference is None
    with pytest.raises(ConfigError, match="Give one of them"):
        asked("--in_3dref", "r.safetensors", "--reference", "other")
