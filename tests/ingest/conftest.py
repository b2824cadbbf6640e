import numpy as np
import pytest
from vendor_files import write_edf


@pytest.fixture
def edf_writer():
    return write_edf


@pytest.fixture
def ramp():
    """Integers that use the whole range of a format."""

    def make(n: int, bits: int = 16, seed: int = 0):
        limits = (-(2 ** (bits - 1)), 2 ** (bits - 1))
        x = np.random.default_rng(seed).integers(*limits, n)
        x[:2] = limits[0], limits[1] - 1
        return x

    return make
