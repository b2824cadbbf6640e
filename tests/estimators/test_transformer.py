"""One row of X, one vector: the model's own, whatever X is and whoever else is in it."""

import pickle
from dataclasses import replace

import mne
import numpy as np
import pytest
from sklearn.base import clone

import biosig
from biosig import EmbeddingTransformer, FeatureTransformer, samples
from biosig.batches.channel_layout import UnplacedChannelWarning
from biosig.batches.windows import fixed_length_windows
from biosig.errors import DataError, UsageError
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards


def close(a, b):
    return np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


@pytest.fixture(scope="module")
def vectors(tiny, epochs):
    return EmbeddingTransformer(tiny).fit_transform(epochs)


def test_an_array_gives_what_the_model_gives(tiny, microvolts, described):
    found = EmbeddingTransformer(tiny, **described).fit_transform(microvolts[:6])
    assert close(found, tiny.encode(microvolts[:6], **described).pooled.numpy())


def test_epochs_and_what_cross_validation_makes_of_them_give_the_same(tiny, epochs, microvolts, described, vectors):
    transformer = EmbeddingTransformer(tiny).fit(epochs)
    assert vectors.shape == (32, 128)
    assert vectors.dtype == np.float32
    assert close(transformer.transform([epochs[i] for i in (5, 20)]), vectors[[5, 20]])
    assert close(transformer.transform(epochs[8:10]), vectors[8:10])
    assert close(EmbeddingTransformer(tiny, **described).fit_transform(microvolts[:3]), vectors[:3])


def test_a_row_does_not_depend_on_its_neighbours(epochs):
    """Not even where the model filters, and takes z-scores over a recording."""
    model = biosig.build_model("reve-small")
    model._warned = True
    transformer = EmbeddingTransformer(model).fit(epochs[:3])
    assert close(transformer.transform(epochs[1]), transformer.transform(epochs[:3])[1:2])


@pytest.mark.parametrize(("pooling", "width"), [("mean", 128), ("mean+std", 256), ("attention", 128)])
def test_poolings(tiny, microvolts, described, pooling, width):
    X = microvolts[:4]
    found = EmbeddingTransformer(tiny, pooling=pooling, **described).fit_transform(X)
    tokens = tiny.encode(X, **described).tokens.flatten(1, 2).numpy()  # (R, N, D)
    assert found.shape == (4, width)
    if pooling != "attention":
        assert close(found[:, :128], tokens.mean(axis=1))
    if pooling == "mean+std":
        assert close(found[:, 128:], tokens.std(axis=1))


def test_layers_differ_and_are_the_models(tiny, microvolts, described):
    X = microvolts[:2]
    found = EmbeddingTransformer(tiny, layer=2, **described).fit_transform(X)
    assert close(found, tiny.encode(X, layer=2, **described).pooled.numpy())
    assert not close(found, tiny.encode(X, **described).pooled.numpy())


def test_rows_are_recordings_stored_recordings_or_windows(tiny, ecg, tmp_path):
    with ShardWriter(tmp_path / "ecg.h5", recipe={}) as writer:
        for number in range(3):
            start = ecg.crop(0.0, 10.0 - number)
            start.id = f"r{number}"
            writer.add(start)
    build_index(tmp_path)
    ds = open_shards(tmp_path)
    transformer = EmbeddingTransformer(tiny).fit(ds)
    found = transformer.transform(ds)
    assert found.shape == (3, 128)
    assert close(transformer.transform([ds[2], ds[0]]), found[[2, 0]])
    assert close(transformer.transform([ds[i].read() for i in range(3)]), found)
    windows = fixed_length_windows(ds, 4.5)
    vectors = transformer.transform(windows)
    assert len(vectors) == len(windows) == 5
    assert close(transformer.transform([windows[np.int64(3)], windows[np.int64(0)]]), vectors[[3, 0]])
    assert close(transformer.set_params(window=4.5).transform(ds[:1]), vectors[:2].mean(axis=0, keepdims=True))


def test_each_modality_has_its_part(tiny, bedside):
    both = EmbeddingTransformer(tiny, window=10.0).fit([bedside])
    assert both.modalities_ == ["ecg", "ppg"]
    alone = EmbeddingTransformer(tiny, window=10.0).fit(list(biosig_only(bedside, "ppg")))
    assert both.transform([bedside]).shape == (1, 256)
    with pytest.raises(DataError, match="X has ecg, and EmbeddingTransformer was fitted to ppg"):
        alone.transform([bedside])
    with pytest.raises(DataError, match="12 of 12 windows lack a valid ecg token"):
        both.transform(list(biosig_only(bedside, "ppg")))


