"""The loop learns, resumes exactly, and leaves a checkpoint that says what it has seen."""

import json
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import yaml

import biosig
from biosig import config, samples
from biosig.errors import DataError, UnreadableError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.file_sums import EditedWarning
from biosig.models.build import make_encoder
from biosig.models.model import LongWindowWarning
from biosig.pretrain import precision
from biosig.pretrain.build import build_encoder, build_objective, encoder_config
from biosig.pretrain.config import EncoderSize, PretrainConfig, SourceConfig, TeacherConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.masking.reve import ReveMasking
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.objectives.configs.reve import ReveConfig
from biosig.pretrain.objectives.reconstruct import rebuild_window
from biosig.pretrain.target_tables import target_names
from biosig.pretrain.windows import load_windows
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.tensor_files import read_tensors
from biosig.training.config import OptimizerConfig

SMALL = DecoderConfig(32, 1, 2)
SIZES = ("small", "base", "large")


@pytest.fixture(scope="module")
def shards(tmp_path_factory, eeg, bedside):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "mixed.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:12]):
            writer.add(replace(biosig.read(path), subject=biosig.Subject(f"p{number // 2}")))
        writer.add(replace(eeg.crop(0, 20), subject=biosig.Subject("s1")))
        writer.add(bedside.crop(0, 20))
    build_index(folder)
    return folder


@pytest.fixture
def run(shards, tmp_path):
    return PretrainConfig(
        out=tmp_path / "run",
        sources=[SourceConfig(shards)],
        model="biosig-tiny",
        steps=6,
        batch_tokens=900,
        objective=(ReconstructionConfig(decoder=SMALL),),
        validation=0.25,
        validate_every=3,
        checkpoint_every=2,
        log_every=1,
        precision="float32",
        device="cpu",
    )


def weights(folder):
    return biosig.load_model(folder).encoder.state_dict()


class Stopped(Exception):
    pass


KILLED = """
import os, signal, sys
import torch
from biosig import config
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain
torch.set_num_threads(1)

def progress(stage, step, steps, note):
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

pretrain(config.load(PretrainConfig, sys.argv[1]), progress)
"""


def test_killed_and_run_again_it_ends_with_the_same_weights(run, tmp_path):
    whole = pretrain(replace(run, out=tmp_path / "whole"))
    config.dump(run, tmp_path / "run.yaml")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "run.yaml", "5"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (run.out / "model").exists()
    steps = []
    resumed = pretrain(run, lambda stage, step, *_: steps.append(step))
    assert steps == [5, 6]
    one, other = weights(whole), weights(resumed)
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = [json.loads(line) for line in (run.out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["part"] == "train"] == [1, 2, 3, 4, 5, 6]


def test_the_published_weights_are_the_moving_average_of_all_steps_and_go_on_to_the_bit(run, tmp_path):
    """With decay 0.5 the average is the mean of the first two steps, and from the third on half of it is left."""
    run, seen = replace(run, ema=0.5, steps=4, checkpoint_every=1), []
    for steps in range(1, 5):
        stopped = replace(run, out=tmp_path / f"to{steps}")

        def stop(stage, step, *_, last=steps):
            if step == last:
                raise Stopped

        with pytest.raises(Stopped):
            pretrain(stopped, stop)
        tensors = read_tensors(stopped.out / "training.safetensors")
        seen.append({name.removeprefix("network.encoder."): x for name, x in tensors.items() if "network.e" in name})
    one, two, three, four = seen
    published, resumed = (weights(pretrain(replace(run, out=tmp_path / name))) for name in ("whole", "to2"))
    assert all(torch.equal(published[name], resumed[name]) for name in published)
    for name, average in published.items():
        torch.testing.assert_close(average, ((one[name] + two[name]) / 4 + three[name] / 2) / 2 + four[name] / 2)
    assert not all(torch.equal(average, four[name]) for name, average in published.items())
    card = (tmp_path / "to2" / "model" / "README.md").read_text()
    assert "moving average of those of all steps, with decay 0.5." in card
    with pytest.raises(UsageError, match="ema is 1; it must be"):
        replace(run, ema=1.0)


@pytest.fixture
def half(run):
    """The run, stopped after its fifth step, with a checkpoint of the fourth."""

    def stop(stage, step, *_):
        if step == 5:
            raise Stopped

    with pytest.raises(Stopped):
        pretrain(run, stop)
    return run


def test_sigterm_leaves_a_checkpoint_of_the_step_and_status_143(run, tmp_path):
    whole = pretrain(replace(run, out=tmp_path / "whole"))
    config.dump(run, tmp_path / "run.yaml")
    asked = subprocess.run(
        [sys.executable, "-c", KILLED.replace("SIGKILL", "SIGTERM"), tmp_path / "run.yaml", "3"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert asked.returncode == 143
    steps = []
    resumed = pretrain(run, lambda stage, step, *_: steps.append(step))
    assert steps[0] in (4, 5)  # the signal came in the third step or, where it was late, in the fourth
    one, other = weights(whole), weights(resumed)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_of_two_runs_into_one_folder_the_second_is_refused(run):
    def second(*_):
        with pytest.raises(UsageError, match="Another pretrain is writing to"):
            pretrain(run)
        raise Stopped

    with pytest.raises(Stopped):
        pretrain(run, second)
    assert not (run.out / ".lock").exists()


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-9], lambda c: c * 2, lambda c: c[:999] + bytes([c[999] ^ 1]) + c[1000:]]
)
def test_a_checkpoint_that_is_not_whole_is_named_and_kept(half, damage):
    path = half.out / "training.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UnreadableError, match=r"training\.safetensors is damaged.* delete it to train from the start"):
        pretrain(half)
    assert path.exists()


