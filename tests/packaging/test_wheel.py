"""What a user installs: the wheel, as it is built, in an environment of its own."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import cryoscore_plugin

ROOT = Path(__file__).parents[2]
PACKAGES = {"cryoscore_plugin", "relion_wrappers", "cryosparc_jobs"}
MOST_WEIGHTS = 8_000_000
"""Of each model, in bytes: they come with the package, so that nothing has to be fetched."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without asking any network."""
    folder = tmp_path_factory.mktemp("dist")
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def contents(wheel: Path) -> dict[str, int]:
    """Size in bytes of each file of the wheel, by its name."""
    with zipfile.ZipFile(wheel) as archive:
        return {item.filename: item.file_size for item in archive.infolist()}


@pytest.fixture(scope="module")
def metadata(wheel: Path, contents: dict[str, int]) -> str:
    """What the wheel says about itself."""
    [name] = [name for name in contents if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name).decode("utf-8")


@pytest.fixture(scope="module")
def commands(wheel: Path, contents: dict[str, int]) -> list[str]:
    """Names of the console scripts."""
    [name] = [n for n in contents if n.endswith(".dist-info/entry_points.txt")]
    parser = configparser.ConfigParser(delimiters=["="])
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(name).decode("utf-8"))
    return list(parser["console_scripts"])


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands in an empty environment that holds only this wheel.

    The libraries are those of this environment, found through a .pth file; that file
    sorts behind our packages, so the wheel's own code is what runs.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    words = ["-m", "pip", "--python", folder / "bin" / "python", "install"]
    words += ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, *words, wheel], check=True, capture_output=True)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run_elsewhere(words: list[object], folder: Path) -> str:
    """Standard output of a command run in another folder, which must exit with 0."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_exactly_three_packages(contents: dict[str, int]) -> None:
    top_level = {name.split("/")[0] for name in contents}
    assert {name for name in top_level if not name.endswith(".dist-info")} == PACKAGES


def test_every_source_file_is_in_the_wheel(contents: dict[str, int]) -> None:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES]
    listed = subprocess.run(
        words, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    present = {name for name in listed if (ROOT / name).exists()}
    assert present <= contents.keys()


def test_every_package_says_that_it_is_typed(contents: dict[str, int]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= contents.keys()


def test_the_wheel_holds_weights_of_a_bearable_size(contents: dict[str, int]) -> None:
    weights = {n: size for n, size in contents.items() if n.endswith(".safetensors")}
    assert weights
    assert all(name.startswith("cryoscore_plugin/weights/") for name in weights)
    assert max(weights.values()) <= MOST_WEIGHTS


def test_the_licence_is_named_and_comes_along(
    contents: dict[str, int], metadata: str
) -> None:
    assert "\nLicense-Expression: BSD-3-Clause\n" in metadata
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)


def test_the_wheel_has_the_version_of_the_package(metadata: str) -> None:
    assert f"\nVersion: {cryoscore_plugin.__version__}\n" in metadata


def test_every_command_answers_from_another_folder(
    installed: Path, commands: list[str], tmp_path: Path
) -> None:
    assert commands
    for command in commands:
        assert "Usage:" in run_elsewhere([installed / command, "--help"], tmp_path)


def test_no_command_contains_what_makes_relion_change_it(commands: list[str]) -> None:
    assert not [command for command in commands if "relion_" in command]


def test_the_commands_run_the_code_of_the_wheel(
    installed: Path, tmp_path: Path
) -> None:
    for package in PACKAGES:
        where = f"import {package}; print({package}.__file__)"
        path = run_elsewhere([installed / "python", "-c", where], tmp_path)
        assert Path(path).is_relative_to(installed.parent)


def test_the_installed_package_finds_its_models(
    installed: Path, tmp_path: Path
) -> None:
    output = run_elsewhere([installed / "cryoscore", "models", "list"], tmp_path)
    assert "particle" in output
    assert "faithful" in output
