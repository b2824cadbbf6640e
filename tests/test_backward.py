"""Files that version 0.1.0 wrote are read with the values that they had there, and without a warning.

`fixtures/make_0_1_0.py` made them. Embeddings and weights are equal to the bit on the machine that made them, and as
near as float32 allows on another.
"""

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from fixtures.machine import digest, machine
from safetensors.torch import load_file

import biosig
from biosig import config as configuration
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.finetune.classifier import load_classifier
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.retrieval.config import RetrievalConfig
from biosig.downstream.waveform.config import WaveformConfig
from biosig.errors import UsageError
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.objectives.reconstruct import rebuild_window

OLD = Path(__file__).parent / "fixtures" / "0.1.0"
EXPECTED = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
SEEN_BY = {"reconstruction": "ecg", "reve": "eeg", "csfm": "ecg"}
"""Of each objective, the shards that its stored embeddings are of."""

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A copy of the files, as working directory: their paths are relative to it."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")


@pytest.fixture(autouse=True)
def no_warning_is_logged(caplog):
    yield
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def verb(name):
    (point,) = entry_points(group="biosig.verbs", name=name)
    return point.load()


def assert_same(got, wanted):
    if machine() == EXPECTED["machine"]:
        assert torch.equal(torch.as_tensor(got), torch.as_tensor(wanted))
    else:
        torch.testing.assert_close(torch.as_tensor(got), torch.as_tensor(wanted), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", EXPECTED["shards"])
def test_shards(name):
    assert verb("verify")(OLD / "shards" / name) == 0
    found = {recording.id: recording for recording in (r.read() for r in biosig.open_shards(OLD / "shards" / name))}
    assert found.keys() == EXPECTED["shards"][name].keys()
    for key, wanted in EXPECTED["shards"][name].items():
        recording, streams = found[key], found[key].streams
        assert [digest(stream.samples) for stream in streams] == wanted["samples"]
        assert [float(np.nansum(np.abs(s.physical()), dtype=np.float64)) for s in streams] == wanted["physical"]
        assert recording.ch_names == wanted["channels"]
        assert recording.subject.id == wanted["subject"]
        assert {label: str(value) for label, value in recording.labels.items()} == wanted["labels"]
        assert recording.report == wanted["report"]


@pytest.mark.parametrize("objective", SEEN_BY)
def test_a_checkpoint_embeds_to_the_same_numbers(objective):
    model = biosig.load_model(OLD / "pretrain" / objective / "model")
    assert model.trained
    table = biosig.embed(model, OLD / "shards" / SEEN_BY[objective], window=4.0)
    vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False)).astype(np.float32)
    assert_same(vectors, load_file(OLD / "expected.safetensors")[objective])


@pytest.mark.parametrize("objective", SEEN_BY)
def test_a_pretraining_that_was_stopped_ends_with_the_weights_of_one_that_was_not(objective, old):
    run = Path("pretrain") / f"{objective}-half"
    assert verb("pretrain")(run / "config.yaml") == 0
    finished = Path("pretrain") / objective / "model" / "model.safetensors"
    one, other = load_file(run / "model" / "model.safetensors"), load_file(finished)
    assert one.keys() == other.keys()
    for name, weights in one.items():
        assert_same(weights, other[name])
    steps = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in steps if line["part"] == "train"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("objective", SEEN_BY)
def test_a_pretraining_that_has_ended_is_not_run_again(objective, old):
    run = Path("pretrain") / objective
    before = (run / "log.jsonl").read_bytes()
    assert verb("pretrain")(run / "config.yaml") == 0
    assert (run / "log.jsonl").read_bytes() == before


@pytest.mark.parametrize("objective", SEEN_BY)
def test_the_decoder_of_a_run_rebuilds_windows(objective, old):
    recording = biosig.open_shards(Path("shards") / SEEN_BY[objective])[0].read().crop(0, 4)
    (rebuilt,) = rebuild_window(Path("pretrain") / objective, recording)
    assert rebuilt.mask.any()
    assert (rebuilt.reconstruction != rebuilt.truth)[rebuilt.mask].all()


@pytest.mark.parametrize("name", ["probe", "finetune"])
def test_a_result_folder_is_rated_again_to_its_scores(name, old, capsys):
    assert verb("evaluate")(Path("results") / name) == 0
    assert "Scores are as saved." in capsys.readouterr().out
    assert (Path("results") / name / "report.html").exists()


@pytest.mark.filterwarnings("default")  # of too few subjects, which 0.1.0 knew too
def test_its_hand_made_features_still_predict_what_was_saved(old):
    changes = ["baselines=[handmade-0.1]", "out=results/again"]
    run_probe(configuration.load(ProbeConfig, Path("results/probe/config.yaml"), changes))
    saved, again = (
        pd.read_parquet(f"results/{name}/predictions.parquet").query(f"method == '{method}'")["score_abnormal"]
        for name, method in (("probe", "handmade"), ("again", "handmade-0.1"))
    )
    assert len(saved) == 24
    assert_same(again.to_numpy(), saved.to_numpy())


def test_result_folders_are_compared(old, capsys):
    assert verb("compare")((Path("results/probe"), Path("results/finetune")), out=Path("compared.csv")) == 0
    table = pd.read_csv("compared.csv").set_index(["run", "metric"])["value"]
    for run in ("results/probe", "results/finetune"):
        scores = json.loads((Path(run) / "metrics.json").read_text(encoding="utf-8"))["scores"]
        assert [table[run, s["metric"]] for s in scores if s["method"] == "model"] == [
            s["value"] for s in scores if s["method"] == "model"
        ]


