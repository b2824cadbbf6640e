"""A network trained on rows of X: it learns, chooses its epoch on people of its own, and is the same again."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import biosig.estimators.finetuned as finetuned
from biosig import FineTunedClassifier, FineTunedRegressor
from biosig.errors import DataError, UsageError

SFREQ = 100.0


@pytest.fixture(scope="module")
def waves():
    """Ten people with four rows each of 2 s: a slow wave or a fast one, and how fast."""
    rng = np.random.default_rng(0)
    hertz = np.tile([2.0, 3.0, 12.0, 15.0], 10)
    t = np.arange(200) / SFREQ
    X = 30 * np.sin(2 * np.pi * (hertz[:, None, None] * t + rng.random((40, 2, 1)))) + rng.normal(0, 5, (40, 2, 200))
    return X, hertz, np.repeat(np.arange(10), 4)


@pytest.fixture
def options(tiny):
    return {
        "model": tiny,
        "ch_names": ["C3", "C4"],
        "sfreq": SFREQ,
        "kind": "eeg",
        "epochs": 8,
        "lr": 1e-3,
        "batch_size": 8,
        "random_state": 0,
    }


@pytest.mark.parametrize("method", ["probe", "lora"])
def test_classes_are_learned_and_weights_left_as_they_were(tiny, waves, options, method):
    X, hertz, people = waves
    y = np.where(hertz > 5, "fast", "slow")
    before = tiny.revision
    options["epochs"] = 16
    tuned = FineTunedClassifier(method=method, **options).fit(X[:32], y[:32], groups=people[:32])
    assert list(tuned.classes_) == ["fast", "slow"]
    assert tuned.score(X[32:], y[32:]) > 0.8
    assert np.allclose(tuned.predict_proba(X).sum(axis=1), 1)
    assert tiny.revision == before
    assert np.array_equal(pickle.loads(pickle.dumps(tuned)).predict(X), tuned.predict(X))


def test_the_order_of_rows_does_not_matter(waves, options):
    X, hertz, people = (values[:24] for values in waves)
    tuned = FineTunedRegressor(**{**options, "epochs": 1}).fit(X, hertz, groups=people)
    backwards = clone(tuned).fit(X[::-1], hertz[::-1], groups=people[::-1])
    assert np.array_equal(backwards.predict(X), tuned.predict(X))


def test_the_same_seed_gives_the_same_network(waves, options):
    X, hertz, _ = waves
    tuned = FineTunedRegressor(**{**options, "epochs": 1}).fit(X[:16], hertz[:16])
    assert np.array_equal(clone(tuned).fit(X[:16], hertz[:16]).predict(X), tuned.predict(X))
    assert not np.array_equal(
        clone(tuned).set_params(random_state=1).fit(X[:16], hertz[:16]).predict(X), tuned.predict(X)
    )


def test_numbers_are_learned_in_their_own_unit(waves, options):
    X, hertz, people = waves
    tuned = FineTunedRegressor(method="last", **options).fit(X[:32], 100 + hertz[:32], groups=people[:32])
    assert tuned.score(X[32:], 100 + hertz[32:]) > 0.8


def test_a_row_is_the_mean_of_its_windows(waves, options):
    X, hertz, _ = waves
    tuned = FineTunedRegressor(method="probe", **options).fit(X, hertz)
    halves = tuned.predict(X[:, :, :100]), tuned.predict(X[:, :, 100:])
    assert np.allclose(tuned.set_params(window=1.0).predict(X), np.mean(halves, axis=0), rtol=1e-4)


def test_nobody_both_trains_and_chooses_the_epoch(waves, options, monkeypatch):
    X, hertz, people = waves
    seen = []
    fine_tune = finetuned.fine_tune

    def watched(encoder, frozen, y, objective, parts, *rest):
        seen.append(parts)
        return fine_tune(encoder, frozen, y, objective, parts, *rest)

    monkeypatch.setattr(finetuned, "fine_tune", watched)
    FineTunedClassifier(method="probe", window=1.0, **{**options, "epochs": 1}).fit(X, hertz > 5, groups=people)
    owner = np.repeat(people, 2)  # two windows a row
    train, validation = (set(owner[rows]) for rows in (seen[0].train, seen[0].validation))
    assert not train & validation
    assert len(train) == 8
    assert len(validation) == 2


def test_what_cannot_be_fitted_is_told(waves, options):
    X, hertz, people = waves
    with pytest.raises(UsageError, match="y has one class only"):
        FineTunedClassifier(**options).fit(X, np.ones(40))
    with pytest.raises(UsageError, match=r"validation is 0\.2, and there are 2 groups"):
        FineTunedRegressor(**options).fit(X, hertz, groups=people % 2)
    with pytest.raises(UsageError, match=r"one row in 5, and no class has 5 rows"):
        FineTunedClassifier(**options).fit(X[:6], np.arange(6) % 2)
    unknown = np.where(people == 3, np.nan, people)
    with pytest.raises(UsageError, match="4 of 40 rows have no group, the first is row 12"):
        FineTunedRegressor(**options).fit(X, hertz, groups=unknown)
    for wrong in ({"method": "lroa"}, {"pooling": "maen"}):
        with pytest.raises(UsageError, match=r"There is no (method 'lroa'|pooling 'maen'): choose "):
            FineTunedRegressor(**options, **wrong).fit(X, hertz)
    with pytest.raises(UsageError, match="lr is 0; a learning rate must be positive"):
        FineTunedRegressor(**{**options, "lr": 0}).fit(X, hertz)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        FineTunedRegressor(**options).fit(X, hertz[:30])
    gone = X.copy()
    gone[7] = np.nan
    with pytest.raises(DataError, match=r"1 of 40 windows lack a valid .* token; the first is at 0 s of recording '7'"):
        FineTunedRegressor(**options).fit(gone, hertz)
