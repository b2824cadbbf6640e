"""The contract of a baseline: what holds for every member of the registry."""

from dataclasses import replace
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.baselines import BASELINES
from biosig.downstream.baselines.context import BaselineContext, FitJob
from biosig.downstream.baselines.defaults import drop_incompatible
from biosig.downstream.data.batch_sources import FrozenExamples
from biosig.downstream.data.label_windows import Target
from biosig.downstream.data.splits import Split
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.finetune.config import FineTuneStage, LossConfig, TrainingSpec, TrainingStage
from biosig.errors import DataError
from biosig.evaluate.metrics import Kind
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards

MODALITIES = ("ecg", "eeg", "ppg")
N_RECORDINGS, SECONDS, LENGTH = 8, 12.0, 3.0
SOURCES = {"ecg": ("ptbxl", "*_lr.hea"), "eeg": ("eegmmidb", "*.edf"), "ppg": ("bidmc", "*_Signals.csv.gz")}
TARGETS = {
    "classes": Target(label="x", classes={"a": ["a"], "b": ["b"], "c": ["c"]}),
    "multilabel": Target(label="x", labels={"a": ["a"], "b": ["b"]}),
    "number": Target(label="x"),
    "survival": Target(time="t", event="e"),
}
STAGE = TrainingStage(lr=1e-3, epochs=1, warmup=0, batch_size=8, mixup=False)


