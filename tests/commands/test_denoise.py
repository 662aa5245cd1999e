"""`cryoscore denoise` from end to end, with a tiny model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_labels, read_micrograph, write_stack

OUT = Path("out")


def names(folder=OUT):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def contents(folder=OUT):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def change(path, offset, *values, kind="<i4"):
    """Write other numbers into a file."""
    content = bytearray(path.read_bytes())
    new = np.array(values, kind).tobytes()
    content[offset : offset + len(new)] = new
    path.write_bytes(content)


def test_outputs_are_on_the_grid_and_grey_scale_of_the_inputs(raw, denoise):
    answer = denoise("raw/*.mrc")
    assert answer.code == 0
    assert names() == ["a.mrc", "b.mrc", "c.mrc"]
    for name in names():
        before, after = read_micrograph(raw / name), read_micrograph(OUT / name)
        assert mrcfile.validate(OUT / name)
        assert after.pixels.shape == before.pixels.shape
        assert after.pixel_size == before.pixel_size
        assert abs(after.pixels.mean() - before.pixels.mean()) < before.pixels.std()
        assert read_labels(OUT / name)[0].startswith(
            "cryoscore 0.1.0 denoised, model tiny"
        )
    assert "Denoised 3 of 3 in" in answer.out
    assert "Pick particles on out, and extract them from the raw" in answer.out
    assert answer.err == ""


def test_progress_is_a_plain_line_for_each_when_there_is_no_terminal(raw, denoise):
    lines = denoise(raw).out.splitlines()
    assert re.match(
        r"cryoscore 0\.1\.0: 3 micrographs, model tiny \w+ at 3 Å/px on CPU", lines[0]
    )
    for number, (name, line) in enumerate(zip("abc", lines[1:4], strict=True), 1):
        rest = ", ETA " if number < 3 else ""
        assert re.match(rf"\[{number}/3\] {name}\.mrc [\d.]+ (s|min).*{rest}", line)


def test_progress_is_a_bar_on_a_terminal(raw, denoise, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = denoise(raw).out
    assert "3/3" in out
    assert "%|" in out
    assert "[1/3]" not in out


def test_second_run_skips_and_changes_nothing(raw, denoise):
    denoise(raw)
    before = contents()
    answer = denoise(raw)
    assert answer.code == 0
    assert "[1/3] a.mrc was finished before\n" in answer.out
    assert "; 3 were finished before." in answer.out
    assert contents() == before


def test_folders_are_mirrored(raw, denoise):
    (raw / "day 2").mkdir()
    (raw / "a.mrc").rename(raw / "day 2" / "a.mrc")
    assert denoise("raw").code == 0
    assert names() == ["b.mrc", "c.mrc", "day 2/a.mrc"]


def test_equal_names_keep_their_folders_and_it_is_said(raw, denoise):
    (raw / "x").mkdir()
    (raw / "x" / "a.mrc").write_bytes((raw / "b.mrc").read_bytes())
    answer = denoise("raw/a.mrc", "raw/x/a.mrc")
    assert names() == ["a.mrc", "x/a.mrc"]
    assert "Warning: Some names occur in several folders" in answer.err


def test_stack_becomes_a_stack(raw, denoise):
    images = [read_micrograph(raw / f"{name}.mrc") for name in "abc"]
    write_stack(raw / "s.mrcs", images)
    assert denoise("raw/s.mrcs").code == 0
    assert denoise("raw/b.mrc").code == 0
    with mrcfile.open(OUT / "s.mrcs") as stack:
        assert stack.is_image_stack()
        np.testing.assert_allclose(
            stack.data[1], read_micrograph(OUT / "b.mrc").pixels, rtol=1e-5
        )
    assert "not for refinement" in read_labels(OUT / "s.mrcs")[2]


DAMAGE = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-9]), "b.mrc is truncated"),
    "empty": (lambda p: p.write_bytes(b""), r"b.mrc is empty \(0 bytes\)"),
    "text": (lambda p: p.write_text("hello\n" * 500), "It seems to be a text file"),
    "zero size": (lambda p: change(p, 0, 0), "b.mrc has zero size"),
    "NaN": (
        lambda p: change(p, 1024, *[np.nan] * 7680, kind="<f4"),
        "7680 of 7680 pixels are NaN",
    ),
    "volume": (lambda p: change(p, 0, 96, 8, 10), "holds 10 images: it is a volume"),
    "no pixel size": (lambda p: change(p, 28, 0, 0), "does not say its pixel size"),
    "constant": (lambda p: change(p, 1024, *[1.0] * 7680, kind="<f4"), "b.mrc"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_bad_micrograph_is_named_and_the_others_are_done(raw, denoise, kind):
    damage, sentence = DAMAGE[kind]
    damage(raw / "b.mrc")
    answer = denoise(raw)
    assert answer.code == 1
    assert names() == ["a.mrc", "c.mrc"]
    (failure,) = answer.err.splitlines()
    assert re.search(rf"^Failed: .*{sentence}", failure)
    assert "[2/3] b.mrc FAILED" in answer.out
    assert "; 1 FAILED." in answer.out


def test_pixel_size_by_hand_repairs_a_header_without(raw, denoise):
    change(raw / "b.mrc", 28, 0, 0)
    assert denoise(raw, "--pixel-size", "3").code == 0


def test_if_all_fail_nothing_is_advised(raw, denoise):
    (raw / "a.mrc").write_bytes(b"")
    answer = denoise("raw/a.mrc")
    assert answer.code == 1
    assert "Pick" not in answer.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing.mrc"], "Error: missing.mrc does not exist"),
        (["nothing/*.mrc"], "Error: No micrographs in nothing/*.mrc"),
        (["raw/a.mrc/x"], "Error: Cannot read raw/a.mrc/x: Not a directory"),
        (["raw", "--output", "raw"], "would overwrite the input raw/a.mrc"),
        (["raw", "--output", "out/../raw/."], "would overwrite the input raw/a.mrc"),
        (["raw", "--output", "raw/a.mrc"], "Error: "),
        (["raw", "--output", "raw/a.mrc/x"], "Cannot write in the folder raw/a.mrc/x"),
        (["raw", "--output", "/proc/x"], "Cannot write in the folder /proc/x"),
    ],
)
def test_impossible_input_or_output_is_refused_at_once(raw, denoise, words, sentence):
    before = contents(raw)
    answer = denoise(*words)
    assert answer.code == 1
    assert sentence in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not OUT.exists()
    assert contents(raw) == before


def test_bad_model_is_refused_in_a_sentence(raw, shell, tiny_checkpoint, tmp_path):
    whole = tiny_checkpoint.read_bytes()
    for name, content in {
        "corrupt": whole[:-5] + bytes(5),
        "cut": whole[:900],
        "foreign": b"\x80\x04pickle",
        "text": b"hello",
    }.items():
        model = tmp_path / f"{name}.safetensors"
        model.write_bytes(content)
        answer = shell("denoise", raw, "-o", "out", "--model", model)
        assert answer.code == 1
        assert f"Error: {model} should be a cryoscore model, but" in answer.err
    answer = shell("denoise", raw, "-o", "out", "--model", "nonsense")
    assert answer.code == 2
    assert "neither a packaged model nor a file" in answer.err
    assert names() == []


def test_denoised_micrograph_is_not_denoised_again(raw, denoise):
    denoise(raw)
    answer = denoise("out", "--output", "twice")
    assert answer.code == 1
    assert "was already denoised" in answer.err
    assert not names(Path("twice"))


def test_warning_is_told_once_and_counted(raw, denoise):
    answer = denoise(raw, "--working-pixel-size", "1.5")
    warnings = [line for line in answer.err.splitlines() if "binned less" in line]
    assert len(warnings) == 2
    assert warnings[0].startswith("Warning: a.mrc: The pixel size is 3")
    assert warnings[1].startswith("Warning: 3 micrographs: The pixel size is 3")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signal_leaves_no_half_file(raw, denoise, monkeypatch, number, code):
    real = Denoiser.denoise

    def interrupted(self, micrograph):
        if micrograph.source.name == "b.mrc":
            os.kill(os.getpid(), number)
        return real(self, micrograph)

    monkeypatch.setattr(Denoiser, "denoise", interrupted)
    answer = denoise(raw)
    assert answer.code == code
    assert "The same command goes on from here." in answer.err
    assert names() == ["a.mrc"]


KILLED = """
import os, signal, sys
from cryoscore_plugin.mrc import writing
real, count = writing.make_header, 0
def killed(*args, **options):
    # All pixels of the second output are in its temporary file, the header is not.
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)
writing.make_header = killed
from cryoscore_plugin.cli import main
main(sys.argv[1:])
"""


def test_killed_run_goes_on_and_ends_with_the_same_bytes(raw, denoise, tiny_checkpoint):
    # The number of threads changes the order of sums, and so the last bits.
    one = ("--threads", "1")
    words = ["denoise", "raw", "--output", "out", "--model", str(tiny_checkpoint), *one]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], check=False)
    assert killed.returncode == -signal.SIGKILL
    first, second = names()
    assert re.fullmatch(r"\.b\.mrc\.\d+@.+\.part", first)
    assert second == "a.mrc"
    answer = denoise(raw, *one)
    assert answer.code == 0
    assert "1 was finished before" in answer.out
    assert denoise(raw, "--output", "whole", *one).code == 0
    assert contents() == contents(Path("whole"))


STAR = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnMicrographPixelSize #3
1 group 3.3

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
raw/a.mrc 1
raw/gone.mrc 1
raw/c.mrc 1
"""


