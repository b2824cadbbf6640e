"""REVE's weights, as each project writes them, give braindecode's numbers; and nothing is dropped without a word.

`data/reve-2-layers` is written by `benchmarks/reve_parity.py --reference`.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import biosig
from biosig.cli import main
from biosig.errors import DataError, UsageError
from biosig.models.convert import convert
from biosig.models.model import Model

SOURCE = Path(__file__).parent / "data" / "reve-2-layers"
REFERENCE = load_file(SOURCE / "reference.safetensors")
CONFIG = json.loads((SOURCE / "config.json").read_text())


@pytest.fixture
def state():
    """The weights by REVE's names."""
    return load_file(SOURCE / "model.safetensors")


@pytest.fixture(scope="module")
def model():
    return Model(convert(SOURCE).encoder, trained=True)


def folder_of(state, path, **config):
    """The hub's layout, with some of its configuration changed."""
    path.mkdir()
    save_file(state, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({**CONFIG, **config}))
    return path


def encode(model, **options):
    signals, positions = REFERENCE["signals"], REFERENCE["positions"]
    return model.encode(signals, sfreq=200, positions=positions, prepare=False, **options)


def far(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def equal(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("layer", [0, 1, 2, -1])
def test_every_layer_is_braindecodes(model, layer):
    out = encode(model, layer=layer).tokens  # (B, C, H, D)
    assert far(out.flatten(1, 2), REFERENCE["layers"][layer]) < 1e-5


def test_the_pooled_vector_is_braindecodes(model):
    assert far(encode(model).pooled, REFERENCE["pooled"]) < 1e-5


def test_the_verb_writes_a_folder_that_gives_the_same_numbers(model, tmp_path, capsys):
    with pytest.raises(SystemExit) as done:
        main(["convert", str(SOURCE), "--out", str(tmp_path / "reve")])
    assert done.value.code == 0
    assert "111,744 parameters" in capsys.readouterr().out
    loaded = biosig.load_model(tmp_path / "reve")
    assert loaded.trained
    assert equal(loaded.encoder, model.encoder)
    assert "passed on" in loaded.card  # the licence
    with pytest.raises(SystemExit) as done:
        main(["convert", str(SOURCE), "--out", str(tmp_path / "reve")])
    assert done.value.code == 2


def test_braindecodes_head_is_left_out_by_name(state, model, tmp_path):
    state |= {"final_layer.0.weight": torch.ones(64), "final_layer.1.weight": torch.ones(2, 64)}
    config = {"n_outputs": 2, "n_chans": 3, "chs_info": None, "sfreq": None, "braindecode_version": "1.8.1"}
    converted = convert(folder_of(state, tmp_path / "braindecode", **config))
    assert set(converted.left_out) == {"final_layer.0.weight", "final_layer.1.weight"}
    assert "final_layer.1.weight" in converted.card
    assert equal(converted.encoder, model.encoder)


def wrapped(state):
    return {"model": {f"module.{key}": tensor for key, tensor in state.items()}, "epoch": 3}


@pytest.mark.parametrize("wrap", [dict, wrapped])
def test_an_official_state_dict_without_query_pools_by_the_mean(state, tmp_path, wrap):
    del state["cls_query_token"]
    torch.save(wrap(state), tmp_path / "encoder.pth")
    converted = convert(tmp_path / "encoder.pth")
    assert converted.encoder.config.num_heads == 1  # of 64: a state dict does not tell, so it is REVE's usual
    assert "mean of the tokens" in converted.missing[0]
    assert "mean of the tokens" in converted.card
    out = encode(Model(converted.encoder, trained=True))
    assert far(out.pooled, out.tokens.mean(dim=(1, 2))) < 1e-5


def test_an_encoder_saved_with_its_decoder_is_taken_out_of_it(state, model, tmp_path):
    query = state.pop("cls_query_token")
    whole = {f"encoder.{key}": tensor for key, tensor in state.items()}
    whole |= {"cls_query_token": query, "mask_token": torch.ones(64), "decoder.layers.0.0.norm.weight": torch.ones(64)}
    converted = convert(folder_of(whole, tmp_path / "mae"))
    assert set(converted.left_out) == {"mask_token", "decoder.layers.0.0.norm.weight"}
    assert equal(converted.encoder, model.encoder)


def test_missing_left_over_and_reshaped_keys_are_listed(state, tmp_path):
    del state["transformer.layers.1.0.to_out.weight"]
    state["something.else"] = torch.ones(3)
    state["ln.bias"] = torch.ones(63)
    with pytest.raises(DataError, match=r"missing: transformer\.layers\.1\.0\.to_out\.weight") as error:
        convert(folder_of(state, tmp_path / "wrong"))
    assert "left over: something.else" in str(error.value)
    assert "of another shape: ln.bias (63,) for (64,)" in str(error.value)


@pytest.mark.parametrize(
    "contradiction",
    [
        {"depth": 3},
        {"embed_dim": 512},
        {"heads": 4},
        {"head_dim": 48},
        {"mlp_dim_ratio": 4.0},
        {"freqs": 2},
        {"patch_size": 100},
        {"patch_overlap": 0},
        {"use_geglu": False},
        {"sfreq": 256},
    ],
    ids=lambda contradiction: next(iter(contradiction)),
)
def test_a_configuration_that_contradicts_the_weights_is_an_error(state, tmp_path, contradiction):
    (key,) = contradiction
    with pytest.raises(DataError, match=key):
        convert(folder_of(state, tmp_path / "wrong", **contradiction))


def test_other_patches_are_an_error(state, tmp_path):
    state["to_patch_embedding.0.weight"] = torch.ones(64, 100)
    with pytest.raises(DataError, match="patches of 100"):
        convert(folder_of(state, tmp_path / "wrong"))


def test_weights_of_no_known_model_say_what_their_keys_are(tmp_path):
    save_file({"lm_head.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"REVE.*lm_head\.weight"):
        convert(tmp_path / "other.safetensors")


def test_code_in_a_pickle_is_refused(tmp_path):
    torch.save({"model": Path("evil")}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match=r"pathlib.PosixPath .*nothing was read"):
        convert(tmp_path / "evil.pth")


def test_sources_that_are_not_there_or_not_converted_say_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"no config\.json and no model\.safetensors"):
        convert(tmp_path)
    with pytest.raises(UsageError, match="biosig convert"):
        biosig.load_model(SOURCE)


def test_a_published_size_gets_its_presets_name(tmp_path):
    built = biosig.build_model("reve-small").encoder.state_dict()
    theirs = {ours: key for key, ours in convert_names(4).items()}
    save_file({theirs[key]: tensor for key, tensor in built.items()}, tmp_path / "small.safetensors")
    converted = convert(tmp_path / "small.safetensors")
    assert converted.encoder.config == biosig.build_model("reve-small").config
    assert "taken to be REVE's" in converted.card
    assert all(torch.equal(tensor, built[key]) for key, tensor in converted.encoder.state_dict().items())


def convert_names(depth):
    """REVE's key → ours, written out from the published state dict."""
    names = {
        "cls_query_token": "pool.query",
        "to_patch_embedding.0.weight": "patches.project.eeg.weight",
        "to_patch_embedding.0.bias": "patches.project.eeg.bias",
        "mlp4d.0.weight": "positions.mlp.0.weight",
        "mlp4d.2.weight": "positions.mlp.2.weight",
        "mlp4d.2.bias": "positions.mlp.2.bias",
        "ln.weight": "positions.norm.weight",
        "ln.bias": "positions.norm.bias",
    }
    for i in range(depth):
        names |= {
            f"transformer.layers.{i}.0.norm.weight": f"blocks.{i}.attention_norm.weight",
            f"transformer.layers.{i}.0.to_qkv.weight": f"blocks.{i}.attention.qkv.weight",
            f"transformer.layers.{i}.0.to_out.weight": f"blocks.{i}.attention.out.weight",
            f"transformer.layers.{i}.1.net.0.weight": f"blocks.{i}.mlp_norm.weight",
            f"transformer.layers.{i}.1.net.1.weight": f"blocks.{i}.mlp.expand.weight",
            f"transformer.layers.{i}.1.net.3.weight": f"blocks.{i}.mlp.contract.weight",
        }
    return names