class Windows:
    """Windows of real recordings with made-up labels, written to shards below a folder when first asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.model = biosig.build_model("biosig-tiny", seed=0)
        self.shards = cache(self._shards)

    def _recordings(self, modality):
        source, pattern = SOURCES[modality]
        paths = sorted(samples.path(source).rglob(pattern))
        found = [biosig.read(paths[n % len(paths)]) for n in range(N_RECORDINGS)]
        for n, recording in enumerate(found):
            stream = next(s for s in recording.streams if any(c.kind == modality for c in s.channels))
            rows = [row for row, c in enumerate(stream.channels) if c.kind == modality][:3]
            seconds = min(SECONDS, recording.duration)
            one = replace(recording, id=f"{n}", streams=[stream.pick(rows)], annotations=[])
            (stream,) = one.crop(0.0 if modality == "ecg" else 4.0 * n, seconds).streams
            subject = Subject(f"S{n}", 30.0 + 5 * (n % 5), ("male", "female")[n % 2])
            yield replace(one, streams=[replace(stream, onset=0.0)], subject=subject)

    def _shards(self, modality, changed, layouts):
        """Recordings; with `changed` the last is another signal, with two `layouts` the first lacks channels."""
        folder = self.folder / f"{modality}-{changed}-{layouts}"
        folder.mkdir()
        with ShardWriter(folder / "a.h5", recipe={}) as writer:
            for n, recording in enumerate(self._recordings(modality)):
                (stream,) = recording.streams
                if changed and n == N_RECORDINGS - 1:
                    stream = replace(stream, samples=np.ascontiguousarray(stream.samples[:, ::-1]) * 3)
                if layouts == 2 and n == 0:
                    stream = stream.pick([0])
                writer.add(replace(recording, streams=[stream]))
        build_index(folder)
        return open_shards(folder)

    def job(self, baseline, modality, kind, seed=0, labels=0, changed=False, layouts=1):
        """A context, a job, and which rows of the test part are the same whether or not signals are changed."""
        ds = self.shards(modality, changed, layouts)
        windows = fixed_length_windows(ds, LENGTH)
        recording, rng = windows.recording, np.random.default_rng(5)
        parts = Split(*(np.flatnonzero(np.isin(recording, r)) for r in ((0, 1, 2, 3), (4, 5), (6, 7))))
        y = _labels(kind, len(windows), rng)
        y[parts.test] = _labels(kind, len(parts.test), np.random.default_rng(labels))
        prepared = PreparedWindows(windows, self.model.contract)
        prepared.survey()
        context = BaselineContext(
            self.model,
            prepared,
            y,
            TARGETS[kind],
            FrozenExamples(prepared, self.model.encoder, self.model.device, 1e9),
            TrainingSpec(STAGE, FineTuneStage(lr=0.0, epochs=0, mixup=False, method="probe")),
            STAGE,
            STAGE,
            LossConfig(),
            network_width=8,
            network_minutes=1e-4,  # an epoch
        )
        job = FitJob(baseline.name, parts, seed=seed, seed_id=baseline.seed_id)
        return context, job, recording[parts.test] != N_RECORDINGS - 1


def _labels(kind, n, rng):
    if kind == "classes":
        return rng.permutation(np.resize([0, 1, 2], n))
    if kind == "multilabel":
        return np.stack([rng.permutation(np.resize([0.0, 1.0], n)) for _ in range(2)], axis=1)
    if kind == "number":
        return rng.normal(70, 10, n)
    return np.stack((rng.exponential(5.0, n), rng.permutation(np.resize([0.0, 1.0, 1.0], n))), axis=1)


def check(name, windows=None):
    """The member of that name is called so and keeps the contract."""
    assert BASELINES[name].name == name
    with TemporaryDirectory() as folder:
        check_baseline(BASELINES[name], windows or Windows(Path(folder)))


def check_baseline(baseline, windows):
    """Properties; shapes for each kind and modality; seeds; that the test part is predicted and no more; layouts."""
    _check_properties(baseline)
    first = next(m for m in MODALITIES if m in baseline.modalities)
    for kind, modality in [(k, first) for k in baseline.kinds] + [(baseline.kinds[0], m) for m in baseline.modalities]:
        context, job, _ = windows.job(baseline, modality, kind)
        _check_predictions(baseline().fit_predict(context, job), context, job)
        assert all(isinstance(remark, str) for remark in baseline().remarks(context))
    kind = baseline.kinds[0]
    _check_seeds_and_split(baseline, windows, first, kind)
    _check_layouts(baseline, windows, first, kind)


def _check_properties(baseline):
    assert baseline.name, "a baseline has a name"
    assert baseline.title, "a baseline has a title"
    assert baseline.kinds, "a baseline fits a kind of target"
    assert set(baseline.kinds) <= set(get_args(Kind))
    assert baseline.modalities, "a baseline reads a modality"
    assert baseline.modalities <= set(MODALITIES)
    others = {member.seed_id for name, member in BASELINES.items() if name != baseline.name}
    assert baseline.seed_id not in {0, *others}, "its random numbers are its own, and 0 is the model's"
    for modalities in chain.from_iterable(combinations(MODALITIES, n) for n in (1, 2, 3)):
        for kind in get_args(Kind):
            if baseline.suits(kind, modalities, True):
                assert kind in baseline.kinds or kind == "answers", "a default fits the kind"
                assert baseline.modalities & set(modalities), "a default reads one of the modalities"


def _check_predictions(predictions, context, job):
    validation, test = predictions
    for rows, values in ((job.parts.validation, validation), (job.parts.test, test)):
        if values is None:
            assert rows is job.parts.validation, "the test part is predicted"
            continue
        n_columns = len(context.target.class_names)
        assert values.shape == ((len(rows), n_columns) if n_columns else (len(rows),)), "a prediction for each row"
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
        if n_columns:
            assert ((values >= 0) & (values <= 1)).all(), "probabilities"
        if context.target.kind == "classes":
            np.testing.assert_allclose(values.sum(axis=1), 1, rtol=1e-5)


def _check_seeds_and_split(baseline, windows, modality, kind):
    def predictions(**changes):
        context, job, unchanged = windows.job(baseline, modality, kind, **changes)
        validation, test = baseline().fit_predict(context, job)
        return validation, test, test[unchanged]

    own = predictions()
    for name, other in (
        ("the same seed gives the same numbers", predictions()),
        ("labels of the test part are not looked at", predictions(labels=1)),
    ):
        np.testing.assert_array_equal(own[1], other[1], err_msg=name)
        if own[0] is not None:
            np.testing.assert_array_equal(own[0], other[0], err_msg=name)
    changed = predictions(changed=True)
    np.testing.assert_array_equal(own[2], changed[2], err_msg="a test window changes its own prediction only")
    if own[0] is not None:
        np.testing.assert_array_equal(own[0], changed[0], err_msg="test windows change no prediction of validation")
    reseeded = predictions(seed=1)
    assert np.array_equal(own[1], reseeded[1]) == baseline.seedless, "the seed matters unless it is said not to"


def _check_layouts(baseline, windows, modality, kind):
    context, job, _ = windows.job(baseline, modality, kind, layouts=2)
    if baseline.needs_one_layout:
        with pytest.raises(DataError, match=rf"the baseline {baseline.name} needs the same channels"):
            drop_incompatible([baseline.name], {modality}, context.windows, [baseline.name])
        kept, remarks = drop_incompatible([baseline.name], {modality}, context.windows, [])
        assert kept == []
        assert f"The baseline {baseline.name} is left out" in remarks[0]
    else:
        _check_predictions(baseline().fit_predict(context, job), context, job)
    absent = {"emg"} | set(MODALITIES) - baseline.modalities
    with pytest.raises(DataError, match=f"the baseline {baseline.name} reads"):
        drop_incompatible([baseline.name], absent, context.windows, [baseline.name])
