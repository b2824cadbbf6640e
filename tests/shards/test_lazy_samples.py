"""Samples that stay in a file: the same shard, the same hashes, and nothing left of a recording that breaks midway."""

from dataclasses import replace

import numpy as np
import pytest

import biosig.recording as recording_module
from biosig.content_hash import content_hash
from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.shards import ShardWriter, build_index, open_shards
from biosig.shards.spec import checksum
from biosig.shards.verify import check_shards


class InParts(LazySamples):
    """Samples of an array, handed out as if from a file that may end early."""

    def __init__(self, samples, readable=None):
        super().__init__(samples.shape, samples.dtype)
        self.samples, self.largest = samples, 0
        self.readable = samples.shape[1] if readable is None else readable

    def read(self, start, stop):
        self.largest = max(self.largest, stop - start)
        if stop > self.readable:
            raise UnreadableError("the file ends early.")
        return self.samples[:, start:stop].copy()


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(recording_module.Stream.blocks, "__defaults__", (100_000,))


def lazy(recording, **options):
    streams = [replace(s, samples=InParts(s.samples, **options)) for s in recording.streams]
    return replace(recording, streams=streams)


def test_a_lazy_recording_is_stored_as_the_one_in_memory(eeg, tmp_path, small_blocks):
    late = lazy(eeg)
    assert content_hash(late.streams) == eeg.content_hash
    assert checksum(late) == checksum(eeg)
    for name, recording in (("a", eeg), ("b", late)):
        (tmp_path / name).mkdir()
        with ShardWriter(tmp_path / name / "0.h5", {}) as writer:
            writer.add(recording)
        build_index(tmp_path / name)
        assert check_shards(tmp_path / name).problems == []
    assert (tmp_path / "a" / "0.h5").read_bytes() == (tmp_path / "b" / "0.h5").read_bytes()
    assert late.streams[0].samples.largest <= 100_000 // (2 * eeg.streams[0].n_chans)
    (stored,) = open_shards(tmp_path / "b")
    back = stored.read(lazy=True)
    assert isinstance(back.streams[0].samples, LazySamples)
    np.testing.assert_array_equal(back.streams[0].samples[:, 37:1037], eeg.streams[0].samples[:, 37:1037])
    np.testing.assert_array_equal(back.load().streams[0].samples, eeg.streams[0].samples)


def test_slices_rows_and_picks_of_lazy_samples(eeg):
    samples = eeg.streams[0].samples
    late = InParts(samples)
    np.testing.assert_array_equal(late[3], samples[3])
    np.testing.assert_array_equal(late[[5, 2], 10:20], samples[[5, 2], 10:20])
    np.testing.assert_array_equal(late[:, -7:], samples[:, -7:])
    np.testing.assert_array_equal(late[:, ::5], samples[:, ::5])
    assert late.pick([4, 0]).shape == (2, samples.shape[1])
    np.testing.assert_array_equal(np.asarray(late.pick([4, 0])), samples[[4, 0]])


@pytest.mark.parametrize("readable", [0, 700, 9_999])
def test_a_recording_that_breaks_midway_leaves_nothing(ecg, eeg, tmp_path, small_blocks, readable):
    twice = replace(eeg, id="again")
    with ShardWriter(tmp_path / "0.h5", {}) as writer:
        writer.add(eeg)
        with pytest.raises(UnreadableError, match="ends early"):
            writer.add(lazy(replace(eeg, id="broken"), readable=readable))
        writer.add(ecg)
        writer.add(twice)
    build_index(tmp_path)
    assert check_shards(tmp_path).problems == []
    stored = open_shards(tmp_path)
    assert [r.id for r in stored] == [eeg.id, ecg.id, "again"]
    for recording, back in zip((eeg, ecg, twice), stored, strict=True):
        np.testing.assert_array_equal(back.read().streams[0].samples, recording.streams[0].samples)
