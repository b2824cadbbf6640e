"""Samples that come in parts of any size, and are taken back where a recording turns out to be damaged."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.shards import appendable_dataset as growing
from biosig.shards.appendable_dataset import GrowingSamples


@pytest.mark.parametrize("at_once", [1, 200, 2**20])
@given(parts=st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=12))
def test_what_is_kept_is_what_was_given(at_once, parts):
    kept = np.empty((2, 0), np.int16)
    given_samples = np.arange(2 * 90, dtype=np.int16).reshape(2, 90)
    with pytest.MonkeyPatch.context() as patch, h5py.File("x", "w", driver="core", backing_store=False) as file:
        patch.setattr(growing, "_AT_ONCE", at_once)
        samples = GrowingSamples(file, "x", np.dtype(np.int16), 2, 7, {})
        for number, (n_times, damaged) in enumerate(parts):
            part = given_samples[:, :n_times] + np.int16(number * 100)
            before = samples.position
            samples.append(part)
            if damaged:
                samples.rewind(before)
            else:
                kept = np.concatenate((kept, part), axis=1)
            part[:] = -1  # the caller's own again
        assert samples.position == kept.shape[1]
        samples.flush()
        assert np.array_equal(file["x"][:], kept)