def test_tuned_weights_predict_what_was_saved(old):
    folder = Path("results/finetune")
    weights = folder / "weights" / "fold-0-seed-0"
    _, use = load_classifier(weights)
    assert use.target.classes == {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]}
    assert verb("predict")(weights, Path("shards/ecg"), out=Path("predicted.parquet")) == 0
    saved = pd.read_parquet(folder / "predictions.parquet").query("method == 'model'")
    keys = ["recording", "onset"]
    both = saved.merge(pd.read_parquet("predicted.parquet"), on=keys, suffixes=("", "_again"))
    assert len(both) == len(saved)
    column = "score_abnormal"
    np.testing.assert_allclose(both[column], both[f"{column}_again"], atol=1e-5)


def test_a_fine_tuning_that_was_stopped_is_refused_because_its_folds_are_others_now(old):
    left = {path: path.read_bytes() for path in Path("results/.half.partial").rglob("*") if path.is_file()}
    values = yaml.safe_load(Path("results/finetune/config.yaml").read_text(encoding="utf-8"))
    Path("half.yaml").write_text(yaml.safe_dump({**values, "out": "results/half"}, sort_keys=False), encoding="utf-8")
    with pytest.raises(UsageError, match=r"run of version 0\.1\.0, whose folds .* differ now: finish it"):
        verb("finetune")(Path("half.yaml"))
    assert {path: path.read_bytes() for path in left} == left
    assert not Path("results/half").exists()


def test_a_result_of_0_1_0_stands_beside_one_of_the_same_windows_in_other_folds(old, capsys):
    values = yaml.safe_load(Path("results/probe/config.yaml").read_text(encoding="utf-8"))
    Path("again.yaml").write_text(yaml.safe_dump({**values, "out": "results/again"}, sort_keys=False), encoding="utf-8")
    assert verb("probe")(Path("again.yaml")) == 0
    assert verb("compare")((Path("results/probe"), Path("results/again")), out=Path("compared.csv")) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "on the same windows in different folds" in printed


CONFIGS = {
    "pretrain": PretrainConfig,
    "finetune": FineTuneConfig,
    "probe": ProbeConfig,
    "qa": QaConfig,
    "waveform": WaveformConfig,
    "retrieval": RetrievalConfig,
}
MEANT = {
    "pretrain/biosig-joint.yaml": ("masking", "BlockMasking"),
    "pretrain/biosig-small.yaml": ("masking", "BlockMasking"),
    "pretrain/csfm-narrow.yaml": ("masking", "CsfmMasking"),
    "pretrain/csfm-tiny.yaml": ("masking", "CsfmMasking"),
    "pretrain/reve-base-released.yaml": ("masking", "ReveMasking"),
    "pretrain/reve-base.yaml": ("masking", "ReveMasking"),
    "finetune/eegmmidb-left-right-loso.yaml": ("split", "SubjectKFold"),
    "finetune/mitdb-beats-ds1-ds2.yaml": ("split", "QuerySplit"),
    "probe/eegmmidb-left-right.yaml": ("split", "SubjectKFold"),
    "qa/ecgqa-ptbxl.yaml": ("questions", "QuestionFiles"),
    "qa/ptbxl-made.yaml": ("questions", "GeneratedQuestions"),
    "retrieval/ptbxl-csfm.yaml": ("split", "QuerySplit"),
    "waveform/bidmc-ecg-ppg-to-abp.yaml": ("split", "SubjectKFold"),
    "waveform/ptbxl-lead-ii.yaml": ("split", "QuerySplit"),
}
"""Of each file, the key whose class its other keys tell, and that class."""


def leaves(value, key=""):
    """Each value that is no mapping, with its own key, wherever it stands."""
    if isinstance(value, Mapping):
        return [leaf for name, item in value.items() for leaf in leaves(item, str(name))]
    return [leaf for item in value for leaf in leaves(item, key)] if isinstance(value, list) else [(key, value)]


def test_each_file_is_held_to_a_class():
    assert sorted(str(path.relative_to(OLD / "configs")) for path in (OLD / "configs").rglob("*.yaml")) == sorted(MEANT)


@pytest.mark.parametrize("name", MEANT)
def test_a_yaml_file_means_what_it_meant(name):
    values = yaml.safe_load((OLD / "configs" / name).read_text(encoding="utf-8"))
    config = configuration.load(CONFIGS[name.split("/")[0]], OLD / "configs" / name)
    key, cls = MEANT[name]
    assert type(getattr(config, key)).__name__ == cls
    if name.startswith("pretrain"):  # its one term stands in a list now
        assert [term.name for term in config.objective] == [values.pop("objective", "reconstruction")]
    got = leaves(configuration.to_dict(config))
    assert [leaf for leaf in leaves(values) if _number(leaf) not in list(map(_number, got))] == []
    assert configuration.load(type(config), configuration.to_dict(config)) == config


def _number(leaf):
    """A leaf whose value is a float where it can be one: YAML 1.1 reads 3e-4 as text."""
    key, value = leaf
    try:
        return key, value if isinstance(value, bool) or value is None else float(value)
    except ValueError:
        return leaf
