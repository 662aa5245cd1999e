"""Options made from the settings: each is there, and acts; YAML comes first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.mrc import read_header, read_labels, read_micrograph
from cryoscore_plugin.settings import DenoiseSettings


def denoised():
    return read_micrograph(Path("out/a.mrc"))


@pytest.fixture
def usual(raw, denoise):
    """The result of all defaults."""
    assert denoise(raw / "a.mrc").code == 0
    return denoised()


def test_every_setting_is_an_option_with_its_help_and_default(shell):
    text = " ".join(shell("denoise", "--help").out.split())
    for name, field in DenoiseSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert field.description in text
    assert "[default: particle]" in text
    assert "[default: no]" in text


def test_underscores_are_as_good_as_dashes(raw, denoise, usual):
    assert denoise(raw / "a.mrc", "--output_dtype", "float16").code == 0
    assert read_header(raw.parent / "out" / "a.mrc").dtype == np.float16
    assert read_header(raw.parent / "out" / "a.mrc").pixel_size == usual.pixel_size


def test_model_changes_the_output(raw, denoise, usual, tmp_path, tiny_checkpoint):
    from cryoscore_plugin.checkpoint import load_checkpoint, save_checkpoint

    tiny = load_checkpoint(tiny_checkpoint)
    halved = {name: 0.5 * tensor for name, tensor in tiny.tensors.items()}
    card = tiny.card.model_copy(update={"name": "halved"})
    digest = save_checkpoint(tmp_path / "halved.safetensors", halved, card)
    answer = denoise(raw / "a.mrc", "--model", tmp_path / "halved.safetensors")
    assert answer.code == 0
    assert not np.allclose(denoised().pixels, usual.pixels)
    assert f"model halved {digest[:12]}" in read_labels(tmp_path / "out" / "a.mrc")[0]


def test_pixel_size_changes_the_output(raw, denoise, usual):
    assert denoise(raw / "a.mrc", "--pixel-size", "2.5").code == 0
    assert denoised().pixel_size == pytest.approx(2.5)
    assert not np.allclose(denoised().pixels, usual.pixels)


def test_working_pixel_size_changes_the_output(raw, denoise, usual):
    assert denoise(raw / "a.mrc", "--working-pixel-size", "4").code == 0
    assert not np.allclose(denoised().pixels, usual.pixels)


def test_device_that_is_not_there_is_an_error(raw, denoise):
    answer = denoise(raw, "--device", "97")
    assert answer.code == 1
    assert "device is '97', but" in answer.err
    assert "--device cpu" in answer.err or "--device auto" in answer.err
    assert denoise(raw, "--device", "cpu").code == 0


def test_precision_changes_the_output_by_rounding(raw, denoise):
    assert denoise(raw / "a.mrc", "--precision", "float32").code == 0
    exact = denoised().pixels
    answer = denoise(raw / "a.mrc", "--precision", "bfloat16")
    assert "bfloat16" in answer.out
    rounded = denoised().pixels
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=0.1 * exact.std())


def test_threads_are_those_asked_for(raw, denoise):
    assert "CPU, 1 thread," in denoise(raw / "a.mrc", "--threads", "1").out
    answer = denoise(raw / "a.mrc", "--threads", "2", "--overwrite")
    assert "CPU, 2 threads," in answer.out


def test_tile_size_reaches_the_engine_and_changes_nothing(
    raw, denoise, usual, monkeypatch
):
    from cryoscore_plugin import denoiser

    seen = []
    engine = denoiser.Engine
    monkeypatch.setattr(
        denoiser,
        "Engine",
        lambda **options: seen.append(options["tile_size"]) or engine(**options),
    )
    answer = denoise(raw / "a.mrc", "--tile-size", "64", "--overwrite")
    assert (answer.code, seen) == (0, [64])
    tolerance = 1e-5 * usual.pixels.std()
    np.testing.assert_allclose(denoised().pixels, usual.pixels, atol=tolerance)


def test_output_dtype_changes_the_file(raw, denoise, usual):
    assert denoise(raw / "a.mrc", "--output-dtype", "float16").code == 0
    assert read_header(raw.parent / "out" / "a.mrc").dtype == np.float16
    np.testing.assert_allclose(denoised().pixels, usual.pixels, rtol=1e-3)


def test_write_binned_writes_at_the_working_pixel_size(raw, denoise):
    answer = denoise(raw / "a.mrc", "--write-binned", "--working-pixel-size", "6")
    assert answer.code == 0
    assert denoised().pixels.shape == (40, 48)
    assert denoised().pixel_size == pytest.approx(6, rel=0.01)
    assert "scale the coordinates" in answer.out


def test_halves_give_a_figure_and_are_no_micrographs_themselves(raw, denoise):
    assert "no table names them" in denoise("raw", "--halves").err
    # Two images of noise, as if they were the halves of a third.
    (raw / "b.mrc").rename(raw / "a_EVN.mrc")
    (raw / "c.mrc").rename(raw / "a_ODD.mrc")
    assert "Denoised 1 of 1 in" in denoise("raw", "--halves").out
    measured = " ".join(read_labels(Path("out/a.mrc")))
    [word] = [w for w in measured.split() if w.startswith("half_correlation=")]
    # Eleven rings of 450 coefficients in all: four standard errors of the mean.
    assert abs(float(word.partition("=")[2])) < 0.4


@pytest.mark.usefixtures("usual")
def test_overwrite_does_it_again(raw, denoise):
    assert "1 was finished before" in denoise(raw / "a.mrc").out
    assert "Denoised 1 of 1 in" in denoise(raw / "a.mrc", "--overwrite").out


def test_yaml_comes_first_and_the_command_line_counts_more(raw, denoise):
    (raw.parent / "s.yaml").write_text("pixel_size: 2.5\noutput_dtype: float16\n")
    assert denoise(raw / "a.mrc", "--settings", "s.yaml").code == 0
    assert denoised().pixel_size == pytest.approx(2.5)
    words = ("--settings", "s.yaml", "--output-dtype", "float32")
    assert denoise(raw / "a.mrc", *words).code == 0
    assert read_header(raw.parent / "out" / "a.mrc").dtype == np.float32
    (raw.parent / "s.yaml").write_text("overwrite: true\n")
    words = ("--settings", "s.yaml", "--no-overwrite", "--pixel-size", "2.5")
    assert "1 was finished before" in denoise(raw / "a.mrc", *words).out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tile: 3\n", "s.yaml: tile: Extra inputs are not permitted, but found 3"),
        ("- a\n", "s.yaml should hold lines of the form `name: value`"),
        ("a: [", "Cannot read the settings s.yaml"),
        (None, "Cannot read the settings s.yaml"),
    ],
)
def test_bad_yaml_is_refused_in_a_sentence(raw, denoise, text, sentence):
    if text is not None:
        (raw.parent / "s.yaml").write_text(text)
    answer = denoise(raw, "--settings", "s.yaml")
    assert answer.code == 2
    assert sentence in answer.err


def test_value_out_of_range_is_refused_in_a_sentence(raw, denoise):
    answer = denoise(raw, "--tile-size", "10")
    assert answer.code == 2
    assert "On the command line: tile_size: " in answer.err
    assert "greater than or equal to 64, but found 10" in answer.err
