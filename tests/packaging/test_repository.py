"""The files around the code agree with it, and name nothing that others lack."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cryoscore_plugin

ROOT = Path(__file__).parents[2]

NOT_FOR_OTHERS = re.compile(
    # Written in pieces, so that this file does not find itself.
    "|".join(
        [
            "/" + "work/",
            "/" + "root/",
            "/" + r"tmp/\w",
            "/" + r"home/\w",
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "download\\." + r"pytorch\.org",
            "--(extra-)?index" + "-url",
        ]
    )
)


def tracked_files() -> list[Path]:
    """Every file that git knows and that still exists."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_change_log_and_citation_have_the_version_of_the_package() -> None:
    version = cryoscore_plugin.__version__
    headings = re.findall(
        r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert headings[0].rstrip(",") == version
    assert citation["version"] == version


def test_citation_and_package_have_one_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == project()["license"] == "BSD-3-Clause"


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture or a model
            continue
        found += [
            f"{path.relative_to(ROOT)}: {match.group()}"
            for match in NOT_FOR_OTHERS.finditer(text)
        ]
    assert found == []


def test_every_dependency_has_a_tested_version() -> None:
    constraints = [
        Requirement(line)
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all(str(item.specifier).startswith("==") for item in constraints)
    pinned = {canonicalize_name(c.name): c.specifier for c in constraints}
    extras: dict[str, list[str]] = project()["optional-dependencies"]
    wanted = [
        *project()["dependencies"],
        *(x for extra in extras.values() for x in extra),
    ]
    for requirement in map(Requirement, wanted):
        if (name := canonicalize_name(requirement.name)) != "cryoscore":
            [version] = pinned[name]
            assert version.version in requirement.specifier


def modules_with_exports() -> list[str]:
    """Every module of ours that has an `__all__`."""
    names = []
    for package in ("cryoscore_plugin", "relion_wrappers", "cryosparc_jobs"):
        for item in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            path = ROOT / item.name.replace(".", "/")
            path = path / "__init__.py" if item.ispkg else path.with_suffix(".py")
            if "__all__" in path.read_text():
                names.append(item.name)
    return names


@pytest.mark.parametrize("name", modules_with_exports())
def test_exports_are_sorted_and_exist(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__)
    assert all(hasattr(module, exported) for exported in module.__all__)


def test_every_module_says_what_it_is_for() -> None:
    for path in tracked_files():
        if path.suffix == ".py":
            assert ast.get_docstring(ast.parse(path.read_text())), path
