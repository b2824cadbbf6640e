"""Euclidean alignment of real EEG: one covariance for all people, the power that it was, gaps that stay gaps."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig.batches.alignment import BAND, aligned, mixing
from biosig.batches.contract import prepare
from biosig.batches.mapped_recordings import altered, original
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.data.picked_channels import pick_channels
from biosig.embedding import embed_windows
from biosig.errors import DataError, UsageError
from biosig.recording import UNKNOWN
from biosig.signal import bandpass


def _someone(eeg, name, first, seconds=40.0, n=6):
    """A part of the recording with some electrodes of its own, as another person's with the names of the first."""
    stream = eeg.streams[0].pick(list(range(first, first + n)))
    pairs = zip(stream.channels, eeg.streams[0].channels[:n], strict=True)
    named = [replace(channel, name=other.name, position=other.position) for channel, other in pairs]
    return replace(eeg, id=name, streams=[replace(stream, channels=tuple(named))], subject=biosig.Subject(name)).crop(
        0.0, seconds
    )


@pytest.fixture(scope="module")
def people(eeg):
    """Two people with the same electrodes and other covariances."""
    return RecordingList([_someone(eeg, "one", 0), _someone(eeg, "two", 12)])


def _covariance(values):
    banded = bandpass(values.astype(np.float64), 160.0, *BAND)
    return banded @ banded.T / banded.shape[1]


def _whole(windows, row):
    return windows.ds[row].read().streams[0]


def test_people_get_one_covariance_and_keep_their_power(people):
    windows = fixed_length_windows(people, 4.0)
    read = aligned(windows, "subject")
    far = []
    for row in range(2):
        before, after = (_covariance(_whole(one, row).physical()) for one in (windows, read))
        assert np.trace(after) == pytest.approx(np.trace(before), rel=1e-3)
        even = np.trace(after) / len(after) * np.eye(len(after))
        far.append([np.linalg.norm(c - even) / np.linalg.norm(even) for c in (before, after)])
        assert _whole(read, row).channels == _whole(windows, row).channels
    assert all(after < 0.35 * before for before, after in far)  # what shrinkage leaves


def test_a_window_is_a_part_of_the_aligned_recording_by_either_way_of_reading(people):
    read = aligned(fixed_length_windows(people, 4.0), "subject")
    whole = _whole(read, 1).physical()
    number = int(np.flatnonzero(read.recording == 1)[3])
    for one in (read.read(number), read.read_signals(number)):
        np.testing.assert_allclose(one.streams[0].physical(), whole[:, 12 * 160 : 16 * 160], rtol=1e-6)


def test_everything_but_the_signals_passes_through(people):
    windows = fixed_length_windows(people, 4.0)
    read = aligned(windows, "subject")
    assert original(read).ds is people
    assert read.subjects.tolist() == windows.subjects.tolist()
    assert read.ds.annotations is people.annotations
    for row in range(2):
        mine, its = read.ds[row], people[row]
        for name in ("id", "subject", "channels", "report", "content_hash", "fingerprint"):
            assert getattr(mine, name) == getattr(its, name)
    assert aligned(windows, "none") is windows


def test_the_model_and_features_read_the_same_aligned_signal(people, tiny):
    windows = fixed_length_windows(people, 4.0)
    read = aligned(windows, "subject")
    held = RecordingList([replace(read.ds[row].read()) for row in range(2)])  # aligned beforehand
    made = [
        np.stack(embed_windows(tiny, one)["vector"].to_numpy())
        for one in (read, fixed_length_windows(held, 4.0), windows)
    ]
    np.testing.assert_allclose(made[0], made[1], atol=1e-5)
    assert np.abs(made[0] - made[2]).max() > 0.05


def test_recordings_of_a_person_share_a_matrix_and_those_of_nobody_do_not(eeg):
    parts = [replace(eeg.crop(t, 30.0), id=str(t)) for t in (0.0, 36.0)]
    parts = [replace(p, streams=[replace(p.streams[0].pick(range(8)), onset=0.0)]) for p in parts]
    values = [p.streams[0].physical() for p in parts]

    def matrices(subjects, align):
        ds = RecordingList([replace(p, subject=s and biosig.Subject(s)) for p, s in zip(parts, subjects, strict=True)])
        read = aligned(fixed_length_windows(ds, 4.0), align)
        return [np.linalg.lstsq(v.T, _whole(read, row).physical().T, rcond=None)[0] for row, v in enumerate(values)]

    same, other = matrices(["s", "s"], "subject"), matrices([None, None], "subject")
    np.testing.assert_allclose(same[0], same[1], atol=1e-3)
    assert np.abs(other[0] - other[1]).max() > 0.02
    for one, minute in zip(other, matrices(["s", "s"], "first_minute"), strict=True):
        np.testing.assert_allclose(one, minute, atol=0.05)  # shorter than a minute: each is all that there is


def test_the_first_minute_knows_nothing_of_what_follows(eeg):
    changed = eeg.streams[0].physical()
    changed[:, 60 * 160 :] = changed[::-1, 60 * 160 :] * 3
    one = np.ones(len(changed))
    later = replace(eeg, streams=[replace(eeg.streams[0], samples=changed, scale=one, offset=0 * one)])
    for align, equal in (("first_minute", True), ("subject", False)):
        mine, other = (
            aligned(fixed_length_windows(RecordingList([r]), 4.0), align).read(3).streams[0].physical()
            for r in (eeg, later)
        )
        assert np.allclose(mine, other, rtol=1e-5, atol=1e-4) is equal


