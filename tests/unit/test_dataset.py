"""Angles of simulated particles are those of the 3DEM convention."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cryoscore_plugin.simulation.dataset import euler_angles

ANGLES = st.floats(-179, 179)


@given(rot=ANGLES, tilt=st.floats(1, 179), psi=ANGLES)
def test_angles_turn_the_axes_one_after_the_other(
    rot: float, tilt: float, psi: float
) -> None:
    """Of the particle: about z, about the new y, about the new z."""
    axes = Rotation.from_euler("ZYZ", [rot, tilt, psi], degrees=True)
    found = euler_angles(axes.inv())  # coordinates turn against the axes
    assert found == pytest.approx((rot, tilt, psi), abs=1e-6)


def test_untilted_particle_is_seen_from_above() -> None:
    turned = Rotation.from_euler("z", -30, degrees=True)
    with pytest.warns(UserWarning, match="Gimbal lock"):
        rot, tilt, psi = euler_angles(turned)
    assert tilt == pytest.approx(0, abs=1e-6)
    assert np.isclose(rot + psi, 30)
