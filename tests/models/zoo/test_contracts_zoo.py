"""Every public encoder by every violation of its contract: refused by name, or done as the contract says."""

from functools import cache

import numpy as np
import pytest
import torch
import zoo_seeded as seeded
from zoo_cases import FAMILIES, HERE, SMALL, cases, state_of

import biosig
from biosig.batches.steps.reject import Reject
from biosig.batches.steps.repair import Repair
from biosig.batches.steps.resample import Resample
from biosig.batches.windows import LeftOutWarning
from biosig.errors import DataError, UsageError
from biosig.models.zoo import ENCODERS
from biosig.models.zoo.model import random_model

pytestmark = pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")


@cache
def a_model(model):
    """A small net of the family, its modality and its contract."""
    found = random_model(ENCODERS[FAMILIES[model]].of(state_of(cases(model)[SMALL[model]]), "here"))
    ((modality, wanted),) = found.contract.items()
    return found, modality, wanted


def unit_of(modality):
    return {"ecg": "mV", "eeg": "uV", "ppg": "NU"}[modality]


def signals(model, n_windows=1, sfreq=None, seconds=None):
    """Windows (B, C, T), their rate and the names of their channels: those of the contract, or its first six."""
    _, modality, wanted = a_model(model)
    names = list(wanted.ch_names[:6] if wanted.missing == "subset" else wanted.ch_names)
    sfreq = sfreq or wanted.sfreq
    n_times = round((seconds or max(wanted.patch_seconds, 4 if wanted.any_length else 0)) * sfreq)
    options = {"loud": 1.0} if modality == "eeg" else {}
    x = seeded.signal(modality, f"violation-{model}", n_windows, len(names), n_times, rate=sfreq, **options)
    return x.astype(np.float64), sfreq, names


def vector(model, x, sfreq, names, **options):
    found, modality, _ = a_model(model)
    units = options.pop("units", unit_of(modality))
    return found.encode(x, sfreq, names, units=units, **options).pooled.numpy()


