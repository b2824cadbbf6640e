"""Heads that pretraining made are kept with the weights, and give named numbers beside the vectors."""

import math

import numpy as np
import pytest
import torch

import biosig
from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.errors import DataError, UsageError
from biosig.models.checkpoint import HEADS_CONFIG, HEADS_WEIGHTS
from biosig.models.heads.pooled import PooledHeadConfig
from biosig.models.model import Model
from biosig.pretrain.build import build_encoder
from biosig.pretrain.config import EncoderSize, PretrainConfig, SourceConfig
from biosig.pretrain.objectives.configs.criteria import CriteriaConfig
from biosig.pretrain.objectives.configs.features import FeaturesConfig
from biosig.pretrain.objectives.neck import pooled_tokens
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.targets import Targets
from biosig.tensor_files import read_tensors, write_tensors

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = ("ecg.rate", "ecg.score_qrs_120", "ppg.rate")
VALUES = np.array([[60, 0.1, 61], [70, 0.9, 70], [80, 0.5, 82]], np.float32)


@pytest.fixture(scope="module")
def objective(tmp_path_factory):
    run = PretrainConfig(
        out=tmp_path_factory.mktemp("run"),
        sources=[SourceConfig(tmp_path_factory.mktemp("none"))],
        model="biosig-tiny",
        encoder=EncoderSize(embed_dim=32, depth=1, num_heads=2, head_dim=16),
    )
    torch.manual_seed(0)
    targets = Targets({"features": NAMES}, {"features": VALUES})
    objective = Objective(build_encoder(run), (FeaturesConfig(), CriteriaConfig()), targets=targets)
    for name, buffer in objective.terms.named_buffers():  # as after some training
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
        if name.endswith("running_mean"):
            buffer.normal_()
    return objective.eval()


@pytest.fixture
def folder(objective, tmp_path):
    return Model(objective.encoder, True, heads=objective.heads()).save(tmp_path / "model")


def test_a_loaded_models_heads_give_what_the_terms_predict_in_the_columns_own_units(objective, folder, bedside, ecg):
    model = biosig.load_model(folder)
    assert [head.config.columns for head in model.heads] == [("ecg.rate",), ("ppg.rate",), ("ecg.score_qrs_120",)]
    contract = model.contract
    batch = pack([prepare(bedside.crop(0, 4), contract), prepare(ecg.crop(0, 4), contract)], contract)
    with torch.no_grad():
        views = objective.views(batch, torch.zeros(batch.n_tokens, dtype=torch.bool))
        features, criteria = (term.parts["ecg"] for term in objective.terms)
        windows, pooled = pooled_tokens(views, views.full(), "ecg")
        rate = features.absolute(features.neck(pooled))[:, 0] * features.scale + features.centre
        wide = criteria.logits(criteria.neck(pooled))[:, 0].sigmoid()
    assert windows.tolist() == [0, 1]
    found = model.read_heads(batch)
    assert torch.allclose(found[0][:, 0], rate, atol=1e-3)
    assert torch.allclose(found[2][:, 0], wide, atol=1e-4)
    assert found[1][0].isfinite().all()
    assert found[1][1].isnan().all()  # an ECG alone has no pulse


def test_embed_gives_a_column_for_each_number_in_the_rows_of_its_modality(folder, bedside, ecg):
    model = biosig.load_model(folder)
    without = biosig.embed(model, [bedside.crop(0, 8), ecg.crop(0, 8)], window=4.0)
    table = biosig.embed(model, [bedside.crop(0, 8), ecg.crop(0, 8)], window=4.0, heads=True, batch_tokens=60)
    added = [name for name in table.column_names if name.startswith("head.")]
    assert added == ["head.ecg.rate", "head.ppg.rate", "head.ecg.score_qrs_120"]
    assert table.drop(added).to_pandas().drop(columns="vector").equals(without.to_pandas().drop(columns="vector"))
    for row in table.to_pylist():
        for name in added:
            other = name.split(".")[1] != row["modality"]
            assert (row[name] is None) == other
            assert other or math.isfinite(row[name])
    assert all(0 < row["head.ecg.score_qrs_120"] < 1 for row in table.to_pylist() if row["modality"] == "ecg")


def test_heads_that_are_asked_of_a_model_without_are_refused(tiny, ecg):
    with pytest.raises(UsageError, match="'biosig-tiny' has no heads: leave heads out"):
        biosig.embed(tiny, ecg, heads=True)


def test_every_key_of_the_heads_must_match(folder):
    state = read_tensors(folder / HEADS_WEIGHTS)
    state["0.linear.other"] = torch.zeros(1)
    del state["1.centre"]
    write_tensors(state, folder / HEADS_WEIGHTS)
    with pytest.raises(DataError, match=r"missing: 1\.centre; left over: 0\.linear\.other"):
        biosig.load_model(folder)


def test_a_model_that_is_saved_over_one_with_heads_has_none(folder, tiny):
    tiny.save(folder)
    assert not (folder / HEADS_CONFIG).exists()
    assert not (folder / HEADS_WEIGHTS).exists()
    assert biosig.load_model(folder).heads == []


def test_two_heads_of_one_column_are_refused(objective):
    terms = (FeaturesConfig(), FeaturesConfig(huber=2.0))
    with pytest.raises(UsageError, match=r"Two heads give ecg\.rate, ppg\.rate"):
        Objective(objective.encoder, terms, targets=Targets({"features": NAMES}, {"features": VALUES}))


def test_a_head_is_made_of_what_its_configuration_says():
    head = PooledHeadConfig("ecg", ("a", "b"), width=8).make(4)
    assert head.linear.weight.shape == (2, 8)
    assert head.neck.linear.weight.shape == (8, 12)
