"""Simulated recordings as shards: what pretraining mixes in, the same on every machine."""

import numpy as np
import pytest

from biosig import simulate
from biosig.cli.simulate import simulate as verb
from biosig.errors import UsageError
from biosig.shards.dataset import open_shards


def test_shards_hold_what_the_simulation_gives_each_of_a_person_of_its_own(tmp_path):
    verb("ppg", out=tmp_path / "out", n=3, seconds=8.0, seed=5)
    ds = open_shards(tmp_path / "out")
    table = ds.to_pandas()
    assert table["subject"].nunique() == len(table) == 3
    recording, truth = simulate.ppg(6, seconds=8.0)
    stored = ds[table["recording"].tolist().index("simulated-ppg-6")].read()
    np.testing.assert_allclose(stored.streams[0].physical(), recording.streams[0].physical(), atol=1e-5)
    assert stored.labels["rate"] == pytest.approx(truth.rate)
    assert set(stored.robust_scale) == {"ppg"}


def test_a_folder_that_is_there_and_no_recordings_are_refused(tmp_path):
    with pytest.raises(UsageError, match="exists: give another folder with --out"):
        verb("ecg", out=tmp_path)
    with pytest.raises(UsageError, match="n is 0: give 1 or more"):
        verb("ecg", out=tmp_path / "out", n=0)
