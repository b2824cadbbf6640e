"""Pretraining with reports: CSFM's recipe and the joint one learn words too, and go on exactly where they were."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import biosig
from biosig import config, samples
from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.pretrain.build import build_words, encoder_config, resize
from biosig.pretrain.config import EncoderSize, PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.masking.csfm import CsfmMasking
from biosig.pretrain.objectives.configs.csfm import CsfmConfig
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.objectives.reconstruct import rebuild_window
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.training.config import OptimizerConfig

CONFIGS = Path(__file__).parents[2] / "configs" / "pretrain"
SMALL = DecoderConfig(32, 1, 2)
NARROW = EncoderSize(embed_dim=64, depth=2, num_heads=2, head_dim=32, n_words=1066)


@pytest.fixture(scope="module")
def shards(tmp_path_factory, eeg, bedside):
    """Twelve ECGs of 4 s with their reports, 8 s of a bedside monitor, 8 s of EEG."""
    folder = tmp_path_factory.mktemp("shards")
    reports = pd.read_csv(samples.path("ptbxl") / "ptbxl_database.csv").set_index("ecg_id")["report"]
    with ShardWriter(folder / "mixed.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:12]):
            recording = replace(biosig.read(path).crop(0, 4), report=reports[int(path.name[:5])])
            writer.add(replace(recording, subject=biosig.Subject(f"p{number}")))
        writer.add(bedside.crop(0, 8))
        writer.add(replace(eeg.crop(0, 8), subject=biosig.Subject("s1")))
    build_index(folder)
    return folder


@pytest.fixture
def csfm(shards, tmp_path):
    return PretrainConfig(
        out=tmp_path / "csfm",
        sources=[SourceConfig(shards)],
        model="csfm-tiny",
        encoder=NARROW,
        window=4.0,
        steps=6,
        batch_tokens=1100,
        masking=CsfmMasking(),
        objective=(CsfmConfig(decoder=SMALL),),
        validation=0.25,
        validate_every=3,
        checkpoint_every=2,
        log_every=1,
        precision="float32",
        device="cpu",
    )


@pytest.fixture
def joint(csfm, tmp_path):
    masking = BlockMasking(modality_dropout=0.2)
    return replace(
        csfm,
        out=tmp_path / "joint",
        model="biosig-tiny",
        encoder=EncoderSize(),
        masking=masking,
        objective=(ReconstructionConfig(decoder=SMALL),),
    )


def logged(run, part):
    lines = [json.loads(line) for line in (run.out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["part"] == part]


class Stopped(Exception):
    pass


def test_it_goes_on_exactly_dropout_and_all(csfm, tmp_path):
    whole = pretrain(replace(csfm, out=tmp_path / "whole"))

    def stop(stage, step, *_):
        if step == 5:
            raise Stopped

    with pytest.raises(Stopped):
        pretrain(csfm, stop)
    torch.rand(3)  # whatever else draws
    one, other = (biosig.load_model(folder).encoder.state_dict() for folder in (whole, pretrain(csfm)))
    assert all(torch.equal(one[name], other[name]) for name in one)
    (rebuilt,) = rebuild_window(csfm.out, biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]).crop(0, 4))
    assert rebuilt.mask.mean() == pytest.approx(0.75, abs=0.01)


def test_what_comes_out_reads_text(csfm):
    folder = pretrain(csfm)
    model = biosig.load_model(folder)
    assert model.name == "csfm-tiny-64x2"
    assert model.tokenizer.encode("Sinusrhythmus. Normales EKG") == biosig.models.text.Tokenizer.default().encode(
        "sinusrhythmus, normales ekg"
    )
    assert "in the 1,066 words of `tokenizer.json`; none of them was cut" in (folder / "README.md").read_text()
    table = biosig.embed(model, csfm.sources[0].shards, window=4.0, reports=True)
    assert table["modality"].to_pylist()[0] == "ecg+text"
    assert len(logged(csfm, "validation")) == 2
    assert {"loss_ecg", "loss_text", "mean_predictor_ecg", "loss_global"} < logged(csfm, "validation")[0].keys()


@pytest.mark.parametrize(("name", "n_steps"), [("csfm", 80), ("joint", 45)])
def test_the_losses_of_signals_and_words_fall(name, n_steps, request):
    run = request.getfixturevalue(name)
    run = replace(run, steps=n_steps, validation=0.0, checkpoint_every=1000, optimizer=OptimizerConfig(lr=3e-3))
    pretrain(run)
    steps = logged(run, "train")
    words = [step["loss_text"] for step in steps if "loss_text" in step]
    assert np.mean(words[-8:]) < 0.7 * np.mean(words[:8])
    for modality in ("ecg", "eeg", "ppg") if name == "joint" else ("ecg",):
        of_mean = [s[f"loss_{modality}"] / s[f"mean_predictor_{modality}"] for s in steps if f"loss_{modality}" in s]
        assert np.mean(of_mean[-8:]) < 0.98 * np.mean(of_mean[:8]), modality


def test_without_reports_there_are_no_words(joint):
    folder = pretrain(replace(joint, reports=False, steps=1))
    assert "loss_text" not in logged(joint, "train")[0]
    assert biosig.load_model(folder).tokenizer is None


def test_reports_that_are_too_long_are_cut_and_it_is_said(joint, ecg, tmp_path, caplog):
    with ShardWriter(tmp_path / "long.h5", recipe={}) as writer:
        writer.add(replace(ecg, report="sinus " * 200))
    build_index(tmp_path)
    folder = pretrain(replace(joint, sources=[SourceConfig(tmp_path)], steps=1, validation=0.0))
    assert caplog.text.count("1 reports are longer than 128 tokens and are cut there") == 1
    assert "1 of them were cut to 128 tokens" in (folder / "README.md").read_text()


def test_a_size_of_its_own(csfm):
    encoder = encoder_config(csfm)
    assert (encoder.embed_dim, encoder.depth, encoder.text.n_words) == (64, 2, 1066)
    assert resize(preset("csfm-tiny"), EncoderSize()) == preset("csfm-tiny")
    with pytest.raises(UsageError, match="reve-small reads no text"):
        resize(preset("reve-small"), EncoderSize(n_words=9))
    assert config.load(PretrainConfig, config.to_dict(csfm)) == csfm


def test_an_objective_for_another_kind_of_encoder_is_refused(csfm, joint):
    with pytest.raises(UsageError, match=r"needs a pooling .*'csfm-tiny-64x2' has not: .*objective .*csfm"):
        pretrain(replace(csfm, objective=(ReconstructionConfig(),)))
    with pytest.raises(UsageError, match=r"needs a token per window and learned leads.*objective .*reconstruction"):
        pretrain(replace(joint, objective=(CsfmConfig(),)))


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_what_is_published_of_csfms_recipe(size):
    run = config.load(PretrainConfig, CONFIGS / f"csfm-{size}.yaml")
    assert encoder_config(run).embed_dim == preset(f"csfm-{size}").embed_dim == 768
    assert (run.masking.mask_ratio, run.masking.text_ratio) == (0.75, 0.5)
    assert run.optimizer.name == "adamw"
    assert (run.optimizer.weight_decay, run.optimizer.betas) == (0.05, (0.9, 0.95))
    assert (run.optimizer.schedule, run.optimizer.warmup) == ("cosine", 0.05)
    assert run.window == 10.0


def test_the_joint_recipe_is_of_all_signals_and_words():
    run = config.load(PretrainConfig, CONFIGS / "biosig-joint.yaml")
    assert encoder_config(run).contract.keys() == {"ecg", "ppg", "eeg"}
    assert build_words(run) is not None
    assert run.masking.modality_dropout > 0
