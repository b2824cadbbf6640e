"""Keys that were renamed are read by their old names too, give the same configuration, and are saved by the new."""

import re

import pytest

from biosig import config as configuration
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.retrieval.config import RetrievalConfig
from biosig.downstream.waveform.config import WaveformConfig
from biosig.errors import UsageError
from biosig.pretrain.config import PretrainConfig

TASK = {
    "model": "biosig-tiny",
    "shards": "shards",
    "target": {"label": "sex", "classes": {"female": ["F"], "male": ["M"]}},
    "windows": {"length": 5.0},
    "split": {"name": "folds"},
}
LABELS = {"label": "code", "labels": {"a": ["1"], "b": ["2"]}}
EVENTS = {"events": {"a": ["A"], "b": ["B"]}, "label_interval": 2.0}
ONE_EPOCH = {"lr": 1e-3, "epochs": 1, "mixup": False}
SPANS = {**TASK, "target": EVENTS, "probe": ONE_EPOCH, "tune": ONE_EPOCH}
QA = {"model": "biosig-tiny", "shards": "shards", "questions": {"name": "generated", "most": 5}}
WAVEFORM = {"model": "biosig-tiny", "shards": "shards", "inputs": ["I"], "targets": ["II"], "split": {"name": "folds"}}
RETRIEVAL = {"model": "biosig-tiny", "shards": "shards", "split": {"name": "folds"}}
RENAMED = [
    (ProbeConfig, {**TASK, "target": LABELS}, "target.worth", "target.challenge_weights", [[1.0, 0.5], [0.5, 1.0]]),
    (FineTuneConfig, {**SPANS, "target": {"events": EVENTS["events"]}}, "target.every", "target.label_interval", 2.5),
    (FineTuneConfig, SPANS, "target.otherwise", "target.background_class", "none"),
    (ProbeConfig, {**TASK, "target": {}}, "target.measure", "target.target_channel", "HR"),
    (ProbeConfig, {**TASK, "target": {"rate": "N"}}, "target.plausible", "target.valid_range", [20.0, 300.0]),
    (ProbeConfig, TASK, "windows.at_most", "windows.max_windows", 3),
    (ProbeConfig, TASK, "without", "skip_baselines", ["xresnet"]),
    (FineTuneConfig, TASK, "without", "skip_baselines", ["xresnet"]),
    (FineTuneConfig, TASK, "divisor", "amplitude_divisor", 100.0),
    (FineTuneConfig, TASK, "convolutional", "network_stage", {"lr": 0.1, "epochs": 3}),
    (ProbeConfig, TASK, "keep_gb", "cache_gb", 1.5),
    (FineTuneConfig, TASK, "keep_gb", "cache_gb", 1.5),
    (WaveformConfig, WAVEFORM, "keep_gb", "cache_gb", 1.5),
    (RetrievalConfig, RETRIEVAL, "keep_gb", "cache_gb", 1.5),
    (QaConfig, QA, "keep_gb", "cache_gb", 1.5),
    (PretrainConfig, {"out": "runs/a", "sources": [{"shards": "shards"}]}, "keep_gb", "cache_gb", 1.5),
]
EACH = pytest.mark.parametrize(
    ("cls", "values", "old", "new", "value"), RENAMED, ids=[f"{cls.__name__}-{old}" for cls, _, old, *_ in RENAMED]
)


def given(values, path, value):
    """The values with one more, at a dotted path."""
    key, _, rest = path.partition(".")
    return {**values, key: given(values.get(key, {}), rest, value) if rest else value}


def at(values, path):
    for key in path.split("."):
        values = values[key]
    return values


@EACH
def test_an_old_key_gives_the_same_configuration_and_is_saved_by_the_new(cls, values, old, new, value, tmp_path):
    wanted = configuration.load(cls, given(values, new, value))
    assert at(configuration.to_dict(wanted), new) == at(given({}, new, value), new) or isinstance(value, dict)
    assert configuration.load(cls, given(values, old, value)) == wanted
    configuration.dump(wanted, tmp_path / "config.yaml")
    assert configuration.load(cls, tmp_path / "config.yaml") == wanted
    keys = re.findall(r"(?m)^ *(\w+):", (tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert old.rpartition(".")[2] not in keys


@EACH
def test_an_override_may_have_either_name_whichever_the_file_has(cls, values, old, new, value):
    wanted = configuration.load(cls, given(values, new, value))
    for in_file in (old, new):
        for overridden in (old, new):
            assert configuration.load(cls, given(values, in_file, value), [f"{overridden}={value!r}"]) == wanted


@EACH
def test_both_names_at_once_are_refused(cls, values, old, new, value):
    with pytest.raises(UsageError, match=re.escape(f"{old} and {new} are one key")):
        configuration.load(cls, given(given(values, new, value), old, value))
