"""A clock that jumps, overlaps or stalls, in a file of every format with time stamps: told by name, never joined."""

import mne
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_files import LEADS, SFREQ, STEP, as_edf, as_neuralynx, as_stamped_text, as_xdf, counts
from scipy.io import savemat
from vendor_files import write_ncs, write_xdf

from biosig.errors import UnreadableError
from biosig.reading import read

N_BLOCKS, PER_BLOCK = 30, 100
NAMED = {
    "edf+d": r"r\.edf",
    "edf+c": r"r\.edf",
    "xdf": "stream 'heart'",
    "neuralynx": r"ECG V1",
    "text": "column 't'",
    "text onto a grid": "column 't'",
}


def write(form, folder, shifts):
    """A file of `N_BLOCKS` blocks of a second, each `shifts` seconds from where it should begin."""
    x = counts(N_BLOCKS * PER_BLOCK)
    onsets = np.arange(N_BLOCKS) + shifts
    stamps = (onsets[:, None] + np.arange(PER_BLOCK) / SFREQ).ravel()
    if form.startswith("edf"):
        kept = [f"{onset:+.6f}\x14\x14\x00".encode() for onset in onsets]
        return as_edf(folder, x, annotations=kept, reserved=form.upper().encode())
    if form == "xdf":
        return as_xdf(folder, x, 50 + stamps)
    if form == "neuralynx":
        as_neuralynx(folder, x)
        blocks = np.zeros((2, N_BLOCKS, 512), np.int16)
        blocks[:, :, :PER_BLOCK] = x.reshape(2, N_BLOCKS, PER_BLOCK)
        times = np.round((onsets + 100) * 1e6).astype(np.int64)
        for lead, y in zip(LEADS, blocks.reshape(2, -1), strict=True):
            path = folder / "n" / f"ECG {lead}.ncs"
            write_ncs(path, y, SFREQ, n_valid=[PER_BLOCK] * N_BLOCKS, times=times, inverted=False, step=STEP / 1e3)
        return folder / "n"
    grid = {"regularise": {"sfreq": SFREQ, "longest_gap": 0.05}} if "grid" in form else {}
    return as_stamped_text(folder, x, stamps, **grid)


@pytest.mark.parametrize("form", sorted(NAMED))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(3, 26), seconds=st.integers(1, 300), lasts=st.booleans())
def test_a_jump_is_a_gap_or_a_refusal(tmp_path, form, at, seconds, lasts):
    shifts = np.zeros(N_BLOCKS)
    shifts[at:] += seconds
    if not lasts:  # and back again
        shifts[at + 2 :] -= seconds
    path = write(form, tmp_path, shifts)
    if not lasts or form == "text":
        with pytest.raises(UnreadableError, match=r"split|not regular"):
            read(path)
        return
    recording = read(path)
    for stream in recording.streams:
        expected = np.ones(stream.samples.shape, bool)
        expected[:, at * PER_BLOCK : (at + seconds) * PER_BLOCK] = False
        np.testing.assert_array_equal(stream.valid()[:, 5 * PER_BLOCK :], expected[:, 5 * PER_BLOCK :])
        assert stream.n_times == (N_BLOCKS + seconds) * PER_BLOCK
    assert any("invalid" in note and ("interrupted 1 time" in note or "gaps" in note) for note in recording.notes)


@pytest.mark.parametrize("form", sorted(NAMED))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(3, 26), seconds=st.sampled_from([0.2, 0.75, 2, 60]))
def test_a_clock_that_goes_back_or_overlaps_is_refused_by_name(tmp_path, form, at, seconds):
    shifts = np.zeros(N_BLOCKS)
    shifts[at:] -= seconds
    with pytest.raises(UnreadableError, match=NAMED[form]) as error:
        read(write(form, tmp_path, shifts))
    assert f"overlap those before by {seconds:g} s" in str(error.value) or form.startswith("text")
    assert "goes back or stands still" in str(error.value)


@pytest.mark.parametrize("form", sorted(NAMED))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(3, 20), n_blocks=st.integers(2, 6))
def test_a_clock_that_stands_still_is_refused_by_name(tmp_path, form, at, n_blocks):
    shifts = np.zeros(N_BLOCKS)
    shifts[at + 1 : at + n_blocks] -= np.arange(1, n_blocks)  # every block of these has the same time
    shifts[at + n_blocks :] -= n_blocks - 1
    with pytest.raises(UnreadableError, match=NAMED[form]):
        read(write(form, tmp_path, shifts))


@pytest.mark.parametrize("form", ["xdf", "text", "text onto a grid"])
def test_many_samples_at_one_stamp_are_told(tmp_path, form):
    x = counts(3000)
    stamps = np.arange(3000) / SFREQ
    stamps[1200:1700] = stamps[1200]
    if form == "xdf":
        with pytest.raises(UnreadableError, match=r"stream 'heart' .* stands still at 1[12]"):
            read(as_xdf(tmp_path, x, stamps))
    elif form == "text":
        with pytest.raises(UnreadableError, match="column 't', is not regular"):
            read(as_stamped_text(tmp_path, x, stamps))
    else:
        recording = read(as_stamped_text(tmp_path, x, stamps, regularise={"sfreq": SFREQ, "longest_gap": 0.05}))
        assert any("499 samples have the time stamp of the one before" in note for note in recording.notes)
        assert not recording.streams[0].valid()[:, 1201:1700].any()


