"""CSFM's state dict becomes a checkpoint: nothing of it is dropped without a word, and nothing is guessed."""

import pytest
import torch
from csfm_layout import random_state

import biosig
from biosig.cli import main
from biosig.errors import DataError
from biosig.models.convert import convert
from biosig.models.load import build_model

SIZE = {"dim": 48, "depth": 2, "heads": 3, "hidden": 100, "n_words": 40}

HEADS = {
    "encoder.mlp_head.weight": "a classifier",
    "encoder.mlp_head.bias": "a classifier",
    "encoder.dense_scratch.layer1_rn.weight": "the head for waveforms",
    "encoder.act_1_postprocess.0.weight": "the head for waveforms",
    "encoder.act_4_postprocess.0.bias": "the head for waveforms",
    "encoder.dense_act_postprocess.0.weight": "the head for waveforms",
    "encoder.dense_head.0.weight": "the head for waveforms",
    "dense_head.4.bias": "the head for waveforms",
}


@pytest.fixture
def state():
    """A small network by CSFM's names."""
    return random_state(**SIZE)


def written(state, folder):
    torch.save(state, folder / "CSFM.pth")
    return folder / "CSFM.pth"


def equal(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_verb_writes_a_checkpoint_with_every_weight(state, tmp_path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["convert", str(written(state, tmp_path)), "--out", str(tmp_path / "csfm")])
    assert done.value.code == 0
    n_parameters = sum(tensor.numel() for tensor in state.values())
    assert f"csfm, {n_parameters:,} parameters" in capsys.readouterr().out
    loaded = biosig.load_model(tmp_path / "csfm")
    assert loaded.trained
    assert loaded.n_parameters == n_parameters
    assert sorted(t.sum().item() for t in loaded.encoder.state_dict().values()) == pytest.approx(
        sorted(t.sum().item() for t in state.values())
    )
    assert "Academic Access Agreement" in loaded.card
    assert "passed on" in loaded.card


@pytest.mark.parametrize(
    ("key", "change", "sentence"),
    [
        (
            "encoder.transformer.norm.weight",
            lambda t: t[None],
            r"of another shape: .*\(1, 48\) for \(48,\)",
        ),
        ("encoder.ts_pos_embedding", lambda t: t.mT, "of another shape: encoder.ts_pos_embedding"),
        ("encoder.transformer.norm.bias", lambda t: t / 0, "with NaN or infinite values: norm.bias"),
    ],
)
def test_a_tensor_of_nearly_the_right_shape_or_without_a_value_is_refused(state, tmp_path, key, change, sentence):
    state[key] = change(state[key])
    with pytest.raises(DataError, match=sentence):
        convert(written(state, tmp_path))


def test_the_vocabulary_of_the_weights_is_kept_with_them_and_no_other(state, tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sinus", "rhythm", *map(str, range(33))])
    )
    arguments = ["convert", str(written(state, tmp_path)), "--tokenizer", str(vocabulary), "--out"]
    with pytest.raises(SystemExit) as done:
        main([*arguments, str(tmp_path / "csfm")])
    assert done.value.code == 0
    assert biosig.load_model(tmp_path / "csfm").word_ids(["Sinus rhythm"], 1) == [[5, 6]]
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(SystemExit) as done:
        main([*arguments, str(tmp_path / "other")])
    assert done.value.code == 2
    assert not (tmp_path / "other").exists()


def test_sizes_come_from_the_shapes(tmp_path):
    state = random_state(dim=49, depth=3, heads=2, hidden=53, n_words=7, n_tokens=5, n_patches=30)
    config = convert(written(state, tmp_path)).encoder.config
    assert (config.embed_dim, config.depth, config.num_heads, config.name) == (49, 3, 2, "csfm")
    assert (config.text.n_words, config.text.n_tokens, config.position.n_patches) == (7, 5, 30)
    assert config.contract["ppg"].window_seconds == pytest.approx(3)


def test_heads_are_left_out_by_name(state, tmp_path):
    converted = convert(written(state | {key: torch.ones(2) for key in HEADS}, tmp_path))
    assert converted.left_out == HEADS
    assert "dense_head.4.bias" in converted.card


def test_keys_without_the_prefix_and_in_a_training_scripts_wrapper_are_the_same(state, tmp_path):
    bare = {key.removeprefix("encoder."): tensor for key, tensor in state.items()}
    expected = convert(written(state, tmp_path)).encoder
    assert equal(convert(written({"state_dict": bare, "epoch": 3}, tmp_path)).encoder, expected)


def test_missing_left_over_and_reshaped_keys_are_listed(state, tmp_path):
    del state["encoder.transformer.layers.1.1.net.4.bias"]
    del state["encoder.cls_token"]
    state["encoder.projector.weight"] = torch.ones(3)
    state["encoder.transformer.norm.bias"] = torch.ones(47)
    with pytest.raises(DataError, match=r"missing: encoder\.cls_token, encoder\.transformer\.layers\.1\.1") as error:
        convert(written(state, tmp_path))
    assert "left over: encoder.projector.weight" in str(error.value)
    assert "of another shape: encoder.transformer.norm.bias (47,) for (48,)" in str(error.value)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("ts_channel_type_embedding", (1, 14, 48), "14 channel types"),
        ("ts_to_patch_embedding.2.weight", (48, 50), "patches of 50"),
        ("transformer.layers.0.0.to_qkv.weight", (3 * 100, 48), "100 for the heads"),
        ("text_to_embedding.0.weight", (40,), "text_to_embedding.0.weight is missing or no matrix"),
    ],
)
def test_sizes_that_no_csfm_has_are_an_error(state, tmp_path, key, shape, message):
    state[f"encoder.{key}"] = torch.ones(shape)
    with pytest.raises(DataError, match=message):
        convert(written(state, tmp_path))


def test_a_published_size_gets_its_presets_name_and_configuration(tmp_path):
    state = random_state(768, depth=6, heads=8, hidden=1024)
    encoder = convert(written(state, tmp_path)).encoder
    assert encoder.config == build_model("csfm-tiny").config
    assert sum(p.numel() for p in encoder.parameters()) == 42_511_154
