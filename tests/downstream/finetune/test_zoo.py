"""Public encoders in the tasks: probed, tuned by their last blocks or beside their attention, kept and applied."""

import pytest
import torch

import biosig
from biosig import config as configuration
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.finetune.classifier import Classifier, load_classifier
from biosig.downstream.finetune.config import FineTuneConfig, FineTuneStage
from biosig.downstream.finetune.lora import merge
from biosig.downstream.finetune.losses import TaskLoss
from biosig.downstream.finetune.stages import make_trainable
from biosig.errors import UsageError
from biosig.models.zoo.ecgfounder import ECGFounder
from biosig.models.zoo.kim import KimJEPA
from biosig.models.zoo.model import random_model

pytestmark = pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")

CONFIG = {
    "model": "x",
    "target": {
        "label": "diagnostic_superclass",
        "classes": {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]},
    },
    "windows": {"length": 10.0},
    "split": {"folds": 2, "validation": 0.25},
    "device": "cpu",
    "n_bootstrap": 100,
    "baselines": ["chance"],
}
TOWER = ECGFounder(n_chans=1, widths=(16, 32), blocks=(1, 2))  # one lead: cleaning twelve takes most of the time
JEPA = KimJEPA(embed_dim=96, depth=2)


TRAINED = {
    "last": lambda key: key.startswith(("stage_list.1.block_list.1.", "blocks.1.", "norm.")),
    "lora": lambda key: key.endswith(("attention.qkv.weight", "attention.out.weight")),
    "full": lambda key: True,
}
"""Which of the networks' weights a method trains."""


def _tuning(shards, method, out):
    stage = {"lr": 1e-3, "epochs": 1}
    values = CONFIG | {"shards": str(shards.folder), "pooling": "cls", "probe": stage, "out": str(out)}
    return configuration.load(FineTuneConfig, values | {"tune": {**stage, "method": method, "blocks": 1}})


def test_a_probe_has_its_rows_and_says_what_the_makers_trained_on(ecg_shards):
    model = random_model(TOWER)
    model.trained = True
    values = CONFIG | {"shards": str(ecg_shards.folder), "baselines": ["chance", "random_weights"]}
    result = run_probe(configuration.load(ProbeConfig, values), model=model)
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance", "random_weights"]
    assert any("makers of ECGFounder say that it was trained on heedb" in note for note in result.notes)


@pytest.mark.parametrize(("sizes", "method"), [(TOWER, "last"), (JEPA, "lora"), (JEPA, "last"), (TOWER, "full")])
def test_tuned_weights_are_kept_and_change_only_what_was_trained(ecg_shards, tmp_path, sizes, method):
    model = random_model(sizes)
    before = {key: value.clone() for key, value in model.encoder.module.state_dict().items()}
    result = run_finetune(_tuning(ecg_shards, method, tmp_path / "out"), model=model)
    assert result.table.query("method == 'model'")["value"].notna().all()
    folder = sorted((tmp_path / "out").rglob("classifier.json"))[0].parent
    classifier, _ = load_classifier(folder)
    after = classifier.encoder.module.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed <= {key for key in before if TRAINED[method](key)}  # the epoch that validation chose may be none
    assert biosig.load_model(folder).embed_dim == model.embed_dim


@pytest.mark.parametrize(("sizes", "method"), [(TOWER, "last"), (JEPA, "lora"), (JEPA, "last"), (TOWER, "full")])
def test_a_step_changes_all_that_a_method_trains_and_nothing_else(sizes, method):
    encoder = random_model(sizes).encoder
    before = {key: value.clone() for key, value in encoder.module.state_dict().items()}
    classifier = Classifier(encoder, TaskLoss("classes", ("a", "b")), "cls")
    adapted = make_trainable(classifier, FineTuneStage(lr=1e-2, epochs=1, method=method, blocks=1), [0])
    x = torch.randn(2, len(encoder.config.contract["ecg"].ch_names), encoder.config.contract["ecg"].patch_size)
    optimizer = torch.optim.SGD([weight for weight in classifier.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(2):  # of LoRA's two matrices one is zero at first, so that the other moves in the second step
        optimizer.zero_grad()
        encoder.module(x, list(range(x.shape[1])))[1].square().sum().backward()
        optimizer.step()
    after = (merge(adapted) if adapted is not None else encoder).module.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if TRAINED[method](key) and not key.startswith("dense.")}


def test_lora_without_attention_is_refused(ecg_shards, tmp_path):
    with pytest.raises(UsageError, match="has no attention, and LoRA changes nothing else"):
        run_finetune(_tuning(ecg_shards, "lora", tmp_path / "out"), model=random_model(TOWER))
