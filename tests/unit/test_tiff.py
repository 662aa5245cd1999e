"""TIFF files: read like MRC files, bottom row first."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.mrc import read_micrograph

tifffile = pytest.importorskip("tifffile")

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd"])
def test_first_row_becomes_the_last(tmp_path, compression):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, PIXELS, compression=compression)
    image = read_micrograph(path, pixel_size=1.5)
    np.testing.assert_array_equal(image.pixels, PIXELS[::-1])
    assert image.pixels.dtype == np.float32


@pytest.mark.parametrize(("unit", "per_unit"), [("CENTIMETER", 1e8), ("INCH", 2.54e8)])
def test_resolution_tag_is_the_pixel_size(tmp_path, unit, per_unit):
    path = tmp_path / "x.tiff"
    resolution = (round(per_unit / 1.25), 1)
    tifffile.imwrite(path, PIXELS, resolution=(resolution,) * 2, resolutionunit=unit)
    assert read_micrograph(path).pixel_size == pytest.approx(1.25)


def test_72_dots_per_inch_are_no_pixel_size(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, PIXELS, resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(MicrographError, match="--pixel-size"):
        read_micrograph(path)


@pytest.mark.parametrize(
    ("array", "options", "sentence"),
    [
        (np.zeros((5, 4, 4), "u1"), {"photometric": "minisblack"}, "5 images.*movie"),
        (np.zeros((4, 4, 3), "u1"), {"photometric": "rgb"}, "not a grey image"),
    ],
)
def test_what_is_no_micrograph_is_refused(tmp_path, array, options, sentence):
    tifffile.imwrite(tmp_path / "x.tif", array, **options)
    with pytest.raises(MicrographError, match=sentence):
        read_micrograph(tmp_path / "x.tif", pixel_size=1.0)


@pytest.mark.parametrize("keep", [0, 4, 30, -8])
def test_damaged_tiff_is_refused(tmp_path, keep):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, PIXELS, compression="lzw")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(MicrographError, match="cannot be read as TIFF"):
        read_micrograph(path, pixel_size=1.0)


def test_without_tifffile_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(MicrographError, match=r"pip install 'cryoscore\[tiff\]'"):
        read_micrograph(tmp_path / "x.tif", pixel_size=1.0)
