"""Numbers in a header come back as they went in, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.batch.measured import measured_in, measured_labels

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=30)
VALUES = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_numbers_come_back_with_six_digits(quality: dict[str, float]) -> None:
    labels = measured_labels(quality)
    assert all(len(label) <= 80 for label in labels)
    assert measured_in(labels) == pytest.approx(quality, rel=1e-5)


def test_the_numbers_of_a_micrograph_take_three_of_ten_labels() -> None:
    quality = {
        "noise_level": 1.23456789e-05,
        "noise_variation": 0.0312345,
        "clipped_fraction": 1.23456e-05,
        "signal_to_noise": 0.123456,
        "residual_whiteness": 0.987654,
    }
    assert measured_labels(quality) == [
        "cryoscore measured noise_level=1.23457e-05 noise_variation=0.0312345",
        "cryoscore measured clipped_fraction=1.23456e-05 signal_to_noise=0.123456",
        "cryoscore measured residual_whiteness=0.987654",
    ]


def test_other_labels_and_numbers_that_are_none_are_passed_over() -> None:
    labels = ["cryoscore 0.1.0 denoised, model m", "noise_level=3", ""]
    cut = ["cryoscore measured noise_level=2 signal_to_noise=nan residual_whi"]
    assert measured_in(labels) == {}
    assert measured_in(labels + cut) == {"noise_level": 2.0}
