"""ECG leads whose sizes a source has taken are given usual ones, with true ratios where these can be found."""

from dataclasses import replace

import numpy as np
import pytest

from biosig.batches.contract import prepare
from biosig.batches.lead_sizes import LIMB, USUAL_SWING, usual_factors
from biosig.models.presets import preset
from biosig.signal.limb_leads import EINTHOVEN, limb_lead_error, swing

NAMES = list(USUAL_SWING)
WANTED = preset("biosig-fused-tiny").contract


@pytest.fixture(scope="module")
def x(ecg):
    """Twelve leads in mV at 100 Hz (12, T)."""
    stream = ecg.streams[0]
    return stream.pick([stream.ch_names.index(name) for name in NAMES]).physical()


@pytest.fixture(scope="module")
def flat(x):
    return x / x.std(axis=1, keepdims=True)


def in_unit(ecg, values, unit="NU"):
    stream = ecg.streams[0]
    channels = tuple(replace(stream.channels[stream.ch_names.index(name)], unit=unit) for name in NAMES[: len(values)])
    one = np.ones(len(values))
    made = replace(stream, channels=channels, samples=values.astype(np.float32), scale=one, offset=0 * one)
    return replace(ecg, streams=[made], robust_scale={})


def test_ratios_of_limb_leads_are_found_again(x, flat):
    factors = usual_factors(flat, NAMES, 100.0)
    assert limb_lead_error(flat, NAMES)[0] > 0.2
    gain = factors[: len(LIMB)] * flat[: len(LIMB)].std(axis=1) / x[: len(LIMB)].std(axis=1)
    np.testing.assert_allclose(gain, gain[0], rtol=0.02)


def test_limb_leads_share_a_factor_and_each_chest_lead_has_the_usual_swing(flat):
    own = swing(flat * usual_factors(flat, NAMES, 100.0)[:, None], 100.0)
    usual = np.array(list(USUAL_SWING.values()))
    np.testing.assert_allclose(own[6:], usual[6:], rtol=1e-5)
    assert np.log(own[:6]).mean() == pytest.approx(np.log(usual[:6]).mean(), abs=1e-5)
    assert not np.allclose(own[:6], usual[:6], rtol=0.05), "ratios are the recording's own"


def test_null_vector_by_hand():
    """I = 2 a, II = 3 b with a, b independent; all three divided by their deviations."""
    rng = np.random.default_rng(0)
    one, two = 2 * rng.normal(size=3000), 3 * rng.normal(size=3000)
    truth = np.stack((one, two, two - one))
    size = truth.std(axis=1)
    factors = usual_factors(truth / size[:, None], ["I", "II", "III"], 100.0)
    np.testing.assert_allclose(factors / factors[0], size / size[0], rtol=1e-6)


@pytest.mark.parametrize("missing", ["I", "II", "III"])
def test_without_one_of_three_nothing_is_guessed(flat, missing):
    row = NAMES.index(missing)
    assert usual_factors(np.delete(flat, row, axis=0), [n for n in NAMES if n != missing], 100.0) is None
    gone = flat.copy()
    gone[row] = np.nan
    assert usual_factors(gone, NAMES, 100.0) is None


def test_leads_that_agree_already_and_leads_that_agree_for_no_sizes_are_left(x, flat):
    assert usual_factors(37 * x, NAMES, 100.0) is None
    noise = np.random.default_rng(0).normal(size=x.shape)
    assert usual_factors(noise, NAMES, 100.0) is None
    turned = flat.copy()
    turned[1] *= -1  # a size would have to be negative
    assert usual_factors(turned, NAMES, 100.0) is None


def test_missing_samples_and_further_channels_change_nothing(flat):
    whole = usual_factors(flat, NAMES, 100.0)
    gaps = np.concatenate((flat, flat[:1]))
    gaps[3, 100:180] = np.nan
    found = usual_factors(gaps, [*NAMES, "MCL1"], 100.0)
    assert np.isnan(found[-1])
    np.testing.assert_allclose(found[:-1], whole, rtol=0.05)


def test_a_model_sees_z_scored_leads_at_usual_sizes_and_is_told_that_it_does_not_know_them(ecg, x, flat):
    (seen,) = prepare(in_unit(ecg, flat), WANTED)
    (known,) = prepare(in_unit(ecg, x, "mV"), WANTED)
    assert np.isnan(seen.log_scale)
    assert known.log_scale == 0
    values = dict(zip(seen.ch_names, seen.values * seen.sign[:, None], strict=True))
    for name, weights in EINTHOVEN.items():
        given = sum(weight * values[lead] for lead, weight in weights.items())
        assert np.abs(values[name] - given).max() < 0.02 * np.abs(given).max()
    np.testing.assert_allclose(swing(seen.values, 100.0)[6:], list(USUAL_SWING.values())[6:], rtol=0.01)
    ratio = swing(seen.values, 100.0)[:6] / swing(known.values, 100.0)[:6]
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.03)
    np.testing.assert_allclose(seen.to_physical(seen.values)[6:, 100:900].std(axis=1), 1.0, atol=0.15)


def test_two_leads_of_unknown_scale_are_brought_to_one_usual_scale(ecg, flat):
    (seen,) = prepare(in_unit(ecg, flat[:2]), WANTED)
    assert isinstance(seen.scale, float)
