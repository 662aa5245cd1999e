"""The public surface: sorted, complete, and quick to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cryoscore_plugin


def test_all_names_are_sorted_and_there():
    assert list(cryoscore_plugin.__all__) == sorted(cryoscore_plugin.__all__)
    for name in cryoscore_plugin.__all__:
        assert getattr(cryoscore_plugin, name).__name__ == name
    assert set(cryoscore_plugin.__all__) <= set(dir(cryoscore_plugin))


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(cryoscore_plugin.__file__).read_text(encoding="utf-8"))
    imported = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("cryoscore_plugin")
        for alias in node.names
    }
    expected = {
        name: f"cryoscore_plugin.{module}"
        for name, module in cryoscore_plugin._MODULES.items()
    }
    assert imported == expected
    assert sorted(imported) == list(cryoscore_plugin.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        cryoscore_plugin.nonsense  # noqa: B018


def test_import_brings_no_library():
    program = (
        "import sys; before = set(sys.modules); import cryoscore_plugin; "
        "print({'torch', 'numpy', 'pydantic', 'click'} & (set(sys.modules) - before))"
    )
    found = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert found == "set()\n"