def close(found, wanted, tolerance=1e-5):
    np.testing.assert_allclose(found, wanted, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("model", HERE)
def test_channels_are_found_by_name_in_any_order(model):
    x, sfreq, names = signals(model)
    order = np.random.default_rng(0).permutation(len(names))
    close(vector(model, x[:, order], sfreq, [names[i] for i in order]), vector(model, x, sfreq, names), 1e-6)


@pytest.mark.parametrize("model", HERE)
def test_a_unit_is_converted_and_one_that_cannot_be_is_refused(model):
    x, sfreq, names = signals(model)
    _, _, wanted = a_model(model)
    usual = vector(model, x, sfreq, names)
    if wanted.unit is None:
        close(vector(model, x, sfreq, names, units="mV"), usual)
        return
    factor = {"mV": 1e-3, "uV": 1e-6}[wanted.unit]
    close(vector(model, x * factor, sfreq, names, units="V"), usual)
    with pytest.raises(UsageError, match=f"'{names[0]}' is in 'NU', the model needs '{wanted.unit}'"):
        vector(model, x, sfreq, names, units="NU")
    with pytest.raises(DataError, match="unit"):
        vector(model, x, sfreq, names, units={"mV": "nV", "uV": "V"}[wanted.unit])


@pytest.mark.parametrize("model", HERE)
def test_another_rate_is_resampled_as_the_contract_says_or_refused(model):
    _, _, wanted = a_model(model)
    x, sfreq, names = signals(model, sfreq=2 * a_model(model)[2].sfreq)
    if any(isinstance(step, Resample) for step in wanted.steps):
        assert np.isfinite(vector(model, x, sfreq, names)).all()
    else:
        with pytest.raises(UsageError, match=f"takes {wanted.sfreq:g} Hz and no other"):
            vector(model, x, sfreq, names)


@pytest.mark.parametrize("model", HERE)
def test_another_length_is_refused(model):
    _, _, wanted = a_model(model)
    wrong = [wanted.patch_seconds * (2.5 if wanted.any_length else 0.5), wanted.patch_seconds * 1.25]
    wrong += [wanted.longest + wanted.patch_seconds] if wanted.any_length and np.isfinite(wanted.longest) else []
    for seconds in wrong:
        x, sfreq, names = signals(model, seconds=seconds)
        lasts = x.shape[2] / sfreq
        with pytest.raises(UsageError, match=f"lasts {lasts:g} s, and the model takes windows of"):
            vector(model, x, sfreq, names)


@pytest.mark.parametrize("model", HERE)
def test_a_missing_channel_is_refused_by_name_or_was_so_in_training(model):
    x, sfreq, names = signals(model)
    _, _, wanted = a_model(model)
    if wanted.missing == "subset":
        assert np.isfinite(vector(model, x[:, 1:], sfreq, names[1:])).all()
    elif len(names) > 1:
        with pytest.raises(DataError, match=f"has no channel {names[1]}, which the model needs"):
            vector(model, np.delete(x, 1, 1), sfreq, [name for name in names if name != names[1]])
    strange = ["wrist"] if model == "papagei" else [f"strange{i}" for i in range(len(names))]
    with pytest.raises(DataError, match=r"has no channel .*(correct the names|correct names)"):
        vector(model, x, sfreq, strange)


@pytest.mark.parametrize("model", HERE)
def test_a_gap_is_repaired_as_in_training_or_gives_no_vector(model):
    x, sfreq, names = signals(model)
    _, _, wanted = a_model(model)
    x[0, 0, 100] = np.nan
    if any(isinstance(step, Repair) for step in wanted.steps):
        assert np.isfinite(vector(model, x, sfreq, names)).all()
    else:
        with pytest.raises(DataError, match=r"Window 0 .*misses samples"):
            vector(model, x, sfreq, names)
    x[0, 0] = 0.5  # an electrode that is off
    with pytest.raises(DataError, match=r"Window 0 .*does not move"):
        vector(model, x, sfreq, names)


@pytest.mark.parametrize("model", HERE)
def test_values_that_the_makers_threw_away_give_no_vector(model):
    x, sfreq, names = signals(model)
    limits = [step.limit for step in a_model(model)[2].steps if isinstance(step, Reject)]
    if not limits:
        pytest.skip("nothing was thrown away")
    x[0, 0, 100:110] = 3 * limits[0]
    with pytest.raises(DataError, match=f"no vector where a value reaches {limits[0]:g}"):
        vector(model, x, sfreq, names)


@pytest.mark.parametrize("model", HERE)
def test_a_window_has_the_vector_alone_that_it_has_in_a_batch(model):
    x, sfreq, names = signals(model, n_windows=3)
    x[2] *= 0.5  # another size beside it
    together = vector(model, x, sfreq, names)
    close(np.concatenate([vector(model, x[i : i + 1], sfreq, names) for i in range(3)]), together, 1e-6)


@pytest.mark.parametrize("model", ["labram", "cbramod"])
def test_the_contract_says_that_one_channel_changes_the_tokens_of_another(model):
    found, _, wanted = a_model(model)
    assert wanted.coupled
    assert "norms run over all channels" in found.card
    x, _, names = signals(model)
    channels = [list(wanted.ch_names).index(name) for name in names]
    one = torch.from_numpy(x.astype(np.float32)) / 100
    louder = one.clone()
    louder[:, -1] *= 5.0
    with torch.no_grad():
        stems = [dict(found.encoder.module.stages(each, channels))["stem"] for each in (one, louder)]
    first, changed = (stem.flatten(1)[0, :200] for stem in stems)  # the first token of the first channel
    assert not torch.allclose(first, changed, atol=1e-3)


@pytest.mark.parametrize("model", HERE)
def test_a_table_has_what_encode_gives_and_counts_windows_without_a_vector(model):
    x, sfreq, names = signals(model, n_windows=2)
    found, modality, wanted = a_model(model)
    seconds = x.shape[2] / sfreq
    table = biosig.embed(found, x, window=seconds, sfreq=sfreq, ch_names=names, kind=modality, units=unit_of(modality))
    got = np.stack(table["vector"].to_pylist())
    if not wanted.context:
        close(got, vector(model, x, sfreq, names))
    assert got.shape == (2, found.embed_dim)
    if not any(isinstance(step, Repair) for step in wanted.steps):
        x[1, 0, 5] = np.nan
        gap = biosig.embed(
            found, x, window=seconds, sfreq=sfreq, ch_names=names, kind=modality, units=unit_of(modality)
        )
        assert gap["valid_fraction"].to_pylist() == [1.0, 0.0]


@pytest.mark.parametrize("model", [model for model in HERE if a_model(model)[2].context])
def test_steps_before_the_cut_see_the_recording_around_the_window(model):
    x, sfreq, names = signals(model, seconds=60.0)
    found, modality, wanted = a_model(model)
    seconds = max(wanted.patch_seconds, 4.0 if wanted.any_length else 0)
    table = biosig.embed(found, x, window=seconds, sfreq=sfreq, ch_names=names, kind=modality, units=unit_of(modality))
    middle = int(30 // seconds)
    channels = [list(wanted.ch_names).index(name) for name in names]
    whole = wanted.run(x[0], sfreq, stop=wanted.cut)
    first = round(middle * seconds * wanted.sfreq)
    cut = whole.values[:, first : first + round(seconds * wanted.sfreq)]
    after = wanted.run(cut, wanted.sfreq, done=wanted.cut).values.astype(np.float32)
    with torch.no_grad():
        _, expected = found.encoder.module(torch.from_numpy(after[None]), channels)
    close(np.array(table["vector"][middle].as_py()), expected[0].numpy(), 1e-2)


def test_two_channels_that_could_be_the_one_are_not_chosen_from_in_silence():
    x, sfreq, _ = signals("papagei")
    both = np.concatenate([x, x], axis=1)
    with pytest.raises(DataError, match=r"several channels finger \(PLETH, Pulse\), of which the model reads one"):
        vector("papagei", both, sfreq, ["PLETH", "Pulse"], kind="ppg")
    assert np.isfinite(vector("papagei", both, sfreq, ["finger", "wrist"], kind="ppg")).all()


def test_a_limit_of_pretraining_can_be_lifted_by_name_and_a_size_cannot(tmp_path):
    x, sfreq, names = signals("cbramod")
    found, _, _ = a_model("cbramod")
    x[0, 0, 100:110] = 300.0
    lifted = found.with_options(largest=np.inf)
    kept = biosig.load_model(lifted.save(tmp_path / "lifted"))
    vectors = [each.encode(x, sfreq, names, units="uV").pooled for each in (lifted, kept)]
    assert torch.isfinite(vectors[0]).all()
    assert torch.equal(*vectors)
    assert kept.revision == lifted.revision != found.revision
    assert "largest = inf" in kept.card
    with pytest.raises(UsageError, match="n_layer is a size of the network"):
        found.with_options(n_layer=5)
    with pytest.raises(UsageError, match="CBraMod has no option limit; it has largest, n_layer"):
        found.with_options(limit=5)


def test_windows_without_a_vector_are_told():
    x, sfreq, names = signals("cbramod", n_windows=2)
    x[1, 0, 100:110] = 300.0
    with pytest.warns(LeftOutWarning, match=r"1 of 2 windows give no vector: .*a value reaches 100"):
        biosig.embed(a_model("cbramod")[0], x, 4.0, sfreq=sfreq, ch_names=names, kind="eeg", units="uV")


@pytest.mark.parametrize("strange", ["FP1-F3", "T3-T5", "strange"])
def test_labram_leaves_no_channel_out_in_silence(strange):
    x, sfreq, names = signals("labram")
    found, _, _ = a_model("labram")
    called = [*names[:-1], strange]
    with pytest.raises(DataError, match=rf"has learned no place for \({strange}\): pick the others, or"):
        vector("labram", x, sfreq, called)
    rest = vector("labram", x[:, :-1], sfreq, names[:-1])
    close(vector("labram", x, sfreq, called, on_unknown="skip"), rest, 1e-6)
    skips = found.with_unknown("skip")
    given = {"sfreq": sfreq, "kind": "eeg", "units": "uV"}
    table = biosig.embed(skips, x, 4.0, ch_names=called, **given)
    close(np.stack(table["vector"].to_pylist()), rest)