def test_a_checkpoint_that_is_gone_is_told(half, caplog):
    (half.out / "training.safetensors").unlink()
    steps = []
    pretrain(half, lambda stage, step, *_: steps.append(step))
    assert steps[0] == 1
    assert "training.safetensors is gone: training begins at its first step again" in caplog.text


def test_a_configuration_that_was_edited_is_told(half):
    path = half.out / "config.yaml"
    path.write_text(path.read_text() + "# mine\n")
    with pytest.warns(EditedWarning, match=r"config\.yaml was edited"):
        pretrain(half)


def test_a_full_disk_is_a_sentence_and_leaves_the_last_checkpoint(run, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", small]
    if subprocess.run(mount, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    there = replace(run, out=small / "run")
    try:
        with pytest.raises(DataError, match=r"training\.safetensors cannot be written \(.*[Nn]o space.*\): make room"):
            pretrain(there)
        subprocess.run(["mount", "-o", "remount,size=90m", small], check=True)
        steps = []
        pretrain(there, lambda stage, step, *_: steps.append(step))
        assert steps[0] == 3
    finally:
        subprocess.run(["umount", small], check=True)


def test_reves_recipe_goes_on_exactly_too(run, tmp_path, eeg):
    reve = replace(
        run,
        objective=(ReveConfig(decoder=SMALL),),
        masking=ReveMasking(),
        position_noise=0.0025,
        optimizer=OptimizerConfig(name="stable_adamw", schedule="trapezoid", eps=1e-9, clip_norm=None),
    )
    whole = pretrain(replace(reve, out=tmp_path / "whole"))

    def stop(stage, step, *_):
        if step == 5:
            raise Stopped

    with pytest.raises(Stopped):
        pretrain(reve, stop)
    one, other = weights(whole), weights(pretrain(reve))
    assert all(torch.equal(one[name], other[name]) for name in one)
    (rebuilt,) = rebuild_window(reve.out, eeg.crop(0, 10))
    assert rebuilt.mask.mean() == pytest.approx(0.55, abs=0.06)
    assert (rebuilt.reconstruction != rebuilt.truth)[rebuilt.mask].all()
    assert (rebuilt.reconstruction == rebuilt.truth)[~rebuilt.mask].all()


@dataclass(frozen=True)
class Quiet(TermConfig):
    """Rebuilds nothing, and looks at a teacher."""

    name: ClassVar[str] = "quiet"
    summary: ClassVar[str] = "Pooled vectors follow those of a moving average of the encoder."
    uses_teacher: ClassVar[bool] = True


class QuietTerm(Term):
    def forward(self, views):
        return (views.visible().pooled - views.teacher().pooled).square().mean(), {}


Quiet.implementation = QuietTerm


def test_a_run_that_rebuilds_nothing_says_so_and_keeps_no_second_encoder(run, eeg, tmp_path, monkeypatch):
    list(OBJECTIVES)
    monkeypatch.setattr(OBJECTIVES, "_members", {**OBJECTIVES._members, "quiet": Quiet})
    folder = pretrain(replace(run, objective=(Quiet(weight=2.0),), teacher=TeacherConfig(0.9), steps=1))
    card = (folder / "README.md").read_text()
    assert "- `quiet` (weight 2): Pooled vectors follow those of a moving average of the encoder." in card
    assert "The teacher is the moving average of the encoder, with momentum 0.9." in card
    assert "rebuilt" not in card
    assert not (run.out / "decoder.safetensors").exists()
    with pytest.raises(
        UsageError, match="objective quiet, which rebuilds no signals: take a run with an objective such"
    ):
        rebuild_window(run.out, eeg.crop(0, 10))
    with pytest.raises(UsageError, match="holds no finished pretraining run"):
        rebuild_window(tmp_path, eeg.crop(0, 10))
    with pytest.raises(UsageError, match=r"Unknown key 'objective\[0\].text_weight' for Quiet; known keys are weight"):
        config.load(
            PretrainConfig, {"out": "a", "sources": [{"shards": "b"}], "objective": "quiet", "text_weight": 0.1}
        )
    both = replace(run, out=tmp_path / "both", objective=(Quiet(), *run.objective), steps=1)
    card = (pretrain(both) / "README.md").read_text()
    assert "`quiet`" in card
    assert "`reconstruction`" in card
    kept = read_tensors(both.out / "decoder.safetensors")
    assert not [name for name in kept if name.startswith(("encoder", "teacher", "terms"))]
    (rebuilt,) = rebuild_window(both.out, eeg.crop(0, 10))
    assert (rebuilt.reconstruction != rebuilt.truth)[rebuilt.mask].all()


def test_a_fused_encoder_is_pretrained_and_rebuilds_each_channel_apart(run, eeg):
    size = EncoderSize(embed_dim=64, depth=3, num_heads=2)
    run = replace(run, model="biosig-fused-tiny", encoder=size, steps=2, ema=0.9)
    assert biosig.load_model(pretrain(run)).trained
    (rebuilt,) = rebuild_window(run.out, eeg.crop(0, 10))
    assert (rebuilt.reconstruction != rebuilt.truth)[rebuilt.mask].all()
    assert np.array_equal(rebuilt.reconstruction[~rebuilt.mask], rebuilt.truth[~rebuilt.mask], equal_nan=True)
    hidden = rebuilt.mask.all(axis=0)  # where only the code of the channel tells one from another
    assert hidden.any()
    assert rebuilt.reconstruction[:, hidden].std(axis=0).min() > 0


def test_position_noise_is_for_training_alone(run, tmp_path):
    still = replace(run, steps=1, optimizer=OptimizerConfig(lr=0.0))
    pretrain(still)
    pretrain(replace(still, position_noise=0.01, out=tmp_path / "noisy"))
    one, other = (
        {line["part"]: line["loss"] for line in map(json.loads, (out / "log.jsonl").read_text().splitlines())}
        for out in (run.out, tmp_path / "noisy")
    )
    assert one["train"] != other["train"]
    assert one["validation"] == other["validation"]


def test_the_loss_falls_on_every_modality(run):
    steps = replace(run, steps=80, validation=0.0, checkpoint_every=1000, optimizer=OptimizerConfig(lr=3e-3))
    pretrain(steps)
    losses = [json.loads(line) for line in (run.out / "log.jsonl").read_text().splitlines()]
    for key in ("loss", "loss_ecg", "loss_eeg", "loss_ppg", "loss_global"):
        values = [step[key] for step in losses if key in step]
        assert np.mean(values[-8:]) < (1.0 if key == "loss_global" else 0.95) * np.mean(values[:8]), key


def test_what_comes_out(run, shards):
    folder = pretrain(run)
    model = biosig.load_model(folder)
    assert model.trained
    assert model.revision != biosig.build_model("biosig-tiny").revision
    train, validation = load_windows(run)
    ledger = Ledger.load(folder)
    of = {r.content_hash for r in (train.ds[int(i)] for i in np.unique(train.recording))}
    assert ledger.recordings.contains(sorted(of)).all()
    assert len(ledger.recordings) == len(of)
    assert ledger.complete
    others = [validation.ds[int(i)].content_hash for i in np.unique(validation.recording)]
    assert not ledger.recordings.contains(others).any()
    assert config.load(PretrainConfig, run.out / "config.yaml") == run
    card = (folder / "README.md").read_text()
    assert "`reconstruction` (weight 1; after REVE, arXiv:2510.21585, section 3.3): Hidden patches" in card
    assert "The masking is `blocks` (mask_ratio 0.55" in card
    assert not (run.out / "training.safetensors").exists()
    lines = [json.loads(line) for line in (run.out / "log.jsonl").read_text().splitlines()]
    assert {line["step"] for line in lines if line["part"] == "validation"} == {3, 6}


def test_a_run_that_goes_on_from_weights_carries_their_ledger_on(run, shards, tmp_path):
    first = pretrain(replace(run, sources=[SourceConfig(shards, "n_chans != 12")], validation=0.0, steps=1))
    after = replace(run, sources=[SourceConfig(shards, "n_chans == 12")], validation=0.0, weights=first)
    begun = build_encoder(after).state_dict()
    assert all(torch.equal(begun[name], tensor) for name, tensor in weights(first).items())
    folder = pretrain(replace(after, out=tmp_path / "second", steps=1))
    ledger, before = Ledger.load(folder), Ledger.load(first)
    everything = [recording.content_hash for recording in biosig.open_shards(shards)]
    assert len(before.recordings) == 2
    assert ledger.recordings.contains(everything).all()
    assert ledger.complete
    assert "Weights to begin with" in (folder / "README.md").read_text()
    (first / "seen.safetensors").unlink()
    untold = pretrain(replace(after, out=tmp_path / "third", steps=1))
    assert not Ledger.load(untold).complete
    with pytest.raises(UsageError, match="has another embed_dim"):
        build_encoder(replace(after, model="biosig-small"))


def test_a_trained_model_warns_of_windows_longer_than_it_was_trained_on(run, ecg):
    model = biosig.load_model(pretrain(replace(run, window=4.0)))
    assert {c.window_seconds for c in model.contract.values()} == {4.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        biosig.embed(model, ecg, window=4.0)
    with pytest.warns(
        LongWindowWarning, match=r"longer than the 4 s that model 'biosig-tiny' was trained on.*window=4"
    ):
        biosig.embed(model, ecg, window=10.0)


def test_a_run_that_found_no_shards_leaves_its_folder_free(run, tmp_path):
    with pytest.raises(UsageError):
        pretrain(replace(run, sources=[SourceConfig(tmp_path / "absent")]))
    assert pretrain(run).exists()


CONFIGS = Path(__file__).parents[2] / "configs" / "pretrain"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_loads_and_what_it_writes_is_it(path, tmp_path):
    loaded = config.load(PretrainConfig, path)
    config.dump(loaded, tmp_path / "again.yaml")
    assert config.load(PretrainConfig, tmp_path / "again.yaml") == loaded
    with torch.device("meta"):
        encoder = make_encoder(encoder_config(loaded))
        if not target_names(loaded):  # which are measured of the windows
            build_objective(loaded, encoder)


@pytest.mark.parametrize(
    "name", ["biosig-small", "csfm-tiny", "csfm-base", *(f"reve-{s}{r}" for s in SIZES for r in ("", "-released"))]
)
def test_a_configuration_for_copying_shows_every_key(name):
    shown = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    all_keys = config.to_dict(config.load(PretrainConfig, shown))
    of_text = {"encoder", "tokenizer", "reports"}  # REVE's presets are as published and read none
    assert shown.keys() | (of_text if name.startswith("reve") else set()) == all_keys.keys()
    for group in {"masking", "optimizer", "encoder"} & shown.keys():
        assert shown[group].keys() == all_keys[group].keys()
    (term,) = all_keys["objective"]
    assert shown["objective"].keys() | ({"text_weight"} if name.startswith("reve") else set()) == term.keys()
    assert shown["objective"]["decoder"].keys() == term["decoder"].keys()


def test_the_first_of_them_is_the_defaults():
    loaded = config.load(PretrainConfig, CONFIGS / "biosig-small.yaml")
    assert loaded == PretrainConfig(out=loaded.out, sources=loaded.sources)


def test_the_published_recipes_are_reves():
    for size in SIZES:
        paper, released = (config.load(PretrainConfig, CONFIGS / f"reve-{size}{r}.yaml") for r in ("", "-released"))
        assert paper.masking == ReveMasking()
        assert released.masking == ReveMasking(radius_time=2.7, rounding="down")
        for run in (paper, released):
            assert run.objective == (ReveConfig(decoder=DecoderConfig(512, 4, 8)),)
            assert run.position_noise == 0.0025
        assert (released.optimizer.name, released.optimizer.lr, released.optimizer.cycles) == (
            "stable_adamw",
            1e-3,
            200,
        )
    assert paper.optimizer.lr == pytest.approx(2.4e-4 * (1216 / 512) ** -0.9, rel=0.01)


def test_no_subject_is_trained_and_validated_on(run):
    train, validation = load_windows(run)
    assert len(validation)
    assert not set(train.subjects) & set(validation.subjects) - {None}
    assert not set(train.recording) & set(validation.recording)


def test_a_subject_of_two_sources_is_on_one_side(run, shards):
    halves = [SourceConfig(shards, "duration <= 10"), SourceConfig(shards)]
    for seed in range(4):
        train, validation = load_windows(replace(run, sources=halves, seed=seed))
        assert len(validation)
        assert not set(train.subjects) & set(validation.subjects) - {None}


def test_whoever_shares_a_signal_with_the_held_out_is_held_out(run, shards, tmp_path, caplog):
    """The same recordings under other names and subjects, at another gain."""
    folder = tmp_path / "again"
    folder.mkdir()
    with ShardWriter(folder / "0.h5", recipe={}) as writer:
        for number, stored in enumerate(biosig.open_shards(shards)):
            recording = stored.read()
            streams = [replace(s, samples=np.asarray(s.samples) // 2) for s in recording.streams]
            writer.add(replace(recording, id=f"again{number}", subject=biosig.Subject(f"q{number}"), streams=streams))
    build_index(folder)
    train, validation = load_windows(replace(run, sources=[SourceConfig(shards), SourceConfig(folder)]))
    n = len(biosig.open_shards(shards))
    ecgs = [set(rows[rows % n < 12] % n) for rows in (train.recording, validation.recording)]
    assert all(ecgs)
    assert not ecgs[0] & ecgs[1]
    assert "kept together in every split" in caplog.text


def test_a_finished_run_that_was_moved_is_found_there(run, tmp_path):
    moved = run.out.parent / "moved"
    pretrain(run).parent.rename(moved)
    assert pretrain(replace(run, out=moved)) == moved / "model"


def test_a_folder_with_another_run_is_refused(run):
    pretrain(run)
    with pytest.raises(UsageError, match="holds a run with another steps"):
        pretrain(replace(run, steps=7))
    with pytest.raises(UsageError, match=r"No recording matches the query .*duration lies from 10 to"):
        pretrain(replace(run, out=run.out / "b", sources=[replace(run.sources[0], query="duration > 1000")]))


def test_bfloat16_takes_the_same_path(run, tmp_path):
    pretrain(run)
    pretrain(replace(run, out=tmp_path / "bf16", precision="bfloat16"))
    last = [json.loads(path.read_text().splitlines()[-1])["loss"] for path in tmp_path.glob("*/log.jsonl")]
    assert len(last) == 2
    assert last[0] == pytest.approx(last[1], rel=0.02)
    assert last[0] != last[1]


@pytest.mark.parametrize("faster", ["bfloat16", "float32"])
def test_the_faster_precision_is_found_by_a_trial_told_and_kept(run, tmp_path, monkeypatch, caplog, faster):
    """And the trial leaves no trace in the weights."""
    threshold = {"bfloat16": float("inf"), "float32": 0.0}
    monkeypatch.setattr(precision, "SECONDS", 0.05)
    monkeypatch.setattr(precision, "THRESHOLD", threshold[faster])
    tried = replace(run, precision="auto")

    def stop(stage, step, *_):
        if step == 3:
            raise Stopped

    with caplog.at_level("INFO", logger="biosig.pretrain"), pytest.raises(Stopped):
        pretrain(tried, stop)
    assert f"Precision: {faster}. In a trial a step took" in caplog.text
    first = json.loads((run.out / "log.jsonl").read_text().splitlines()[0])
    assert first["part"] == "precision"
    assert {"float32", "bfloat16"} < first.keys()
    assert config.load(PretrainConfig, run.out / "config.yaml").precision == faster
    monkeypatch.setattr(precision, "THRESHOLD", threshold["float32" if faster == "bfloat16" else "bfloat16"])
    named = pretrain(replace(run, out=tmp_path / "named", precision=faster))
    mine, its = weights(pretrain(tried)), weights(named)
    assert all(torch.equal(mine[name], its[name]) for name in its)


def test_what_overflows_in_bfloat16_is_trained_in_float32():
    assert precision.Trial({"float32": 1.0, "bfloat16": float("inf")}).choice == "float32"
    assert precision.Trial({"float32": 1.0, "bfloat16": 0.95}).choice == "float32"
    assert precision.Trial({"float32": 1.0, "bfloat16": 0.5}).choice == "bfloat16"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_takes_the_same_path(run, tmp_path, precision):
    pretrain(run)
    pretrain(replace(run, out=tmp_path / "gpu", device="cuda", precision=precision))
    here, there = (
        json.loads(line.read_text().splitlines()[-1])["loss"]
        for line in (run.out / "log.jsonl", tmp_path / "gpu" / "log.jsonl")
    )
    assert there == pytest.approx(here, rel=0.02)
