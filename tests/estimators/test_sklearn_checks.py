"""scikit-learn's own checks of its conventions, over embeddings, and over signals made of the numbers they feed."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from biosig import (
    EmbeddingClassifier,
    EmbeddingRegressor,
    EmbeddingTransformer,
    FeatureTransformer,
    FineTunedClassifier,
    FineTunedRegressor,
)
from biosig.estimators.finetuned import FineTunedEstimator
from biosig.estimators.inputs import signal_rows

NAMES = [f"{row}{column}" for row in ("F", "C", "P", "O") for column in (*range(1, 9), "z")]
WAVE = np.sin(0.3 * np.arange(40) ** 1.1)[None, None]


@parametrize_with_checks([EmbeddingClassifier(), EmbeddingRegressor()], xfail_strict=True)
def test_nothing_is_wrong_over_embeddings(estimator, check):
    check(estimator)


class OfNumbers:
    """The checks feed rows of numbers: each becomes a window, and each number the size of a wave in a channel."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.allow_nan = True, False
        return tags

    def _rows(self, X, contract, reset):
        X = validate_data(self, X, reset=reset, dtype=np.float64)
        return signal_rows(WAVE[:, :, ::-1] + X[:, :, None] * WAVE, contract, None, NAMES[: X.shape[1]], 100.0, "eeg")


class Transformer(OfNumbers, EmbeddingTransformer):
    pass


class Features(OfNumbers, FeatureTransformer):
    pass


class Classifier(OfNumbers, EmbeddingClassifier):
    pass


class Regressor(OfNumbers, EmbeddingRegressor):
    pass


class TunedClassifier(OfNumbers, FineTunedClassifier):
    pass


class TunedRegressor(OfNumbers, FineTunedRegressor):
    pass


LEARNING = "check_classifiers_train", "check_regressors_train"
ROUNDING = "float32: the seventh digit of a vector changes with the size of the batch; test_transformer.py has 1e-5"
SHORT = {"method": "probe", "epochs": 1, "random_state": 0}
OVER_SIGNALS = [
    Transformer("biosig-tiny"),
    Features(kinds=["eeg"]),
    Classifier("biosig-tiny", C=1.0),
    Regressor("biosig-tiny", alpha=1.0),
    TunedClassifier("biosig-tiny", **SHORT),
    TunedRegressor("biosig-tiny", **SHORT),
]


@pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")
@parametrize_with_checks(OVER_SIGNALS, legacy=False)
def test_the_interface_is_kept_over_signals(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")
@parametrize_with_checks(OVER_SIGNALS, expected_failed_checks=lambda _: {"check_methods_subset_invariance": ROUNDING})
def test_nothing_is_wrong_over_signals(estimator, check):
    if isinstance(estimator, FineTunedEstimator) and check.func.__name__ in LEARNING:
        pytest.skip(
            "it wants 300 rows learned well, which takes longer than one epoch; test_finetuned.py sees learning"
        )
    check(estimator)