def test_where_an_electrode_misses_samples_all_miss_them(eeg, tiny):
    someone = _someone(eeg, "one", 0)
    values = someone.streams[0].physical()
    values[2, 800:960] = np.nan  # 5 to 6 s
    values[3, 2400:2880] = 7.5  # 15 to 18 s: it has come off
    values[5] = 0.0  # never plugged in: takes no part
    one = np.ones(6)
    broken = replace(someone, streams=[replace(someone.streams[0], samples=values, scale=one, offset=0 * one)])
    windows = aligned(fixed_length_windows(RecordingList([broken]), 4.0), "subject")
    real = np.isfinite(_whole(windows, 0).physical())
    missing = np.zeros(real.shape[1], bool)
    missing[800:960] = missing[2400:2880] = True
    assert (real[:5] == ~missing).all()
    assert (_whole(windows, 0).physical()[5] == 0).all()
    alike = [prepare(windows.read_signals(i), tiny.contract)[0].valid for i in range(3)]
    assert alike[0][:5].all()
    assert not alike[0][5].any()
    assert (alike[1][:5].mean(axis=1) < 0.8).all()
    whole = aligned(fixed_length_windows(RecordingList([someone]), 4.0), "subject").read(0).streams[0].physical()
    assert np.isfinite(whole).all()


def test_other_signals_and_electrodes_of_unknown_place_stay_as_they_are(eeg, bedside):
    stream = eeg.streams[0].pick(range(5))
    nowhere = replace(stream.channels[4], name="X1", position=UNKNOWN)
    stream = replace(stream, channels=(*stream.channels[:4], nowhere))
    both = replace(eeg, streams=[stream, bedside.streams[0]], annotations=[])
    read = aligned(fixed_length_windows(RecordingList([both]), 4.0), "subject").read(2)
    plain = fixed_length_windows(RecordingList([both]), 4.0).read(2)
    np.testing.assert_array_equal(read.streams[1].physical(), plain.streams[1].physical())
    np.testing.assert_array_equal(read.streams[0].physical()[4], plain.streams[0].physical()[4])
    assert not np.allclose(read.streams[0].physical()[:4], plain.streams[0].physical()[:4])


def test_units_of_electrodes_may_differ(eeg):
    someone = _someone(eeg, "one", 0)
    stream = someone.streams[0]
    channels = [replace(c, unit="mV") if row % 2 else c for row, c in enumerate(stream.channels)]
    factor = np.where(np.arange(6) % 2, 1e-3, 1.0)
    mixed = replace(stream, channels=tuple(channels), scale=stream.scale * factor, offset=stream.offset * factor)
    read = [
        aligned(fixed_length_windows(RecordingList([r]), 4.0), "subject").read(1).streams[0].physical()
        for r in (someone, replace(someone, streams=[mixed]))
    ]
    np.testing.assert_allclose(read[0], read[1] / factor[:, None], rtol=1e-3, atol=1e-2)


def test_the_recordings_scale_follows_its_electrodes(people):
    ds = RecordingList([replace(people[0].read(), robust_scale={"eeg": 20.0, "ecg": 1.0})])
    windows = fixed_length_windows(ds, 4.0)
    scale = aligned(windows, "subject").read_signals(0).robust_scale
    assert scale["ecg"] == 1.0
    before, after = (
        np.median(np.sqrt(np.diag(_covariance(_whole(one, 0).physical()))))
        for one in (windows, aligned(windows, "subject"))
    )
    assert scale["eeg"] / 20.0 == pytest.approx(after / before, rel=0.02)


def test_data_that_cannot_be_aligned_are_refused(ecg, eeg):
    with pytest.raises(UsageError, match=r"align=subject mixes EEG electrodes .* no recording here has one"):
        aligned(fixed_length_windows(RecordingList([ecg]), 5.0), "subject")
    windows = pick_channels(fixed_length_windows(RecordingList([eeg]), 5.0), ["C3", "C4"])
    assert aligned(windows, "subject").read(0).ch_names == ["C3", "C4"]
    short = aligned(fixed_length_windows(RecordingList([eeg.crop(0.0, 5.0)]), 5.0), "subject")
    with pytest.raises(DataError, match=r"is aligned by 5 s of .* and 10 s or more are needed"):
        short.read(0)
    late = replace(eeg, streams=[eeg.streams[0].pick([0, 1, 2]), replace(eeg.streams[0].pick([3, 4]), onset=62.0)])
    windows = aligned(fixed_length_windows(RecordingList([late]), 4.0), "first_minute")
    windows.read(0)
    with pytest.raises(DataError, match=r"only after its first 60 s, .* choose align=subject"):
        windows.read(16)


def test_mixing_makes_any_covariance_a_multiple_of_the_identity_but_for_shrinkage():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 5)) @ rng.normal(size=(5, 2000))
    covariance = x @ x.T / 2000
    matrix = mixing(covariance)
    np.testing.assert_allclose(matrix, matrix.T)
    after = matrix @ covariance @ matrix
    assert np.trace(after) == pytest.approx(np.trace(covariance))
    assert np.isfinite(mixing(np.ones((4, 4)))).all()  # of rank 1


def test_an_alteration_is_told_whose_part_it_reads(people):
    calls = []

    def doubled(part, whole, row):
        calls.append((whole.content_hash, row))
        return replace(part, streams=[replace(s, scale=2 * s.scale) for s in part.streams])

    windows = fixed_length_windows(people, 4.0)
    twice = altered(windows, doubled)
    np.testing.assert_array_equal(twice.read(0).streams[0].physical(), 2 * windows.read(0).streams[0].physical())
    assert calls == [(people[0].content_hash, 0)]
