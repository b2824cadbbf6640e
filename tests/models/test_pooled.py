"""Poolings and layers of frozen features, against the tokens themselves."""

import numpy as np
import pytest
import torch

from biosig.batches.packed import MODALITY_IDS, pack
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.embedding import embed_windows
from biosig.errors import UsageError
from biosig.models.pooling import pooled
from biosig.models.reading import Reading


@pytest.fixture(scope="module")
def windows(bedside, ecg):
    return fixed_length_windows(RecordingList([bedside.crop(0.0, 20.0), ecg]), 5.0)


@pytest.fixture(scope="module")
def batch(tiny, windows):
    return pack([tiny.prepare(windows.read(i)) for i in range(len(windows))], tiny.contract)


def _vectors(table):
    return np.asarray(table["vector"].combine_chunks().flatten()).reshape(table.num_rows, -1)


@pytest.mark.parametrize("layer", [0, 2, -1])
def test_mean_and_deviation_are_those_of_the_valid_tokens_of_a_modality(tiny, batch, layer):
    tokens, found = tiny.encode_batch(batch, layer), pooled(tiny, batch, Reading("mean+std", (layer,)))
    assert torch.equal(found[..., : tiny.embed_dim], pooled(tiny, batch, Reading("mean", (layer,))))
    for window in range(batch.n_windows):
        for modality in ("ecg", "ppg"):
            own = batch.valid & (batch.window == window) & (batch.modality == MODALITY_IDS[modality])
            if own.any():
                expected = torch.cat((tokens[own].mean(0), tokens[own].std(0, correction=0)))
                torch.testing.assert_close(found[window, MODALITY_IDS[modality]], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", [None, "mean", "mean+std"])
def test_all_layers_in_one_pass_are_the_layers_one_by_one(tiny, windows, pooling):
    numbers = [*range(tiny.config.depth), -1]
    each = [_vectors(embed_windows(tiny, windows, layer=number, pooling=pooling)) for number in numbers]
    together = embed_windows(tiny, windows, layer="all", pooling=pooling)
    np.testing.assert_allclose(_vectors(together), np.concatenate(each, axis=1), rtol=1e-5, atol=1e-6)
    assert together["modality"].to_pylist() == embed_windows(tiny, windows)["modality"].to_pylist()


def test_a_token_per_window_reads_all_modalities_and_other_poolings_tell_them_apart(narrow_csfm, bedside):
    short = fixed_length_windows(RecordingList([bedside.crop(0.0, 20.0)]), 10.0)
    assert embed_windows(narrow_csfm, short)["modality"].to_pylist() == ["ecg+ppg"] * 2
    assert set(embed_windows(narrow_csfm, short, pooling="mean", layer="all")["modality"].to_pylist()) == {"ecg", "ppg"}


def test_a_pooling_that_the_model_has_not_is_refused(tiny, narrow_csfm, windows):
    with pytest.raises(UsageError, match=r"has no token per window: choose pooling=attention, .*mean, mean\+std"):
        embed_windows(tiny, windows, pooling="cls")
    with pytest.raises(UsageError, match="has no pool query"):
        embed_windows(narrow_csfm, windows, pooling="attention")
