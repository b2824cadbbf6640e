"""A − B and B − A get opposite signs, whatever the points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biosig.electrodes import canonical_orientation, locate

coordinates = st.one_of(
    st.floats(-2, 2),
    st.sampled_from([0.0, 0.1, 0.1 + 5e-7, 0.1 + 2e-6]),  # ties and near-ties are the hard part
)
points = arrays(np.float64, (8, 3), elements=coordinates)


@given(points, points)
def test_swapping_position_and_reference_turns_the_sign(a, b):
    there, back = canonical_orientation(a, b), canonical_orientation(b, a)
    one_point = (np.abs(a - b) <= 1e-6).all(axis=1)
    assert (there[~one_point] == -back[~one_point]).all()
    assert (there[one_point] == 1).all()


def test_rounding_to_float32_turns_nothing():
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V6", "MLII", "X", "Y", "Z"]
    a = np.array([locate(name, "ecg").position for name in names])
    b = np.array([locate(name, "ecg").reference for name in names])
    exact = canonical_orientation(a, b)
    assert (canonical_orientation(a.astype(np.float32), b.astype(np.float32)) == exact).all()
    assert exact[:6].tolist() == [1, 1, 1, -1, -1, 1]


def test_unknown_reference_stays_as_recorded():
    unknown = np.full((2, 3), np.nan)
    assert canonical_orientation(np.ones((2, 3)), unknown).tolist() == [1, 1]
    assert canonical_orientation(np.array([[0.0, -1.0, 0.0]]), np.array([[0.0, 1.0, np.nan]])).tolist() == [1]
    assert canonical_orientation(np.empty((0, 3)), np.empty((0, 3))).shape == (0,)