def biosig_only(recording, kind):
    yield biosig.Recording("one", list(recording.of_kind(kind)))


def test_output_has_names_and_pickles(tiny, epochs, vectors):
    transformer = EmbeddingTransformer(tiny).set_output(transform="pandas").fit(epochs)
    frame = transformer.transform(epochs[:2])
    assert list(frame.columns[:2]) == ["embeddingtransformer0", "embeddingtransformer1"]
    assert close(frame.to_numpy(), vectors[:2])
    assert close(pickle.loads(pickle.dumps(transformer)).transform(epochs[:2]).to_numpy(), vectors[:2])


def test_clones_share_the_weights(tiny):
    assert clone(EmbeddingTransformer(tiny)).model is tiny


def test_channels_of_an_array_are_counted(tiny, microvolts, described):
    transformer = EmbeddingTransformer(tiny, **described).fit(microvolts[:2])
    assert transformer.n_features_in_ == 19
    with pytest.raises(ValueError, match="X has 18 features, but EmbeddingTransformer is expecting 19"):
        transformer.transform(microvolts[:2, :18])


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({"model": None}, "array", "EmbeddingTransformer has no model: give a checkpoint folder"),
        ({}, "array", "has neither channel names nor rate: give the estimator ch_names"),
        ({"sfreq": 160.0}, "epochs", "sfreq describe an array; a Epochs"),
        ({"pooling": "cls"}, "epochs", "no token per window"),
        ({"pooling": "maen"}, "epochs", "There is no pooling 'maen'; there are .*mean, mean"),
        ({"layer": 9}, "epochs", "There is no layer 9"),
        ({"layer": "last"}, "epochs", "There is no layer 'last'"),
        ({"layer": 1.5}, "epochs", "There is no layer 1.5"),
        ({"ch_names": "Cz", "sfreq": 160.0}, "array", "ch_names is the text 'Cz'"),
        ({"ch_names": ["Cz"] * 19, "sfreq": 160.0, "kind": "eeg"}, "array", "ch_names has 'Cz' twice"),
        ({"model": "biosig-tinny"}, "epochs", "no preset of that name; presets are biosig-tiny"),
        ({}, "path", "X is the path 'night.edf'"),
        ({"window": 3.0}, "epochs", "Row 0 of X lasts 2 s, less than a window of 3 s"),
        ({"window": 0.0}, "epochs", "window is 0 s; it must be positive"),
    ],
)
def test_wrong_requests_are_told(tiny, epochs, microvolts, options, X, message):
    X = {"array": microvolts, "epochs": epochs, "path": ["night.edf"]}[X]
    with pytest.raises(UsageError, match=message):
        EmbeddingTransformer(**{"model": tiny, **options}).fit(X)


def test_epochs_in_another_unit_are_refused(tiny, epochs):
    wrong = mne.EpochsArray(epochs.get_data() * 1e6, epochs.info, verbose="error")
    with pytest.raises(DataError, match="1,000,000 times too large"):
        EmbeddingTransformer(tiny).fit_transform(wrong)


def test_a_name_of_no_place_is_warned_of(tiny, microvolts, described):
    described = {**described, "ch_names": ["Gizmo", *described["ch_names"][1:]]}
    with pytest.warns(UnplacedChannelWarning, match="Gizmo have no known position"):
        EmbeddingTransformer(tiny, **described).fit_transform(microvolts[:2])


def test_a_row_without_signal_is_named(tiny, microvolts, described):
    X = microvolts[:3].copy()
    X[1] = np.nan
    transformer = EmbeddingTransformer(tiny, **described).fit(X)
    with pytest.raises(DataError, match=r"1 of 3 windows lack a valid eeg token; the first is at 0 s of recording '1'"):
        transformer.transform(X)


def test_aligned_recordings_give_other_vectors_and_single_epochs_are_refused(tiny, microvolts, described):
    raw = biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0])
    known = [replace(raw.crop(t, 20.0), subject=Subject("s")) for t in (0.0, 20.0)]
    plain, mine = (EmbeddingTransformer(tiny, align=align).fit_transform(known) for align in ("none", "subject"))
    assert np.abs(plain - mine).max() > 0.05
    fitted = [FeatureTransformer(kinds=["eeg"], align=align).fit(known) for align in ("none", "subject")]
    (column,) = {name for name in fitted[0].columns_ if name == fitted[1].columns_[0]}
    rates = [one.transform(known)[:, one.columns_.index(column)] for one in fitted]
    assert not np.allclose(*rates)
    with pytest.raises(DataError, match=r"aligned by 2 s of .* say whose it is"):
        EmbeddingTransformer(tiny, align="subject", **described).fit_transform(microvolts)
