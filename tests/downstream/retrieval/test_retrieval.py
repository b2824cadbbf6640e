"""Reports and signals matched: what counts as a hit, what chance is, and a run from shards to saved weights."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.batches.contract import prepare
from biosig.cli.run_config import retrieve
from biosig.downstream.retrieval.config import RetrievalConfig
from biosig.downstream.retrieval.model import RetrievalModel, load_retrieval_model, ranked
from biosig.downstream.retrieval.run import chance_recall_at_k, recall_at_k, run_retrieval
from biosig.errors import DataError, UsageError
from biosig.models import checkpoint
from biosig.models.encoder import Encoder
from biosig.models.load import build_model
from biosig.models.presets import preset
from biosig.models.text import SHIPPED, Tokenizer
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index

CONFIGS = Path(__file__).parents[3] / "configs" / "retrieval"


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """24 people's ECG with their reports, one of them without."""
    out = tmp_path_factory.mktemp("reports")
    folder = samples.path("ptbxl")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for number, row in enumerate(
            pd.read_csv(folder / "ptbxl_database.csv").drop_duplicates("patient_id").head(24).itertuples()
        ):
            recording = biosig.read(folder / f"{row.filename_lr}.hea")
            report = None if number == 23 else row.report
            subject = Subject(f"P{row.patient_id:.0f}")
            writer.add(replace(recording, subject=subject, report=report, labels={"fold": number % 3}))
    build_index(out)
    config = replace(preset("biosig-tiny"), embed_dim=32, depth=1, num_heads=1)
    checkpoint.save(Encoder(config), False, out / "model", tokenizer=Tokenizer.default())
    return out


def _values(shards, **changes):
    return {
        "model": str(shards / "model"),
        "shards": str(shards),
        "split": {"train": "fold == 0", "validation": "fold == 1", "test": "fold == 2"},
        "length": 2.0,
        "embed_dim": 16,
        "training": {"epochs": 2, "batch_size": 8},
        "n_bootstrap": 100,
        "device": "cpu",
        **changes,
    }


def test_chance_is_what_random_orders_give():
    rng = np.random.default_rng(0)
    report_number = np.array([0, 0, 0, 0, 1, 1, 2, 3, 4, 5])
    same = report_number[:, None] == report_number[None]
    orders = [np.argsort(rng.random((10, 10)), axis=1) for _ in range(1000)]
    for k in (1, 5, 10):
        drawn = np.mean([recall_at_k(order, same, [k])[f"recall@{k}"] for order in orders], axis=0)
        np.testing.assert_allclose(chance_recall_at_k(same.sum(axis=1), 10, k), drawn, atol=0.05)
    assert chance_recall_at_k(np.array([1]), 5, 9) == 1


def test_an_equal_report_is_a_hit():
    same = np.array([[True, False, True], [False, True, False], [True, False, True]])
    order = np.array([[1, 2, 0], [2, 0, 1], [2, 1, 0]])
    found = recall_at_k(order, same, [1, 2])
    assert found["rank"].tolist() == [2, 3, 1]
    assert found["recall@1"].tolist() == [0, 0, 1]
    assert found["recall@2"].tolist() == [1, 0, 1]


def test_the_nearest_come_first():
    gallery = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.manual_seed(0)), dim=1)
    assert ranked(gallery, gallery)[:, 0].tolist() == list(range(6))


def test_the_loss_shares_right_answers_among_equal_reports():
    network = RetrievalModel(build_model("biosig-tiny").encoder, 8)
    axes = torch.eye(8)
    alone = network.loss(axes[:4], axes[:4], torch.eye(4, dtype=torch.bool))
    assert alone < 0.01
    report_number = torch.tensor([0, 0, 1, 2])
    vectors = axes[report_number]
    with_equals = network.loss(vectors, vectors, report_number[:, None] == report_number[None])
    assert with_equals.item() == pytest.approx(
        math.log(2) / 2, abs=0.01
    )  # two of four cannot be told apart, nor need be
    assert network.loss(axes[:4], axes[[1, 0, 2, 3]], torch.eye(4, dtype=torch.bool)) > 5


