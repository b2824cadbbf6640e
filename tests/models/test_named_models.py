"""A model's name stands for a folder, else weights that ship, else a preset; all that takes a name agrees."""

import json
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import biosig
from biosig import samples, weights
from biosig.cli.apply import embed
from biosig.cli.models import models
from biosig.downstream.data.task import open_model
from biosig.errors import UnreadableError, UsageError
from biosig.models import checkpoint
from biosig.models.heads.rate import RateHeadConfig
from biosig.models.load import named_model
from biosig.models.model import Model, RandomWeightsWarning
from biosig.models.presets import PRESETS
from biosig.models.zoo import known_models
from biosig.tensor_files import read_tensors, write_tensors

NAME = "biosig-fused-tiny"
CARD = "---\nlicense: Apache-2.0\nn_parameters: 1490449\nnote: for a test\n---\n\n# A card\n"


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room of weights with one set, called as a preset, whose numbers are those of seed 7."""
    model = biosig.build_model(NAME, seed=7)
    checkpoint.save(model.encoder, True, tmp_path / "room" / NAME, CARD, dtype=torch.bfloat16)
    monkeypatch.setattr(weights, "ROOM", tmp_path / "room")
    monkeypatch.setattr(weights, "ALIASES", {"biosig": NAME})
    monkeypatch.chdir(tmp_path)
    return tmp_path / "room"


def vector(model, recording):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = np.array(biosig.embed(model, recording)["vector"].to_pylist())
    return found, [warning.category for warning in caught]


def test_shipped_weights_are_half_as_large_and_the_same_numbers_within_bfloat16(room, ecg):
    assert (room / NAME / "model.safetensors").stat().st_size < 2.02 * 1_490_449
    state = read_tensors(room / NAME / "model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.bfloat16}
    loaded, source = biosig.load_model("biosig"), biosig.build_model(NAME, seed=7)
    assert {p.dtype for p in loaded.encoder.parameters()} == {torch.float32}
    for name, value in source.encoder.state_dict().items():
        assert torch.equal(loaded.encoder.state_dict()[name], value.bfloat16().float())
    (found, warnings_raised), (expected, _) = vector(loaded, ecg), vector(source, ecg)
    assert warnings_raised == []
    assert 0 < np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_every_key_of_shipped_weights_must_match(room):
    path = room / NAME / "model.safetensors"
    state = read_tensors(path)
    state["one.more"] = state.pop(next(iter(state)))
    write_tensors(state, path)
    with pytest.raises(biosig.errors.DataError, match=r"missing: .*left over: one\.more"):
        biosig.load_model(NAME)


@pytest.mark.parametrize("opened", [named_model, lambda name: open_model(name, 0, "cpu")])
def test_a_name_is_a_folder_else_shipped_else_a_preset(room, opened, tmp_path, ecg):
    shipped, random = biosig.load_model(NAME).revision, biosig.build_model(NAME).revision
    assert opened(NAME).revision == opened("biosig").revision == shipped
    assert opened(f"untrained:{NAME}").revision == random != shipped
    assert not opened("biosig-tiny").trained
    assert RandomWeightsWarning in vector(opened(f"untrained:{NAME}"), ecg)[1]
    own = Model(biosig.build_model(NAME, seed=9).encoder, trained=True)
    own.save(tmp_path / NAME)  # the working folder
    assert opened(NAME).revision == own.revision
    (tmp_path / "biosig").mkdir()  # which holds no model, as the package's own folder
    assert opened("biosig").revision == shipped


def test_random_weights_of_a_name_are_those_of_the_seed(room):
    assert open_model(f"untrained:{NAME}", 3, "cpu").revision == biosig.build_model(NAME, 3).revision
    assert biosig.load_model(f"untrained:{NAME}").revision == biosig.build_model(NAME).revision
    with pytest.raises(UsageError, match="There is no preset 'nothing'"):
        biosig.load_model("untrained:nothing")


def test_listed_models_tell_presets_from_weights(room, capsys):
    listed = {one.name: one for one in biosig.list_models()}
    assert listed[NAME] == (NAME, True, 1490449, ("ecg", "ppg", "eeg"), "Apache-2.0", "for a test")
    assert listed["biosig-tiny"] == ("biosig-tiny", False, 989568, ("ecg", "ppg", "eeg", "text"), "", "preset")
    assert models() == 0
    out = capsys.readouterr().out
    assert "Apache-2.0" in out
    assert "No trained weights" not in out


def test_public_encoders_are_listed_on_request():
    names = [one.name for one in biosig.list_models()]
    listed = biosig.list_models(public=True)
    assert [one.name for one in listed[: len(names)]] == names
    public = {one.name: one for one in listed[len(names) :]}
    assert public.keys() == known_models().keys()
    assert public["cbramod"][1:4] == (False, 4883600, ("eeg",))
    assert public["cbramod"].licence.startswith("MIT")
    assert public["cbramod"].note.startswith("public encoder, weights are at huggingface.co/weighting666/CBraMod")


def test_weights_that_are_not_there_are_told_with_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(weights, "ROOM", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"No weights of 'biosig-fused-tiny' come .* Load .* or take"):
        biosig.load_model("biosig")
    with pytest.raises(UsageError, match="No weights of 'biosig-tiny'"):
        biosig.load_model("biosig-tiny")
    with pytest.raises(UsageError, match="folder, which has no revision 'main'"):
        biosig.load_model("biosig-tiny", revision="main")
    models()
    assert "No trained weights come with this version" in capsys.readouterr().out


def test_a_card_without_facts_is_an_error_that_names_it(room):
    (room / NAME / "README.md").write_text("# A card\n", encoding="utf-8")
    with pytest.raises(UnreadableError, match=rf"{NAME}/README.md .*'n_parameters'"):
        biosig.list_models()


def test_the_sets_that_ship_are_whole_and_what_their_cards_say():
    """Of the package itself, however many sets it has."""
    listed = {one.name: one for one in biosig.list_models() if one.weights}
    assert sum(path.stat().st_size for path in weights.ROOM.rglob("*") if path.is_file()) <= weights.MOST_BYTES
    for name in weights.names():
        model = biosig.load_model(name)
        assert model.trained
        assert model.n_parameters == listed[name].n_parameters
        content = json.loads((weights.ROOM / name / "config.json").read_text())
        assert content["trained"] is True
        assert (weights.ROOM / name / checkpoint.LEDGER).is_file()
    assert set(weights.ALIASES.values()) <= set(PRESETS)


@pytest.mark.filterwarnings("ignore")
def test_heads_are_columns_of_the_table_that_the_verb_writes(tmp_path):

    encoder = biosig.build_model(NAME).encoder
    folder = checkpoint.save(encoder, True, tmp_path / "model", heads=[RateHeadConfig().make(encoder.config.embed_dim)])
    source = sorted(samples.path("bidmc").rglob("*_Signals.csv.gz"))[0]
    for heads in (False, True):
        out = tmp_path / f"{heads}.parquet"
        assert embed(str(folder), source, out=out, window=60.0, heads=heads) == 0
        assert ("head.ppg.heart_rate" in pq.read_schema(out).names) == heads
    rows = pq.read_table(out).to_pylist()
    assert all((row["head.ppg.heart_rate"] is None) == (row["modality"] != "ppg") for row in rows)
    with pytest.raises(UsageError, match="has no heads: leave heads out"):
        embed("biosig-tiny", source, out=tmp_path / "none.parquet", window=60.0, heads=True)
