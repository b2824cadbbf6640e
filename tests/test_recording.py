"""A stream says which of its samples are real values in two ways, and they agree."""

import numpy as np
import pytest

from biosig.recording import Channel, Stream


@pytest.mark.parametrize("scale", [1.0, -2.5])
def test_what_is_no_finite_number_is_no_real_value(scale):
    x = np.array([[1, np.inf, -np.inf, np.nan, 5, 6]], np.float32)
    stream = Stream(100.0, (Channel("II", "II", "ecg", "mV"),), x, np.array([scale]), np.array([3.0]), [(0, 4, 5)])
    physical = stream.physical()
    np.testing.assert_array_equal(np.isfinite(physical), stream.valid())
    assert not np.isinf(physical).any()
    assert np.isinf(x[0, 1])  # the source's own numbers stay
