"""The audit catches planted faults, and passes an honest denoiser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoscore_plugin.evaluation.audit import Denoisers, audit_micrograph
from cryoscore_plugin.evaluation.audit_controls import (
    cut_views,
    decoy_views,
    drawn_halves,
    noise_like,
    with_random_phases,
)
from cryoscore_plugin.evaluation.audit_figures import average_at, lost, unconfirmed
from cryoscore_plugin.evaluation.audit_verdict import Finding, verdict
from cryoscore_plugin.evaluation.pickers import Picks
from cryoscore_plugin.guidance.view_making import view_of_ball
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.spectrum import power_spectrum

SIDE, DIAMETER = 192, 14.0


def discs(centers, strength):
    """Dark discs of 14 px."""
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    for y, x in centers:
        image[y, x] = 1
    y, x = np.mgrid[-7:8, -7:8]
    disc = (np.hypot(y, x) <= 7).astype(np.float32)
    return -strength * ndimage.convolve(image, disc, mode="wrap")


PLACES = [(30, 40), (90, 50), (60, 120), (150, 150), (140, 90), (30, 160)]


def noisy_discs(seed):
    noise = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE))
    pixels = (discs(PLACES, 4.0) + noise).astype(np.float32)
    return Micrograph(pixels=pixels, pixel_size=4.0)


@pytest.fixture
def micrograph():
    return noisy_discs(1)


@pytest.fixture
def halves():
    return noisy_discs(2), noisy_discs(3)


def smooth(micrograph):
    """An honest denoiser: what is strong after smoothing."""
    soft = ndimage.gaussian_filter(micrograph.pixels, 1)
    return replace(micrograph, pixels=np.where(soft < -2.5, soft, 0 * soft))


def sharpen(micrograph):
    """What is there, a little stronger, and nothing else."""
    return replace(micrograph, pixels=1.3 * smooth(micrograph).pixels)


def paste(micrograph):
    """The reference at four places of its own, whatever the input."""
    made_up = discs([(20, 90), (100, 100), (170, 60), (120, 20)], 4.0)
    return replace(micrograph, pixels=smooth(micrograph).pixels + made_up)


def without_right(micrograph):
    """Only the left of each particle, as a reference shows it that has no more."""
    left = discs(PLACES, 1.0) < 0
    x = np.indices((SIDE, SIDE))[1]
    for _, column in PLACES:
        left &= ~((x > column + 2) & (x < column + 9))
    return replace(micrograph, pixels=smooth(micrograph).pixels * left)


def alone(one, _):
    """A half, whatever the other one is."""
    return smooth(one)


def leaking(one, other):
    """A fifth of the other half gets into this one."""
    mixed = 0.8 * one.pixels + 0.2 * other.pixels
    return smooth(replace(one, pixels=mixed))


@pytest.fixture
def findings(micrograph, halves):
    def audit(**others):
        given = dict.fromkeys(("unguided", "guided", "decoy", "cut"), smooth)
        denoisers = Denoisers(**{**given, "half": alone, **others})
        found = audit_micrograph(
            micrograph, halves, denoisers, diameter=4 * DIAMETER, seed=3
        ).findings
        return {one.control: one for one in found}

    return audit


def failing(found):
    return {name for name, one in found.items() if not one.passes}


def test_a_denoiser_that_invents_nothing_passes(findings):
    found = findings()
    assert list(found) == ["noise", "phases", "decoy", "halves", "leak", "cut"]
    assert not failing(found)
    assert "The guided images pass" in verdict(list(found.values()))


def test_a_denoiser_that_pastes_its_reference_into_noise_fails(findings):
    found = findings(guided=paste)
    for control in ("noise", "phases"):
        assert found[control].amplitude > 0.3
        assert found[control].picks > 0.3
    # The other half has nothing there.
    assert found["halves"].amplitude > 0.1
    assert found["halves"].picks > 0.1
    assert found["decoy"].passes
    assert "FAIL: do not use them" in verdict(list(found.values()))


def test_without_the_reference_at_hand_there_is_no_decoy_and_no_cut(findings):
    found = findings(guided=paste, decoy=None, cut=None)
    assert list(found) == ["noise", "phases", "halves", "leak"]
    assert failing(found) == {"noise", "phases", "halves"}
    assert "Take the first model." in verdict(
        list(found.values()), advice="Take the first model."
    )


def test_one_that_finds_whatever_it_is_given_is_caught_by_the_decoy(findings):
    assert failing(findings(decoy=paste)) == {"decoy"}


def test_one_that_only_sharpens_is_caught_by_the_other_half(findings):
    found = findings(guided=sharpen)
    assert failing(found) == {"halves"}
    # Of 1.3 times the amplitude 0.3 / 1.3 is too much, less what chance may do.
    assert 0.1 < found["halves"].amplitude < 0.24
    assert found["halves"].picks == 0


def test_one_that_leaks_the_other_half_is_caught(findings):
    found = findings(half=leaking)
    assert failing(found) == {"leak"}
    assert "the two are not independent" in verdict(list(found.values()))


def test_one_that_shows_what_its_reference_has_and_no_more_is_caught(findings):
    found = findings(cut=without_right)
    assert failing(found) == {"cut"}
    assert found["cut"].amplitude == pytest.approx(1)
    assert "Of what the reference lacks, 0% is kept" in verdict(list(found.values()))


@pytest.mark.parametrize("kept", [0.0, 0.4, 1.0])
def test_the_lost_part_is_what_is_missing_there(kept):
    whole, left = discs(PLACES, 4.0), discs(PLACES, 4.0)
    left[:, 100:] *= kept
    # A guided image that shows more everywhere says where the missing part is.
    assert lost(whole, 1.5 * whole - 0.5 * left, left) == pytest.approx(
        1 - kept, abs=0.01
    )


def test_a_part_that_nobody_sees_is_not_lost(micrograph):
    noise = np.random.default_rng(5).normal(0, 1, (SIDE, SIDE)).astype(np.float32)
    assert lost(noise, micrograph.pixels, 0 * noise) == 0


def test_chance_is_no_fault(halves):
    first, second = halves
    rng = np.random.default_rng(7)
    faint = rng.normal(0, 0.02, (SIDE, SIDE)).astype(np.float32)
    shares = unconfirmed(
        smooth(first).pixels,
        smooth(first).pixels + faint,
        second.pixels,
        diameter=DIAMETER,
        pixel_size=4.0,
    )
    assert max(shares.amplitude, shares.picks) < 0.02


def test_drawn_halves_have_independent_noise_and_the_same_signal(micrograph):
    one, other = drawn_halves(micrograph, working_pixel_size=4.0, seed=1)
    signal = discs(PLACES, 4.0)
    noise = [half.pixels - signal for half in (one, other)]
    # White noise of deviation 1, and as much again.
    for image in noise:
        assert image.std() == pytest.approx(np.sqrt(2), rel=0.03)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03
    np.testing.assert_allclose(
        (one.pixels + other.pixels) / 2, micrograph.pixels, atol=1e-5
    )


def test_a_cut_reference_lacks_its_right_third():
    views = view_of_ball(120.0, resolution=20.0)
    cut = cut_views(views)
    middle = views.pictures.shape[-1] // 2
    parts = cut.pictures[0] / cut.pictures[0].max()
    before = views.pictures[0] / views.pictures[0].max()
    edge = middle + round(0.3 * views.diameter / views.pixel_size)
    assert float(parts[:, edge:].sum()) < 0.01 * float(before[:, edge:].sum())
    torch.testing.assert_close(parts[:, :middle], before[:, :middle], rtol=1e-2, atol=0)
    assert float(cut.pictures.norm()) == pytest.approx(1, rel=1e-4)


def test_the_average_of_equal_windows_is_that_window():
    image = discs([(50, 60), (100, 120)], 1.0)
    places = np.array([[50.0, 60.0], [100.0, 120.0], [1.0, 1.0]])
    picks = Picks(centers_yx=places, scores=np.zeros(3))
    # The third one does not lie inside.
    np.testing.assert_array_equal(
        average_at(image, picks, side=20), image[40:60, 50:70]
    )


def test_the_verdict_tells_the_worst_figures():
    found = [
        Finding(control="noise", amplitude=0.021, picks=0.0),
        Finding(control="phases", amplitude=0.004, picks=0.034),
    ]
    text = verdict(found)
    assert "2.1% of the amplitude (noise)" in text
    assert "3.4% of the picks (phases)" in text
    assert "pass" in text
    worse = replace(found[0], amplitude=0.051)
    assert "FAIL" in verdict([worse, found[1]])


def test_random_phases_keep_every_amplitude_and_the_mean(micrograph):
    image = micrograph.pixels + 7
    turned = with_random_phases(image, np.random.default_rng(0))
    np.testing.assert_allclose(turned.mean(), image.mean(), rtol=1e-4)
    before, after = (np.abs(np.fft.rfft2(one))[1:96, 1:96] for one in (image, turned))
    np.testing.assert_allclose(after, before, rtol=1e-2, atol=0.1)
    assert abs(np.corrcoef(image.ravel(), turned.ravel())[0, 1]) < 0.1


def test_noise_has_the_spectrum_of_the_micrograph_and_nothing_else(micrograph):
    image = micrograph.pixels + 7
    noise = noise_like(image, np.random.default_rng(0))
    # The mean of a ring of n coefficients of noise varies by 1 / sqrt(n / 2).
    before, after = (
        power_spectrum(torch.from_numpy(one - one.mean()))[20:90]
        for one in (image, noise)
    )
    np.testing.assert_allclose(after.mean(), before.mean(), rtol=0.05)
    assert noise.mean() == pytest.approx(7, abs=0.5)
    assert abs(np.corrcoef(image.ravel(), noise.ravel())[0, 1]) < 0.1


def test_a_decoy_is_as_strong_as_the_reference_and_looks_like_nothing():
    views = view_of_ball(120.0, resolution=20.0)
    decoy = decoy_views(views, seed=1)
    assert float(decoy.pictures.norm()) == pytest.approx(1, rel=1e-4)
    likeness = float((decoy.pictures * views.pictures).sum())
    assert abs(likeness) < 0.8
    assert not torch.equal(decoy.pictures, decoy_views(views, seed=2).pictures)
