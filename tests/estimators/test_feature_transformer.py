"""Features as a step of a pipeline."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import biosig
from biosig import FeatureTransformer, samples
from biosig.errors import DataError, UsageError
from biosig.features import extract


@pytest.fixture(scope="module")
def recordings():
    return [biosig.read(path) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:4]]


def test_a_row_is_what_extract_gives(recordings):
    transformer = FeatureTransformer()
    found = transformer.fit_transform(recordings)
    names = list(transformer.get_feature_names_out())
    for row, recording in zip(found, recordings, strict=True):
        expected = extract(recording)
        assert np.array_equal(row, expected[names], equal_nan=True)
        assert expected.index.isin([*names, *transformer.unmeasured_]).all()
        assert expected[transformer.unmeasured_].isna().all()
    assert np.array_equal(transformer.transform(recordings[::-1]), found[::-1], equal_nan=True)
    array = np.stack([r.streams[0].physical() for r in recordings])
    array_transformer = FeatureTransformer(ch_names=recordings[0].ch_names, sfreq=100.0, kind="ecg", units="mV")
    assert np.array_equal(array_transformer.fit_transform(array), found, equal_nan=True)


def test_people_are_left_out_of_epochs(epochs, y, people):
    trees = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2)
    linear = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=0.01))
    for head in (trees, linear):
        pipeline = make_pipeline(FeatureTransformer(kinds=["eeg"]), head)
        few = np.arange(32) % 8 < 4
        scores = cross_val_score(
            pipeline, epochs[few], y[few], groups=people[few], cv=GroupKFold(2), error_score="raise"
        )
        assert scores.shape == (2,)


def test_further_channels_and_other_kinds_are_named(recordings, epochs):
    one_lead = [next(iter(r.of_kind("ecg"))).pick([0]) for r in recordings]
    one_lead = [biosig.Recording(r.id, [stream]) for r, stream in zip(recordings, one_lead, strict=True)]
    fitted = FeatureTransformer().fit(one_lead)
    with pytest.raises(DataError, match=r"Row 0 of X has \d+ columns that no row had in fit, the first is 'ecg\."):
        fitted.transform(recordings)
    assert np.isnan(FeatureTransformer().fit(recordings).transform(one_lead)).any()
    with pytest.raises(DataError, match="No row of X has a value of kind ppg"):
        FeatureTransformer(kinds=["ppg"]).fit(recordings)
    with pytest.raises(UsageError, match="no features of kind 'emg'"):
        FeatureTransformer(kinds=["emg"]).fit(recordings)
    with pytest.raises(UsageError, match="X is the path"):
        FeatureTransformer().fit(["a.edf"])