def test_vectors_do_not_depend_on_company(reported):
    model = build_model("biosig-tiny")
    network = RetrievalModel(model.encoder, 16).eval()
    windows = [prepare(recording.read(0.0, 2.0), model.contract) for recording in biosig.open_shards(reported)[:3]]
    words = [model.tokenizer.encode(text) for text in ("sinusrhythmus", "normales ekg", "linkstyp t abnormal")]
    with torch.inference_mode():
        for vectors_of, items in ((network.of_signals, windows), (network.of_reports, words)):
            together = vectors_of(items)
            torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
            torch.testing.assert_close(
                torch.cat([vectors_of([item]) for item in items]), together, atol=1e-5, rtol=1e-5
            )


def test_pairs_are_learned_by_heart(reported):
    torch.manual_seed(0)
    model = build_model("biosig-tiny")
    network = RetrievalModel(model.encoder, 16).train()
    stored = list(biosig.open_shards(reported))[:8]
    windows = [prepare(recording.read(0.0, 2.0), model.contract) for recording in stored]
    words = [model.tokenizer.encode(f"{recording.report} {number}") for number, recording in enumerate(stored)]
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(40):
        signals, reports = network.of_signals(windows), network.of_reports(words)
        loss = network.loss(signals, reports, torch.eye(8, dtype=torch.bool))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (ranked(signals, reports)[:, 0] == torch.arange(8)).float().mean() >= 0.75


def test_a_run_from_a_configuration_to_saved_weights(reported, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    configuration.dump(configuration.load(RetrievalConfig, _values(reported)), path)
    assert retrieve(path, (f"out={tmp_path / 'run'}",)) == 0
    printed = capsys.readouterr().out
    assert "1 of 24 recordings have no report" in printed
    assert "most frequent" in printed
    saved = load_retrieval_model(tmp_path / "run" / "weights" / "fold-0")
    assert biosig.load_model(tmp_path / "run" / "weights" / "fold-0").tokenizer is not None
    result = run_retrieval(configuration.load(RetrievalConfig, _values(reported)))
    table = result.table.set_index(["direction", "method", "metric"])["value"]
    assert table["report to signal", "chance", "recall@1"] < table["report to signal", "chance", "recall@5"] < 1
    assert 0 < table["signal to report", "chance", "recall@1"] < 1
    assert ("report to signal", "most frequent", "recall@1") not in table.index
    assert len(result.predictions.query("method == 'model' and direction == 'report to signal'")) == 7
    with torch.inference_mode():
        assert saved.of_reports([[5, 6, 7]]).shape == (1, 16)


def test_csfm_needs_a_tokenizer_and_takes_one(reported, tmp_path):
    encoder = Encoder(replace(preset("csfm-tiny"), embed_dim=32, depth=1, num_heads=1, head_dim=32))
    folder = str(checkpoint.save(encoder, False, tmp_path / "csfm"))
    with pytest.raises(UsageError, match="no tokenizer"):
        run_retrieval(configuration.load(RetrievalConfig, _values(reported, model=folder)))
    changes = {"model": folder, "tokenizer": str(SHIPPED), "training": {"epochs": 1}, "at": [1]}
    result = run_retrieval(configuration.load(RetrievalConfig, _values(reported, **changes)))
    assert result.facts["cohort"]["n_recordings"] == 7


def test_reports_that_are_too_long_are_an_error_or_cut(reported, tmp_path):
    config = preset("biosig-tiny")
    encoder = Encoder(replace(config, depth=1, text=replace(config.text, n_tokens=3)))
    folder = str(checkpoint.save(encoder, False, tmp_path / "short"))
    changes = {"model": folder, "tokenizer": str(SHIPPED), "training": {"epochs": 1}}
    with pytest.raises(DataError, match="reads up to 3"):
        run_retrieval(configuration.load(RetrievalConfig, _values(reported, **changes)))
    result = run_retrieval(configuration.load(RetrievalConfig, _values(reported, **changes, cut_reports=True)))
    assert any("longer than the 3 tokens" in note for note in result.notes)


def test_a_model_without_text_is_refused(reported):
    with pytest.raises(UsageError, match="no text modality"):
        run_retrieval(configuration.load(RetrievalConfig, _values(reported, model="reve-small")))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_configurations_load(path):
    assert configuration.load(RetrievalConfig, path).training.batch_size > 1
