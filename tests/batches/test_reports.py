"""Reports ride along with the windows of their recordings: counted, never mixed up, also in workers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig import samples
from biosig.batches.loader import count_tokens, in_order, load_batches
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.errors import DataError, UsageError
from biosig.models.presets import preset
from biosig.models.report_tokens import RecordingWords, words_for
from biosig.models.text import Tokenizer
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

REPORTS = ["sinus rhythm. normal ecg.", None, " - ", "Sinustachykardie"]
CONTRACT = preset("biosig-tiny").contract


@pytest.fixture(scope="module")
def recordings(eeg):
    """Three ECGs at the contract's rate and an EEG; the third's report is empty when it is cleaned."""
    ecgs = [biosig.read(path) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:3]]
    return [replace(r, report=report) for r, report in zip([*ecgs, eeg.crop(0, 20)], REPORTS, strict=True)]


@pytest.fixture(scope="module")
def shards(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "a.h5", recipe={}) as writer:
        for recording in recordings:
            writer.add(recording)
    build_index(folder)
    return biosig.open_shards(folder)


@pytest.fixture(scope="module")
def words():
    return RecordingWords(Tokenizer.default(), 128)


@pytest.mark.parametrize("held", [True, False])
def test_each_window_has_the_words_of_its_recording(recordings, shards, words, held):
    windows = fixed_length_windows(RecordingList(recordings) if held else shards, 10.0)  # 0, 1, 2, and 3 twice
    (loaded,) = load_batches(windows, [np.arange(5)], CONTRACT, reports=words)
    batch = loaded.batch
    of_text = batch.modality == 3
    for window, row in enumerate(loaded.rows):
        ids = batch.text_ids[batch.window[of_text] == window]
        report = recordings[int(windows.recording[row])].report
        assert ids.tolist() == Tokenizer.default().encode(report or "")
    assert int(of_text.sum()) == len(batch.text_ids) > 0
    counted = count_tokens(windows, CONTRACT, words)
    assert batch.seqlens.tolist() == counted[loaded.rows].tolist()
    assert (counted - count_tokens(windows, CONTRACT) > 0).tolist() == [True, False, False, True, True]


def test_the_signals_are_the_same_with_and_without(shards, words):
    windows = fixed_length_windows(shards, 10.0)
    for row in range(5):
        (counted,) = load_batches(windows, [np.array([row])], CONTRACT, reports=words)
        (bare,) = load_batches(windows, [np.array([row])], CONTRACT)
        assert counted.batch.patches.keys() == bare.batch.patches.keys()
        assert all(torch.allclose(counted.batch.patches[m], p, atol=1e-6) for m, p in bare.batch.patches.items())


def test_workers_give_the_same(shards, words):
    windows = fixed_length_windows(shards, 10.0)
    batches = in_order(count_tokens(windows, CONTRACT, words), 700)
    here = list(load_batches(windows, batches, CONTRACT, reports=words))
    there = list(load_batches(windows, batches, CONTRACT, workers=1, reports=words))
    assert all(torch.equal(a.batch.text_ids, b.batch.text_ids) for a, b in zip(here, there, strict=True))


def test_embedding_reads_reports_only_when_asked(tiny, shards):
    bare = biosig.embed(tiny, shards, window=10.0)
    counted = biosig.embed(tiny, shards, window=10.0, reports=True)
    assert bare["modality"].to_pylist() == ["ecg", "ecg", "ecg", "eeg", "eeg"]
    assert counted["modality"].to_pylist() == ["ecg", "text", "ecg", "ecg", "eeg", "text", "eeg", "text"]
    vectors = np.stack(counted["vector"].to_numpy(zero_copy_only=False))
    assert np.isfinite(vectors).all()
    before = np.stack(bare["vector"].to_numpy(zero_copy_only=False))
    same = np.abs(vectors[[0, 2, 3, 4]] - before[:4]).max(axis=1) < 1e-5
    assert same.tolist() == [False, True, True, False]


def test_a_model_without_words_or_with_too_many_is_refused(tiny, shards):
    with pytest.raises(UsageError, match="has no text modality"):
        words_for(replace(tiny.config, text=None), Tokenizer.default())
    with pytest.raises(UsageError, match="has no tokenizer"):
        words_for(preset("csfm-tiny"), None)
    few = replace(tiny.config, text=replace(tiny.config.text, n_words=1000))
    with pytest.raises(UsageError, match="1066 words, and model 'biosig-tiny' has room for 1000"):
        words_for(few, Tokenizer.default())
    with pytest.raises(DataError, match="the model reads up to 3"):
        count_tokens(fixed_length_windows(shards, 10.0), CONTRACT, RecordingWords(Tokenizer.default(), 3))