def test_table_gives_a_table_of_what_was_denoised(denoise):
    Path("mics.star").write_text(STAR)
    answer = denoise("mics.star")
    assert answer.code == 1
    assert names() == ["a.mrc", "c.mrc", "mics_denoised.star"]
    assert "raw/gone.mrc" in answer.err
    assert "or remove it from the table" in answer.err
    assert (
        "Pick particles on out/mics_denoised.star, and extract them from mics.star"
        in (answer.out)
    )
    table = (OUT / "mics_denoised.star").read_text()
    assert "out/a.mrc" in table
    assert "raw/c.mrc" in table
    assert "gone" not in table
    # The table says 3.3, the headers 3.0.
    assert (
        "Warning: a.mrc: The table says 3.3 Å/px, but the header 3 Å/px" in answer.err
    )
    assert read_micrograph(OUT / "a.mrc").pixel_size == pytest.approx(3.3)


def test_table_of_an_earlier_run_does_not_survive_a_failure(raw, denoise):
    Path("mics.star").write_text(STAR.replace("raw/gone.mrc 1\nraw/c.mrc 1\n", ""))
    assert denoise("mics.star").code == 0
    (raw / "a.mrc").write_bytes(b"")
    assert denoise("mics.star").code == 1
    assert names() == ["a.mrc"]


