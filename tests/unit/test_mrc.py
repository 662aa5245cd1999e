"""MRC files: what is read and written, judged by mrcfile and gemmi."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mrcfile.dtypes import HEADER_DTYPE

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.files import remove_leftovers
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import (
    iterate_stack,
    read_header,
    read_labels,
    read_micrograph,
    read_stack,
    write_micrograph,
    write_stack,
)

MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def numbers(shape, name="f4", seed=0):
    values = np.random.default_rng(seed).normal(30, 10, size=shape)
    return values.round().clip(0, 120).astype(name)


def write_with_mrcfile(
    path, data, *, pixel_size=1.5, order="<", extended=b"", **fields
):
    """A file as another program writes it; `order` turns all of it into big-endian."""
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        file.voxel_size = pixel_size
        if extended:
            file.set_extended_header(np.frombuffer(extended, "V1"))
            file.header.exttyp = b"FEI1"
        for name, value in fields.items():
            file.header[name] = value
    if order == ">":
        raw = path.read_bytes()
        header = np.frombuffer(raw[:1024], HEADER_DTYPE)
        swapped = header.astype(HEADER_DTYPE.newbyteorder(">"))
        swapped["machst"] = (0x11, 0x11, 0, 0)
        pixels = np.frombuffer(raw[1024 + len(extended) :], data.dtype)
        path.write_bytes(
            swapped.tobytes()
            + extended
            + pixels.astype(data.dtype.newbyteorder(">")).tobytes()
        )
    return path


def micrograph(shape=(6, 9), **changes):
    values = {"pixels": numbers(shape), "pixel_size": 1.25}
    return Micrograph(**(values | changes))


@given(
    mode=st.sampled_from(sorted(MODES)),
    order=st.sampled_from("<>"),
    extended=st.sampled_from([b"", b"x" * 80, b"y" * 1024]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    pixel_size=st.floats(0.2, 12),
)
def test_reading_agrees_with_mrcfile(
    tmp_path_factory, mode, order, extended, shape, pixel_size
):
    path = tmp_path_factory.mktemp("mrc") / "x.mrc"
    data = numbers(shape, MODES[mode])
    write_with_mrcfile(
        path, data, order=order, extended=extended, pixel_size=pixel_size
    )
    ours = read_micrograph(path)
    with mrcfile.open(path) as theirs:
        np.testing.assert_array_equal(ours.pixels, theirs.data.astype(np.float32))
        assert ours.pixel_size == pytest.approx(float(theirs.voxel_size.x), rel=1e-6)
    assert ours.pixels.dtype.isnative
    assert ours.pixels.flags.writeable
    assert read_header(path).file_size == path.stat().st_size


@pytest.mark.parametrize(
    ("suffix", "squeeze"), [(".gz", gzip.compress), (".bz2", bz2.compress)]
)
def test_compressed_file_reads_like_the_plain_one(tmp_path, suffix, squeeze):
    plain = write_with_mrcfile(tmp_path / "x.mrc", numbers((5, 7)), extended=b"e" * 40)
    packed = tmp_path / f"x.mrc{suffix}"
    packed.write_bytes(squeeze(plain.read_bytes()))
    np.testing.assert_array_equal(
        read_micrograph(packed).pixels, read_micrograph(plain).pixels
    )


def test_bytes_of_imod_are_unsigned_unless_flagged(tmp_path):
    path = write_with_mrcfile(tmp_path / "x.mrc", np.array([[-1, 5]], "i1"))
    assert read_micrograph(path).pixels.tolist() == [[-1, 5]]
    raw = bytearray(path.read_bytes())
    raw[152:160] = np.array([1146047817, 0], "<i4").tobytes()
    path.write_bytes(raw)
    assert read_micrograph(path).pixels.tolist() == [[255, 5]]
    raw[156] = 1
    path.write_bytes(raw)
    assert read_micrograph(path).pixels.tolist() == [[-1, 5]]


def test_file_of_an_old_program_without_stamps_is_read(tmp_path):
    for order in "<>":
        path = write_with_mrcfile(tmp_path / "x.mrc", numbers((4, 5)), order=order)
        raw = bytearray(path.read_bytes())
        raw[208:216] = bytes(8)
        path.write_bytes(raw)
        np.testing.assert_array_equal(read_micrograph(path).pixels, numbers((4, 5)))


@given(
    # Small, because the validator adds up squares of float16 pixels in float16.
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    pixel_size=st.floats(0.2, 12),
    dtype=st.sampled_from(["float32", "float16"]),
    place=st.fixed_dictionaries(
        {
            "axes": st.permutations([1, 2, 3]).map(tuple),
            "origin": st.tuples(*[st.integers(-500, 500).map(float)] * 3),
            "start": st.tuples(*[st.integers(-500, 500)] * 3),
        }
    ),
)
def test_written_file_is_valid_and_reads_back(
    tmp_path_factory, shape, pixel_size, dtype, place
):
    path = tmp_path_factory.mktemp("mrc") / "x.mrc"
    before = micrograph(shape, pixel_size=pixel_size, **place)
    write_micrograph(path, before, dtype=dtype, labels=["one", "two"])
    report = io.StringIO()
    assert mrcfile.validate(path, print_file=report), report.getvalue()
    after = read_micrograph(path)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert after.pixel_size == pytest.approx(pixel_size, rel=1e-6)
    assert {name: getattr(after, name) for name in place} == place
    assert read_labels(path) == ["one", "two"]
    assert read_header(path).file_size == path.stat().st_size


def test_header_statistics_are_those_of_the_pixels(tmp_path):
    pixels = np.random.default_rng(1).normal(6800, 3, (1100, 1000)).astype(np.float32)
    write_micrograph(tmp_path / "x.mrc", micrograph(pixels=pixels))
    with mrcfile.open(tmp_path / "x.mrc") as file:
        header = file.header
        assert (header.dmin, header.dmax) == (pixels.min(), pixels.max())
        assert header.dmean == pytest.approx(pixels.mean(dtype="f8"), rel=1e-6)
        assert header.rms == pytest.approx(pixels.std(dtype="f8"), rel=1e-5)


def test_gemmi_reads_the_same_pixels_and_pixel_size(tmp_path):
    before = micrograph((6, 9), pixel_size=1.25)
    write_micrograph(tmp_path / "x.mrc", before)
    grid = gemmi.read_ccp4_map(str(tmp_path / "x.mrc")).grid
    np.testing.assert_array_equal(np.array(grid)[:, :, 0].T, before.pixels)
    assert grid.unit_cell.a / grid.nu == pytest.approx(1.25)
    assert grid.unit_cell.b / grid.nv == pytest.approx(1.25)


def test_same_micrograph_gives_the_same_bytes(tmp_path):
    write_micrograph(tmp_path / "a.mrc", micrograph(), labels=["ours"])
    write_micrograph(tmp_path / "b.mrc", micrograph(), labels=["ours"])
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()
    with mrcfile.open(tmp_path / "a.mrc") as file:
        # The library's own writer would add a label with the time.
        assert file.get_labels() == ["ours"]


def test_float16_halves_the_file_and_refuses_what_it_cannot_hold(tmp_path):
    write_micrograph(tmp_path / "a.mrc", micrograph(), dtype="float16")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.data.dtype == np.float16
    bright = micrograph(pixels=np.full((4, 4), 65505, np.float32))
    with pytest.raises(MicrographError, match=r"one of 65505.*--output-dtype float32"):
        write_micrograph(tmp_path / "b.mrc", bright, dtype="float16")
    assert [one.name for one in tmp_path.iterdir()] == ["a.mrc"]


def test_stack_reads_back_image_by_image(tmp_path):
    path = tmp_path / "x.mrcs"
    images = [micrograph(pixels=numbers((5, 4), seed=seed)) for seed in range(3)]
    write_stack(path, iter(images), labels=["stack"])
    assert mrcfile.validate(path, print_file=io.StringIO())
    with mrcfile.open(path) as file:
        assert file.is_image_stack()
        np.testing.assert_array_equal(file.data, [one.pixels for one in images])
        assert file.voxel_size.x == pytest.approx(1.25)
    for before, after in zip(images, read_stack(path), strict=True):
        np.testing.assert_array_equal(after.pixels, before.pixels)
    assert next(iterate_stack(path, pixel_size=3.0)).pixel_size == 3.0


def test_stack_of_unequal_images_is_refused(tmp_path):
    with pytest.raises(MicrographError, match=r"one size.*\(5, 4\).*\(4, 4\)"):
        write_stack(tmp_path / "x.mrcs", [micrograph((5, 4)), micrograph((4, 4))])
    with pytest.raises(MicrographError, match="no image"):
        write_stack(tmp_path / "x.mrcs", [])
    assert list(tmp_path.iterdir()) == []


def test_given_pixel_size_counts_more_than_the_header(tmp_path):
    path = write_with_mrcfile(tmp_path / "x.mrc", numbers((5, 4)), pixel_size=1.5)
    assert read_micrograph(path, pixel_size=2.5).pixel_size == 2.5


def damaged(tmp_path: Path) -> dict[str, Path]:
    """A file for each kind of damage."""
    good = write_with_mrcfile(tmp_path / "good.mrc", numbers((8, 8))).read_bytes()

    def variant(name, content):
        path = tmp_path / f"{name}.mrc"
        path.write_bytes(content)
        return path

    def field(offset, *values, kind="<i4"):
        raw = bytearray(good)
        new = np.array(values, kind).tobytes()
        raw[offset : offset + len(new)] = new
        return bytes(raw)

    nan = np.full((8, 8), np.nan, np.float32).tobytes()
    return {
        "truncated": variant("truncated", good[:-10]),
        "short": variant("short", good[:500]),
        "empty": variant("empty", b""),
        "text": variant("text", b"# a table of micrographs\n" * 80),
        "zeros": variant("zeros", bytes(4096)),
        "no columns": variant("columns", field(0, 0)),
        "negative": variant("negative", field(0, -8)),
        "huge": variant("huge", field(0, 2**31 - 1, 2**31 - 1)),
        "NaN": variant("nan", good[:1024] + nan),
        "volume": variant("volume", field(8, 8) + bytes(8 * 8 * 4 * 7)),
        "no pixel size": variant("nosize", field(28, 0, 0, 0)),
        "no cell": variant("nocell", field(40, 0, 0, 0, kind="<f4")),
        "not square": variant("oblong", field(40, 8, 12, 1, kind="<f4")),
        "complex": variant("complex", field(12, 4)),
        "4 bits": variant("bits", field(12, 101)),
        "extended": variant("extended", field(92, 10_000)),
        "truncated gzip": variant("gzip", gzip.compress(good)[:-20]),
        "broken bzip2": variant("bzip2", b"BZh9" + good),
        "folder": tmp_path,
        "missing": tmp_path / "missing.mrc",
        "below a file": tmp_path / "good.mrc" / "x.mrc",
    }


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("truncated", r"truncated.*should have 256 bytes, but only 246"),
        ("short", "has only 500 bytes.*not written completely"),
        ("empty", r"is empty \(0 bytes\)"),
        ("text", "is not an MRC file.*text file"),
        ("zeros", "zero size"),
        ("no columns", r"zero size \(0 x 8 px"),
        ("negative", "header makes no sense"),
        ("huge", "truncated"),
        ("NaN", "64 of 64 pixels are NaN"),
        ("volume", r"volume or a movie.*2D.*\.mrcs.*motion-corrected first"),
        ("no pixel size", "does not say its pixel size.*--pixel-size"),
        ("no cell", "does not say its pixel size.*--pixel-size"),
        ("not square", "not square.*--pixel-size"),
        ("complex", "mode 4: complex.*Fourier"),
        ("4 bits", "movie"),
        ("extended", "truncated"),
        ("truncated gzip", "is damaged.*copy it again"),
        ("broken bzip2", "cannot be read"),
        ("folder", "cannot be read: Is a directory"),
        ("missing", "does not exist"),
        ("below a file", "cannot be read: Not a directory"),
    ],
)
def test_damaged_file_is_refused_in_a_sentence(tmp_path, kind, sentence):
    path = damaged(tmp_path)[kind]
    with pytest.raises(MicrographError, match=sentence) as caught:
        read_micrograph(path)
    assert str(caught.value).startswith(str(path))


def test_given_pixel_size_makes_a_file_without_one_readable(tmp_path):
    files = damaged(tmp_path)
    for kind in ("no pixel size", "no cell", "not square"):
        assert read_micrograph(files[kind], pixel_size=2.0).pixel_size == 2.0


def test_truncated_stack_fails_at_the_image_it_breaks_in(tmp_path):
    path = tmp_path / "x.mrcs"
    write_stack(path, [micrograph((4, 4))] * 3)
    path.write_bytes(path.read_bytes()[:-70])
    images = iterate_stack(path)
    next(images)
    with pytest.raises(MicrographError, match=r"image 2 of 3.*only 58 are there"):
        next(images)


def test_failed_writing_leaves_no_file(tmp_path):
    def images():
        yield micrograph()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_stack(tmp_path / "x.mrcs", images())
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    program = "import os; print(os.getpid())"
    dead = int(subprocess.check_output([sys.executable, "-c", program]))
    here = socket.gethostname()
    leftover = tmp_path / f".x.mrc.{dead}@{here}.part"
    others = [
        tmp_path / f".y.mrc.{dead}@{here}.part",
        tmp_path / f".x.mrc.1@{here}.part",
    ]
    for path in (leftover, *others):
        path.write_bytes(b"half")
    remove_leftovers([tmp_path / "x.mrc", tmp_path / "nowhere" / "z.mrc"])
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_leftover_of_another_computer_is_kept_for_a_day(tmp_path):
    path = tmp_path / ".x.mrc.999999999@elsewhere.part"
    path.write_bytes(b"half")
    remove_leftovers([tmp_path / "x.mrc"])
    assert path.exists()
    os.utime(path, (0, 0))
    remove_leftovers([tmp_path / "x.mrc"])
    assert not path.exists()
