"""Epochs: a row each, with what is known of it, and no window over two."""

import mne
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

import biosig
from biosig.batches.packed import pack
from biosig.batches.windows import event_windows, fixed_length_windows
from biosig.cli import main
from biosig.errors import UsageError
from ingest.cli.ingest import ingest

NAMES = ["Fp1", "Fp2", "C3", "C4", "O1", "O2"]


@pytest.fixture(scope="module")
def tiny():
    return biosig.build_model("biosig-tiny")


def make_epochs(n=20, sfreq=200.0, tmax=2.0):
    """MNE's own: the sample at `tmax` is counted in, and between two epochs there is a gap."""
    x = np.random.default_rng(0).standard_normal((6, int(sfreq * (n + 1) * (tmax + 1)))) * 2e-5
    raw = mne.io.RawArray(x, mne.create_info(NAMES, sfreq, "eeg"), verbose="error")
    onsets = (np.arange(n) * (tmax + 1) * sfreq).astype(int) + 100
    events = np.stack([onsets, np.zeros(n, int), 1 + np.arange(n) % 2], 1)
    metadata = pd.DataFrame({"rating": np.arange(n) * 0.5, "onset": onsets, "word": [f"w{i}" for i in range(n)]})
    kinds = {"left": 1, "right": 2}
    more = {"baseline": None, "preload": True, "verbose": "error", "metadata": metadata}
    return mne.Epochs(raw, events, kinds, tmin=0, tmax=tmax, **more)


def run(*argv):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in argv])
    return ended.value.code


def vectors(table):
    return np.stack(table["vector"].to_pylist())


def test_row_k_is_epoch_k_with_its_event_and_metadata(tiny):
    epochs = make_epochs()
    expected = biosig.EmbeddingTransformer(tiny).fit_transform(epochs)
    for options in ({}, {"window": 2.0}, {"window": 2.005}, {"window": None}):
        table = biosig.embed(tiny, epochs, **options)
        assert (vectors(table) == expected).all()
        assert table["epoch"].to_pylist() == list(range(20))
        assert table["event"].to_pylist() == ["left", "right"] * 10
        assert table["word"].to_pylist() == epochs.metadata["word"].tolist()
        assert table["metadata_onset"].to_pylist() == epochs.metadata["onset"].tolist()
        assert table["onset"].to_pylist() == [0.0] * 20


def test_windows_within_epochs(tiny):
    table = biosig.embed(tiny, make_epochs(4), window=0.8)
    assert table["epoch"].to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert table["onset"].to_pylist() == [0.0, 0.8] * 4


@settings(max_examples=15, deadline=None)
@given(seconds=st.floats(0.4, 3.0), drawn=st.integers(0, 4))
def test_no_window_lies_over_two_epochs(tiny, seconds, drawn):
    """A change in all other epochs leaves the vectors of one as they are."""
    epochs = make_epochs(5)
    if seconds > 2.005:
        with pytest.raises(UsageError, match=r"is longer than an epoch of 2\.005 s, and none lies over two"):
            biosig.embed(tiny, epochs, window=seconds)
        return
    changed = mne.EpochsArray(epochs.get_data() * 3, epochs.info, epochs.events, 0, epochs.event_id, verbose="error")
    changed._data[drawn] = epochs.get_data()[drawn]
    before, after = (biosig.embed(tiny, x, window=seconds).to_pandas() for x in (epochs, changed))
    same = before["epoch"] == drawn
    assert same.sum() == max(int((2.005 + 1e-6) / seconds), 1)
    assert all((a == b).all() for a, b in zip(before["vector"][same], after["vector"][same], strict=True))


def test_rows_of_arrays_are_epochs(tiny):
    x = make_epochs().get_data() * 1e6
    options = {"sfreq": 200.0, "ch_names": NAMES, "kind": "eeg"}
    table = biosig.embed(tiny, x, **options)
    expected = biosig.EmbeddingTransformer(tiny, **options).fit_transform(x)
    assert np.abs(vectors(table) - expected).max() == 0
    assert table["epoch"].to_pylist() == list(range(20))
    with pytest.raises(UsageError, match="longer than an epoch"):
        biosig.embed(tiny, x, window=10.0, **options)


EPOCHS = np.random.default_rng(0).normal(0, 20, (2, 200, 12))
"""Of an EEGLAB file: (C, T, epochs), 2 s each."""


@pytest.fixture
def file_of_epochs(tmp_path):
    n = EPOCHS.shape[2]
    event = [{"type": f"go{i}", "latency": 1.0 + 200 * i, "epoch": i + 1} for i in range(n)]
    epoch = [{"event": i + 1, "eventtype": f"go{i}", "eventlatency": 0.0} for i in range(n)]
    eeg = {"setname": "e", "nbchan": 2, "pnts": 200, "trials": n, "srate": 100.0, "xmin": 0.0, "xmax": 1.99}
    eeg |= {"data": EPOCHS, "chanlocs": [{"labels": "Cz"}, {"labels": "Fz"}], "event": event, "epoch": epoch}
    savemat(tmp_path / "e.set", {"EEG": eeg}, appendmat=False)
    return tmp_path / "e.set"


@pytest.mark.parametrize("window", [[], ["--window", 2]])
def test_a_file_of_epochs_is_embedded_epoch_by_epoch(tiny, file_of_epochs, tmp_path, window):
    """Also by default, though epochs are shorter than the ten seconds of other recordings."""
    out = tmp_path / "e.parquet"
    assert run("embed", "biosig-tiny", file_of_epochs, "--out", out, *window) == 0
    table = pq.read_table(out)
    assert table["event"].to_pylist() == [f"go{i}" for i in range(12)]
    by_array = biosig.embed(tiny, EPOCHS.transpose(2, 0, 1), sfreq=100.0, ch_names=["Cz", "Fz"], kind="eeg")
    assert np.abs(vectors(table) - vectors(by_array)).max() < 1e-5
    assert run("embed", "biosig-tiny", file_of_epochs, "--out", tmp_path / "f.parquet", "--window", 3) == 2


def test_no_token_of_an_ingested_file_of_epochs_lies_over_a_joint(tiny, file_of_epochs, tmp_path):
    """It is one recording with an event over each epoch; between two there is a sample that is no real value."""
    assert ingest((file_of_epochs,), out=tmp_path / "out", workers=1) == 0
    ds = biosig.open_shards(tmp_path / "out")
    (stored,) = ds
    joints = [(row, 201 * i + 200, 201 * i + 201) for row in range(2) for i in range(11)]
    assert [tuple(run) for run in stored.read().streams[0].invalid.tolist()] == joints
    notes = pd.read_parquet(tmp_path / "out" / "notes.parquet")["note"].tolist()
    assert "12 epochs of 2 s follow each other, with one invalid sample between each two." in notes
    windows = fixed_length_windows(ds, 10.0)
    packed = pack([tiny.prepare(windows.read(row), 0.0) for row in range(len(windows))], tiny.contract)
    read = packed.valid.numpy()
    assert 0 < read.mean() < 1
    middle = packed.position[:, 3].numpy().astype(float) + windows.onset[packed.window.numpy()]  # s
    gaps = 2.01 * np.arange(1, 12) - 0.005  # s: amid the samples between two epochs
    over = (np.abs(middle[:, None] - gaps) < tiny.contract["eeg"].patch_seconds / 2).any(axis=1)
    assert over.any()
    assert not (over & read).any()
    events = event_windows(ds, [f"go{i}" for i in range(12)], 0.0, 1.9)
    assert len(events) == 12
    assert all(np.isfinite(events.read(row).streams[0].physical()).all() for row in range(12))
