"""The pieces of fine-tuning: low-rank changes, alignment, mixup, pooling."""

import builtins
import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import biosig
from biosig.batches.packed import pack
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.data.batch_sources import FrozenExamples, PackedExamples
from biosig.downstream.data.mixup import MixupDraw, draw, mixed
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.finetune.classifier import Classifier, load_classifier, save_classifier
from biosig.downstream.finetune.config import FineTuneStage
from biosig.downstream.finetune.lora import add_lora, merge
from biosig.downstream.finetune.losses import TaskLoss
from biosig.downstream.finetune.signature import InputSignature
from biosig.downstream.finetune.stages import make_trainable
from biosig.errors import DataError, UsageError
from biosig.evaluate.calibration import Calibration
from biosig.models.encoder import Encoder
from biosig.models.presets import preset
from biosig.models.text import Tokenizer
from biosig.models.tokens import Tokens

TWO = TaskLoss("classes", ("a", "b"))


@pytest.fixture(scope="module")
def windows(eeg):
    """Six windows of 2 s with eight channels."""
    stream = eeg.streams[0].pick(list(range(8)))
    recording = replace(eeg, streams=[stream]).crop(0.0, 12.0)
    model = biosig.build_model("biosig-tiny")
    prepared = PreparedWindows(fixed_length_windows(RecordingList([recording]), 2.0), model.contract)
    assert prepared.survey().all()
    return prepared


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return Classifier(biosig.build_model("biosig-tiny").encoder, TWO)


def _batch(windows, rows=range(6)):
    return pack([windows[row] for row in rows], windows.contract)


def test_lora_trains_its_own_matrices_the_head_and_the_query_alone(windows, classifier):
    make_trainable(classifier, FineTuneStage(lr=1e-2, epochs=1, rank=4), key=[0])
    trained = {name for name, p in classifier.named_parameters() if p.requires_grad}
    before = copy.deepcopy(classifier.state_dict())
    optimiser = torch.optim.AdamW([p for p in classifier.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):  # the first step moves B from zero, the second A
        optimiser.zero_grad()
        nn.functional.cross_entropy(classifier(_batch(windows)), torch.tensor([0, 1, 0, 1, 0, 1])).backward()
        optimiser.step()
    moved = {name for name, tensor in classifier.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == trained
    depth = len(classifier.encoder.blocks)
    lora = {name for name in moved if "lora_" in name}
    assert len(lora) == depth * 2 * 2  # A and B beside qkv and out
    assert moved - lora == {"head.0.weight", "head.2.weight", "head.2.bias", "encoder.pool.query"}


def test_the_last_blocks_and_what_follows_them_are_trained_alone(classifier):
    assert make_trainable(classifier, FineTuneStage(lr=1e-2, epochs=1, method="last", blocks=2), key=[0]) is None
    trained = {name for name, p in classifier.named_parameters() if p.requires_grad}
    depth = len(classifier.encoder.blocks)
    tail = ("encoder.norm.", "encoder.pool.", "head.", *(f"encoder.blocks.{i}." for i in (depth - 2, depth - 1)))
    assert trained == {name for name, _ in classifier.named_parameters() if name.startswith(tail)}
    with pytest.raises(UsageError, match=f"has {depth} blocks"):
        make_trainable(classifier, FineTuneStage(lr=1e-2, epochs=1, method="last", blocks=99), key=[0])


def test_lora_starts_from_the_model_and_merges_to_the_same_outputs(windows, classifier):
    encoder = classifier.encoder
    batch = _batch(windows)
    names = list(encoder.state_dict())
    with torch.no_grad():
        original = encoder(batch)
        adapted = add_lora(encoder, rank=4, alpha=8.0)
        torch.testing.assert_close(encoder(batch), original)
        for name, parameter in encoder.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.05)
        changed = encoder(batch)
        assert not torch.allclose(changed, original, atol=1e-3)
        merged = merge(adapted)
        torch.testing.assert_close(merged(batch), changed, atol=1e-5, rtol=1e-4)
    assert list(merged.state_dict()) == names


def test_without_peft_the_extra_is_named(classifier, monkeypatch):
    _absent(monkeypatch, "peft")
    with pytest.raises(UsageError, match=r"biosig-fm\[peft\]"):
        add_lora(classifier.encoder, 4, 4.0)


def _absent(monkeypatch, package):
    load = builtins.__import__

    def fails(name, *args, **kwargs):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fails)


