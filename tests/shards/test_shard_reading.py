"""Opening a shard and reading windows takes what they need and no more, and refuses numbers that cannot be."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from biosig.errors import UnreadableError
from biosig.shards import ShardWriter, open_shards
from biosig.shards.reader import Shard


@pytest.fixture
def shard(tmp_path, ecg):
    gap = replace(ecg.streams[0], invalid=np.array([(2, 100, 200), (2, 300, 400), (11, 0, 5)]))
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        writer.add(replace(ecg, id="a", robust_scale={"ecg": 0.25}))
        writer.add(replace(ecg, id="b", streams=[gap], labels={"x": 1}))
    return tmp_path / "a.h5"


def test_a_loaders_window_parses_no_text_but_the_id(shard):
    opened = Shard(shard)
    window = opened.read_signals(0, 2.0, 4.0)
    assert set(opened.text) == {"id"}
    assert (window.id, dict(window.robust_scale)) == ("a", {"ecg": 0.25})
    whole = opened.read(0, 2.0, 4.0)
    assert set(opened.text) > {"id", "labels", "report"}
    assert np.array_equal(window.streams[0].samples, whole.streams[0].samples)
    assert opened.read_signals(1, 1.5, 1.0).streams[0].invalid.tolist() == [[2, 0, 50]]


def test_shards_of_the_same_channels_share_them(shard, ecg):
    with ShardWriter(shard.with_name("b.h5"), recipe={}) as writer:
        writer.add(ecg)
    one, other = (Shard(path).channel_sets[0] for path in (shard, shard.with_name("b.h5")))
    assert one is other
    assert repr(one) == repr(ecg.streams[0].channels)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("streams/invalid", np.array([(2, 100, 200), (12, 300, 400), (11, 0, 5)])),
        ("streams/invalid", np.array([(2, 100, 200), (2, 300, 1001), (11, 0, 5)])),
        ("streams/invalid", np.array([(-1, 100, 200), (2, 300, 400), (11, 0, 5)])),
        ("streams/sfreq", np.array([100.0, 0.0])),
        ("streams/sfreq", np.array([np.nan, 100.0])),
        ("streams/onset", np.array([0.0, np.inf])),
        ("streams/start", np.array([0, 2**62])),
        ("streams/channel_set", np.array([0, 7])),
        ("streams/n_times", np.array([[1000, 1000]])),
        ("streams/channel_stop", np.array([24, 12])),
    ],
)
def test_numbers_that_cannot_be_are_refused_when_the_shard_is_opened(shard, column, value):
    with h5py.File(shard, "r+", locking=False) as file:
        del file[column]
        file[column] = value
    with pytest.raises(UnreadableError, match=r"a\.h5 (contradicts itself|cannot be read)"):
        open_shards(shard)
