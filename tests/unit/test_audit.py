"""The audit catches planted faults, and passes an honest denoiser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoscore_plugin.evaluation.audit import (
    Denoisers,
    Finding,
    audit_micrograph,
    decoy_views,
    noise_like,
    verdict,
    with_random_phases,
)
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


@pytest.fixture
def micrograph():
    rng = np.random.default_rng(1)
    particles = discs([(30, 40), (90, 50), (60, 120), (150, 150)], 4.0)
    noisy = particles + rng.normal(0, 1, particles.shape)
    return Micrograph(pixels=noisy.astype(np.float32), pixel_size=1.0)


def smooth(micrograph):
    """An honest denoiser: what is strong after smoothing."""
    soft = ndimage.gaussian_filter(micrograph.pixels, 2)
    return replace(micrograph, pixels=np.where(soft < -1.5, soft, 0 * soft))


def sharpen(micrograph):
    """What is there, a little stronger."""
    return replace(micrograph, pixels=1.3 * smooth(micrograph).pixels)


def paste(micrograph):
    """The reference at four places of its own, whatever the input."""
    made_up = discs([(20, 90), (100, 100), (170, 60), (130, 20)], 4.0)
    return replace(micrograph, pixels=smooth(micrograph).pixels + made_up)


def findings(micrograph, guided, decoy=smooth):
    denoisers = Denoisers(unguided=smooth, guided=guided, decoy=decoy)
    return audit_micrograph(micrograph, denoisers, diameter=DIAMETER, seed=3).findings


@pytest.mark.parametrize("honest", [smooth, sharpen])
def test_a_denoiser_that_invents_nothing_passes(micrograph, honest):
    found = findings(micrograph, honest)
    assert [one.control for one in found] == ["noise", "phases", "decoy"]
    assert all(one.passes for one in found)
    assert "The guided images pass" in verdict(found)


def test_a_denoiser_that_pastes_its_reference_into_noise_fails(micrograph):
    by_control = {one.control: one for one in findings(micrograph, paste)}
    for control in ("noise", "phases"):
        assert by_control[control].amplitude > 0.3
        assert by_control[control].picks > 0.3
    assert by_control["decoy"].passes
    assert "FAIL: do not use them" in verdict(list(by_control.values()))


def test_one_that_finds_whatever_it_is_given_is_caught_by_the_decoy(micrograph):
    by_control = {one.control: one for one in findings(micrograph, smooth, paste)}
    assert not by_control["decoy"].passes
    assert by_control["noise"].passes


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