def test_mixup_averages_windows_of_one_layout_and_leaves_others_alone(windows):
    batch = [windows[0], windows[1], windows[2]]
    mix = MixupDraw(0.25, np.array([1, 0, 2]))
    got = mixed(batch, mix)
    np.testing.assert_allclose(got[0][0].values, 0.25 * batch[0][0].values + 0.75 * batch[1][0].values, atol=1e-6)
    assert got[0][0].log_scale == pytest.approx(batch[0][0].log_scale * 0.25 + batch[1][0].log_scale * 0.75)
    assert got[2][0] is batch[2][0]
    rng = np.random.default_rng(0)
    drawn = [draw(["x", "y", "x", None, "y", "x"], rng) for _ in range(200)]
    for one in drawn:
        assert one.partner[3] == 3
        assert sorted(one.partner[[0, 2, 5]]) == [0, 2, 5]
        assert sorted(one.partner[[1, 4]]) == [1, 4]
    weights = np.array([one.weight for one in drawn])
    assert weights.mean() == pytest.approx(0.5, abs=0.07)
    assert weights.std() == pytest.approx(12**-0.5, abs=0.04)


def test_frozen_tokens_give_what_the_encoder_gives_whatever_is_kept(windows, classifier):
    classifier.eval()
    device = torch.device("cpu")
    with torch.no_grad():
        direct = classifier(PackedExamples(windows, device).batch([4, 0, 2]))
        for keep in (0, 1e5, 1e9):
            frozen = FrozenExamples(windows, classifier.encoder, device, keep)
            frozen.batch([2, 3])
            torch.testing.assert_close(classifier(frozen.batch([4, 0, 2])), direct, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["attention", "mean", "flatten"])
def test_pooling_reads_valid_tokens_in_their_order(pooling):
    encoder = biosig.build_model("biosig-tiny").encoder
    classifier = Classifier(encoder, TWO, pooling, n_tokens=3)
    values = torch.randn(6, 128)
    values[4] = 0  # not valid
    valid = torch.tensor([True, True, True, True, False, True])
    tokens = Tokens(values, valid, torch.tensor([0, 0, 0, 1, 1, 1]), 2, None, torch.zeros(6), torch.zeros(6).long())
    pooled = classifier.pooled(tokens)
    for i, own in enumerate((values[:3], values[[3, 5]])):
        weights = (own @ encoder.pool.query / 128**0.5).softmax(0)
        vector = own.mean(0) if pooling == "mean" else weights @ own
        torch.testing.assert_close(pooled[i, :128], vector, atol=1e-5, rtol=1e-4)
    if pooling == "flatten":
        torch.testing.assert_close(pooled[:, 128:], values.reshape(2, -1))


def test_a_head_reads_the_windows_own_token_frozen_or_not(ecg):
    config = replace(preset("csfm-tiny"), embed_dim=64, num_heads=1, depth=1)
    encoder = Encoder(config).eval()
    prepared = PreparedWindows(fixed_length_windows(RecordingList([ecg]), 5.0), config.contract)
    assert prepared.survey().all()
    with pytest.raises(UsageError, match="has no pool query"):
        Classifier(encoder, TWO)
    with pytest.raises(UsageError, match="has no token per window"):
        Classifier(biosig.build_model("biosig-tiny").encoder, TWO, "cls")
    classifier = Classifier(encoder, TWO, "cls").eval()
    classifier.train_head_only()
    assert {name for name, p in classifier.named_parameters() if p.requires_grad} == {
        "head.0.weight",
        "head.2.weight",
        "head.2.bias",
    }
    device = torch.device("cpu")
    with torch.no_grad():
        packed = PackedExamples(prepared, device).batch([1, 0])
        direct = classifier(packed)
        torch.testing.assert_close(classifier.pooled(Tokens.of(encoder, packed)), encoder.encode(packed)[1])
        frozen = classifier(FrozenExamples(prepared, encoder, device, 1e9).batch([1, 0]))
    torch.testing.assert_close(frozen, direct, atol=1e-5, rtol=1e-4)
    assert make_trainable(classifier, FineTuneStage(lr=1e-2, epochs=1, rank=2), key=[0]) is not None


def test_a_classifier_comes_back_from_its_folder(windows, classifier, tmp_path):
    classifier.eval()
    classifier.calibration = Calibration("temperature", "classes", (1.5,))
    use = InputSignature(
        Target(label="x", classes={"a": ["A"], "b": ["B"]}), WindowPlan(length=2.0), "none", ["Cz"], [["Cz"]]
    )
    save_classifier(classifier, use, tmp_path / "tuned", "# card", Tokenizer.default())
    again, its_use = load_classifier(tmp_path / "tuned")
    assert (again.calibration, its_use) == (classifier.calibration, use)
    assert biosig.load_model(tmp_path / "tuned").tokenizer.encode("sinus") == Tokenizer.default().encode("sinus")
    with torch.no_grad():
        assert torch.equal(again(_batch(windows)), classifier(_batch(windows)))
    (tmp_path / "tuned" / "classifier.json").unlink()
    with pytest.raises(DataError, match="tuned weights"):
        load_classifier(tmp_path / "tuned")
