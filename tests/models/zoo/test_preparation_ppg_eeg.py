"""PaPaGei, LaBraM and CBraMod see what their makers' functions make of a recording."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import zoo_seeded as seeded
from zoo_cases import archive, difference, network, preparations

from biosig.batches.steps import Signal, run_steps
from biosig.batches.steps.filter import Filter
from biosig.batches.steps.pad import Pad
from biosig.errors import UsageError
from biosig.models.zoo import ENCODERS


def recording(case):
    """The values of a case before any step, and their rows in the order of the model's names."""
    x = seeded.signal(**case["raw"])[0].astype(np.float64) * case.get("gain", 1) + case.get("offset", 0)
    if "pulse" in case:
        channel, start, stop, size = case["pulse"]
        x[channel, start:stop] += size
    names = [name.removeprefix("EEG ").removesuffix("-REF") for name in case.get("order", [])]
    return x[[names.index(name) for name in case["names"]]] if names else x


def run(steps, values, sfreq):
    return run_steps(Signal(values, np.isfinite(values), sfreq), steps)


def off(found, case, name):
    return difference(found, archive(case["model"])[f"prep/{case['model']}/{case['case']}/{name}"], 4000)


@torch.no_grad()
def vector(case, values, channels):
    _, net = network({**case, "case": ""})
    x = torch.from_numpy(np.asarray(values, np.float32))
    return net(x, channels)[1].numpy()


@pytest.mark.parametrize("sections", [False, True])
@pytest.mark.parametrize("name", ["readme", "readme-500", "extractor", "notebook"])
def test_papagei_in_the_three_orders_of_its_makers(name, sections):
    case, net = preparations("papagei")[name], ENCODERS["papagei"](sections=sections)
    band, smooth, _, zscore, resample = net.contract()["ppg"].steps
    x, sfreq = recording(case), case["raw"]["rate"]
    n = round(10 * sfreq)
    if name == "notebook":
        made = run((zscore, band, smooth, resample, Pad(10.0)), x, sfreq).values
    else:
        filtered = run((band, smooth), x, sfreq).values
        after = (zscore, resample) if name == "extractor" else (resample,)
        n_windows = 1 if name == "extractor" else case["shapes"]["output"][0]
        made = np.concatenate([run(after, filtered[:, i * n : (i + 1) * n], sfreq).values for i in range(n_windows)])
    allowed = 1e-4 if sfreq < 500 else 2e-2  # of their polynomials at 500 Hz the last bit changes as much
    if "filtered" in case["shapes"]:
        assert off(filtered, case, "filtered") < allowed
    assert off(made, case, "output") < allowed
    assert off(vector(case, made[:, None], [0]), case, "vector") < allowed


def test_above_500_hz_papageis_filter_runs_as_sections():
    band = ENCODERS["papagei"]().contract()["ppg"].steps[0]
    t = np.arange(20_000) / 1000.0
    x = np.sin(2 * np.pi * 2.0 * t)[None]
    found = run((band,), x, 1000.0).values
    np.testing.assert_allclose(found[0, 5000:-5000], x[0, 5000:-5000], atol=0.01)
    with np.errstate(all="ignore"):
        theirs = run((replace(band, polynomials_up_to=1000.0),), x, 1000.0).values
    assert not np.abs(theirs - x).max() < 0.5  # more than half of the signal, or not finite
    assert "polynomials up to 500 Hz" in band.describe()
    assert "polynomials" not in replace(band, polynomials_up_to=0.0).describe()


def test_labram_filters_at_the_recordings_own_rate_then_resamples():
    case = preparations("labram")["edf"]
    contract = ENCODERS["labram"]().contract()["eeg"]
    before = run(contract.steps[: contract.cut], recording(case), case["raw"]["rate"])
    assert off(before.values, case, "output") < 1e-4
    start, stop = case["window"]
    window = run(contract.steps[contract.cut :], before.values[:, start:stop], before.sfreq).values
    channels = [contract.ch_names.index(name) for name in case["names"]]
    assert off(vector(case, window[None], channels), case, "vector") < 1e-4
    other = run((contract.steps[2], *contract.steps[:2]), recording(case), case["raw"]["rate"])
    assert off(other.values, case, "output") > 1e-3  # resampled first


def test_cbramod_resamples_first_and_gives_no_vector_for_windows_that_its_makers_threw_away():
    case = preparations("cbramod")["tueg"]
    contract = ENCODERS["cbramod"]().contract()["eeg"]
    before = run(contract.steps[: contract.cut], recording(case), case["raw"]["rate"])
    assert before.sfreq == 200
    n, start = 6000, 12_000  # they leave out a minute at either end
    windows = [before.values[:, start + i * n : start + (i + 1) * n] for i in range(6)]
    assert off(windows[0], case, "output") < 1e-4
    after = [run(contract.steps[contract.cut :], window, 200.0) for window in windows]
    assert [f"file_{i}" for i, window in enumerate(after) if window.valid.all()] == case["kept"]
    assert not after[1].valid.any()
    ten_seconds = after[0].values[None, :, :2000]
    assert off(vector(case, ten_seconds, list(range(19))), case, "vector") < 1e-4


def test_a_filter_that_the_rate_cannot_hold_is_refused():
    with pytest.raises(UsageError, match=r"needs more than 150 Hz, and the recording has 128 Hz"):
        run((Filter("fir", 0.1, 75.0),), np.zeros((1, 1000)), 128.0)