def test_no_table_is_written_for_binned_micrographs(denoise):
    Path("mics.star").write_text(STAR.replace("raw/gone.mrc 1\n", ""))
    answer = denoise("mics.star", "--write-binned")
    assert answer.code == 0
    assert names() == ["a.mrc", "c.mrc"]
    assert "no table is written for binned" in answer.err


def test_two_tables_of_one_name_are_refused(denoise):
    for folder in ("one", "two"):
        Path(folder).mkdir()
        Path(folder, "mics.star").write_text(STAR)
    answer = denoise("one/mics.star", "two/mics.star")
    assert answer.code == 1
    assert "Two tables would both become out/mics_denoised.star" in answer.err


def test_broken_table_is_refused_in_a_sentence(denoise):
    Path("mics.star").write_text("nonsense")
    answer = denoise("mics.star")
    assert answer.code == 1
    assert answer.err.startswith("Error: mics.star")


def test_grey_scale_follows_that_of_the_input(raw, denoise):
    before = read_micrograph(raw / "a.mrc")
    scaled = Micrograph(pixels=before.pixels * 7 - 300, pixel_size=3.0)
    write_stack(raw / "b.mrc", [scaled])
    # Where a processor computes in bfloat16, its rounding would differ between the two.
    denoise(raw, "--precision", "float32")
    first, second = (read_micrograph(OUT / name).pixels for name in ("a.mrc", "b.mrc"))
    np.testing.assert_allclose(second, first * 7 - 300, atol=1e-3 * first.std() * 7)
