"""Inside the cross-validation of scikit-learn and of MOABB."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biosig import EmbeddingClassifier, EmbeddingTransformer, FineTunedClassifier
from biosig.models.model import RandomWeightsWarning

FEW = np.arange(32) % 8 < 4
"""Half of the epochs of each of the four people."""


@pytest.fixture
def pipeline(tiny):
    return make_pipeline(EmbeddingTransformer(tiny), StandardScaler(), LogisticRegression(C=0.01))


def test_people_are_left_out_of_epochs(pipeline, epochs, microvolts, described, y, people):
    epochs_scores = cross_val_score(pipeline, epochs, y, groups=people, cv=GroupKFold(4), error_score="raise")
    pipeline.set_params(**{f"embeddingtransformer__{name}": value for name, value in described.items()})
    array_scores = cross_val_score(pipeline, microvolts, y, groups=people, cv=GroupKFold(4), error_score="raise")
    assert epochs_scores.shape == (4,)
    assert np.array_equal(epochs_scores, array_scores)


def test_the_pooling_is_searched_over_epochs(tiny, epochs, y, people):
    search = GridSearchCV(
        EmbeddingClassifier(tiny),
        {"pooling": ["attention", "mean", "mean+std"]},
        cv=GroupKFold(2),
        scoring="roc_auc",
        error_score="raise",
    )
    search.fit(epochs[FEW], y[FEW], groups=people[FEW])
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert search.predict_proba(epochs[:3]).shape == (3, 2)
    assert search.best_estimator_.pooling == search.best_params_["pooling"]


def test_weights_and_groups_are_routed(tiny, epochs, y, people):
    epochs, y, people = epochs[FEW], y[FEW], people[FEW]
    heavy = np.where(y == "rest", 100.0, 1.0)
    with config_context(enable_metadata_routing=True):
        weighted = EmbeddingClassifier(tiny).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        tuned = FineTunedClassifier(tiny, method="probe", epochs=1, validation=0.5).set_fit_request(groups=True)
        found = cross_validate(
            weighted,
            epochs,
            y,
            cv=GroupKFold(2),
            params={"groups": people, "sample_weight": heavy},
            return_estimator=True,
            error_score="raise",
        )
        assert all((one.predict(epochs) == "rest").mean() > 0.9 for one in found["estimator"])
        cross_validate(tuned, epochs, y, cv=GroupKFold(2), params={"groups": people}, error_score="raise")


@pytest.mark.filterwarnings("ignore")
def test_moabb_evaluates_the_transformer_in_a_pipeline(pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("MNE_DATA", str(tmp_path))
    moabb = pytest.importorskip("moabb")
    from moabb.datasets.fake import FakeDataset
    from moabb.evaluations import CrossSessionEvaluation
    from moabb.paradigms import LeftRightImagery

    moabb.set_log_level("error")
    events = ("left_hand", "right_hand")
    dataset = FakeDataset(events, n_sessions=2, n_runs=1, n_subjects=2, seed=0, duration=60, n_events=12)
    pipelines = {"epochs": pipeline, "array": clone(pipeline)}
    pipelines["array"][0].set_params(ch_names=["C3", "Cz", "C4"], sfreq=128.0, kind="eeg")
    scores = {}
    for name, one in pipelines.items():
        evaluation = CrossSessionEvaluation(
            paradigm=LeftRightImagery(),
            datasets=[dataset],
            overwrite=True,
            hdf5_path=str(tmp_path),
            suffix=name,
            return_epochs=name == "epochs",
        )
        scores[name] = evaluation.process({name: one}).sort_values(["subject", "session"])["score"].to_numpy()
    assert len(scores["epochs"]) == 4  # two people, each session tested by a model of the other
    assert np.allclose(scores["epochs"], scores["array"])


def test_random_weights_are_said(epochs):
    with pytest.warns(RandomWeightsWarning, match="biosig-tiny"):
        EmbeddingTransformer("biosig-tiny").fit_transform(epochs[:1])
