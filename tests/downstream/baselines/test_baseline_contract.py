"""Every registered baseline keeps the contract, and a baseline that breaks it is found."""

import numpy as np
import pytest
from contracts.baselines import Windows, check, check_baseline

from biosig.downstream.baselines import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    return Windows(tmp_path_factory.mktemp("contract"))


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_keeps_the_contract(name, windows):
    check(name, windows)


class Nearest(Baseline):
    """The value of the training window whose mean is the nearest."""

    name = "nearest"
    title = "nearest mean"
    kinds = ("number",)
    modalities = frozenset({"ecg"})
    seedless = True

    def fit_predict(self, context, job):
        x = self.features(context, job)
        x_train, train = x[job.parts.train], context.y[job.parts.train]
        nearest = np.abs(x[job.parts.test][:, None] - x_train).argmin(axis=1)
        return FoldPredictions(None, self.finish(train[nearest], context, job))

    def features(self, context, job):
        return np.array([context.windows[row][0].values.mean(dtype=float) for row in range(len(context.windows))])

    def finish(self, prediction, context, job):
        return prediction


class NoTitle(Nearest):
    title = ""


class SharesItsSeeds(Nearest):
    seed_id = 0


class ReadsTestLabels(Nearest):
    def finish(self, prediction, context, job):
        return prediction + context.y[job.parts.test].mean()


class LearnsFromTestWindows(Nearest):
    def finish(self, prediction, context, job):
        return prediction + self.features(context, job)[job.parts.test].mean()


class NeverTheSame(Nearest):
    def finish(self, prediction, context, job):
        return prediction + np.random.default_rng().normal()


class UsesItsSeedInSecret(Nearest):
    def finish(self, prediction, context, job):
        return prediction + np.random.default_rng(job.key).normal()


class CannotDifferBySeed(Nearest):
    seedless = False


class LacksARow(Nearest):
    def finish(self, prediction, context, job):
        return prediction[1:]


class FitsNoClasses(Nearest):
    kinds = ("number", "classes")


class DefaultForWhatItCannotFit(Nearest):
    @classmethod
    def suits(cls, kind, modalities, demographics):
        return "ecg" in modalities


class DefaultForWhatItCannotRead(Nearest):
    @classmethod
    def suits(cls, kind, modalities, demographics):
        return kind == "number"


class HidesThatItNeedsOneLayout(Nearest):
    def features(self, context, job):
        return np.stack([context.windows[row][0].values for row in range(len(context.windows))]).mean(axis=(1, 2))


def planted(monkeypatch, baseline):
    """The baseline, registered for one test."""
    monkeypatch.setitem(BASELINES._members, baseline.name, baseline)
    return baseline


def test_a_baseline_that_keeps_the_contract_passes(monkeypatch, windows):
    check_baseline(planted(monkeypatch, Nearest), windows)


@pytest.mark.parametrize("broken", Nearest.__subclasses__(), ids=lambda member: member.__name__)
def test_a_broken_baseline_fails_the_contract(broken, monkeypatch, windows):
    with pytest.raises((AssertionError, ValueError)):
        check_baseline(planted(monkeypatch, broken), windows)