def test_a_gap_and_a_marker_behind_it(tmp_path):
    stamps = 100 + np.arange(2000) / 200
    stamps[1000:] += 5
    eeg = ("Amp", "EEG", 200, "float32", ["Cz"], "uV", stamps, np.zeros((2000, 1), np.float32) + stamps[:, None])
    write_xdf(tmp_path / "gap.xdf", [eeg, ("Stim", "Markers", 0, "string", [], "", [112.0], ["late"])])
    recording = read(tmp_path / "gap.xdf")
    assert (~recording.streams[0].valid()).sum() == 1000
    assert [(a.onset, a.label) for a in recording.annotations] == [(12.0, "late")]
    assert "Stream 'Amp' was interrupted 1 time, 5 s in all, invalid there: 5 s from 5 s." in recording.notes
    stamps[1000:] -= 60
    write_xdf(tmp_path / "reset.xdf", [eeg])
    with pytest.raises(UnreadableError, match=r"stream 'Amp' in .* goes back .* at 4\.995 s: .* by 55 s"):
        read(tmp_path / "reset.xdf")


def small_gaps():
    """Below pyxdf's limits of 1 s and 500 samples, at which it sees no interruption."""
    return [(0.02, [1200, 1202]), (0.5, [1200, 1250]), (2.4, [1200, 1440])]


@pytest.mark.parametrize(("seconds", "invalid"), small_gaps())
def test_short_gaps_are_seen(tmp_path, seconds, invalid):
    stamps = np.arange(3000) / SFREQ
    stamps[1200:] += seconds
    (stream,) = read(as_xdf(tmp_path, counts(), stamps)).streams
    assert stream.sfreq == SFREQ
    assert stream.invalid.tolist() == [[0, *invalid], [1, *invalid]]


def raw(n_times=1000):
    return mne.io.RawArray(counts(n_times) * 1e-6, mne.create_info(["C3", "C4"], SFREQ, "eeg"), verbose="error")


def joined_fif(folder):
    mne.concatenate_raws([raw(400), raw(600)], verbose="error").save(folder / "j_raw.fif", verbose="error")
    return folder / "j_raw.fif"


def joined_set(folder):
    event = [
        {"type": "boundary", "latency": 400.5, "duration": 250.0},
        {"type": "go", "latency": 501.0, "duration": 0.0},
    ]
    eeg = {"setname": "e", "nbchan": 2, "pnts": 1000, "trials": 1, "srate": SFREQ * 1.0, "xmin": 0.0, "xmax": 9.99}
    eeg |= {"data": counts(1000) * 1.0, "chanlocs": [{"labels": "C3"}, {"labels": "C4"}], "event": event, "epoch": []}
    savemat(folder / "j.set", {"EEG": eeg}, appendmat=False)
    return folder / "j.set"


def joined_vhdr(folder):
    counts(1000).T.astype("<i2").tofile(folder / "j.eeg")
    head = [
        "Brain Vision Data Exchange Header File Version 1.0",
        "[Common Infos]",
        "DataFile=j.eeg",
        "MarkerFile=j.vmrk",
    ]
    head += ["DataFormat=BINARY", "DataOrientation=MULTIPLEXED", "NumberOfChannels=2", "SamplingInterval=10000"]
    head += ["[Binary Infos]", "BinaryFormat=INT_16", "[Channel Infos]", "Ch1=C3,,1,uV", "Ch2=C4,,1,uV", ""]
    (folder / "j.vhdr").write_text("\n".join(head))
    marks = [
        "Brain Vision Data Exchange Marker File, Version 1.0",
        "[Common Infos]",
        "DataFile=j.eeg",
        "[Marker Infos]",
    ]
    marks += ["Mk1=New Segment,,1,1,0,20240101120000000000", "Mk2=New Segment,,401,1,0,20240101130000000000", ""]
    (folder / "j.vmrk").write_text("\n".join(marks))
    return folder / "j.vhdr"


@pytest.mark.parametrize("join", [joined_fif, joined_set, joined_vhdr])
def test_samples_that_a_file_joins_are_parted_again(tmp_path, join):
    path = join(tmp_path)
    for lazy in (False, True):
        recording = read(path, lazy=lazy)
        assert recording.streams[0].invalid.tolist() == [[0, 399, 401], [1, 399, 401]]
        assert any("Time jumps at 4 s, as marks say" in note for note in recording.notes)


def test_mne_objects_too():
    from ingest.adapters.mne.raw import from_raw

    assert (
        from_raw(mne.concatenate_raws([raw(), raw()], verbose="error")).streams[0].invalid[:, 1].tolist() == [999] * 2
    )
    assert from_raw(raw()).streams[0].invalid.tolist() == []
