"""Quality of each lead, exchanged electrodes and polarity: reported, never repaired."""

from __future__ import annotations

import numpy as np

from biosig.features.ecg_leads import leads
from biosig.features.ecg_measures import lead_value, measures, per_channel
from biosig.features.ecg_median import median_beat
from biosig.features.ecg_scores import all_of, at_least, at_most
from biosig.features.registry import Column, Values, feature
from biosig.features.runs import clipped_share, flat_share
from biosig.features.window import Window
from biosig.signal.limb_leads import limb_lead_error

REVERSAL = "Batchvarov, Malik & Camm, Europace 2007; 9:1081"

UPRIGHT = ("I", "II", "aVF", "V4", "V5", "V6")
"""Leads in which P, QRS and T are usually upright."""


@feature(
    "ecg",
    Column("missing", "1", "share of samples without a value", "", "channel"),
    Column("flat", "1", "share of samples within 0.2 s or more of one value", "", "channel"),
    Column("clipped", "1", "share of samples at the lead's largest or smallest value, in runs of 3 or more",
           "", "channel"),
    Column("noise", "mV", "deviation of single beats from the median beat outside the QRS", "", "channel", True),
    Column("signal_to_noise", "dB", "20 lg (QRS swing / noise)", "", "channel"),
    Column("wander", "dB", "10 lg (variance below 0.5 Hz / variance above)", "", "channel"),
    Column("mains", "Hz", "50 or 60 where that hum was removed, else 0"),
    Column("limb_error", "1", "largest deviation of a limb lead from what I and II give, over the leads' size",
           "Einthoven, Lancet 1912; 1:853"),
)  # fmt: skip
def quality(window: Window) -> Values:
    """Quality of each lead."""
    ecg, beat, found = leads(window), median_beat(window), measures(window)
    values: dict[str, float | np.ndarray] = {
        "missing": 1 - np.isfinite(window.x).mean(1) if window.n_times else np.nan,
        "flat": np.array([flat_share(x, window.sfreq) for x in window.x]),
        "clipped": np.array([clipped_share(x) for x in window.x]),
        "limb_error": limb_lead_error(window.x, window.ch_names)[0],
    }
    if not len(ecg.x):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        values["signal_to_noise"] = per_channel(window, 20 * np.log10(found.swing / beat.noise))
        total = np.nanvar(window.x[ecg.rows].astype(np.float64), axis=1)
        above = ecg.x.var(1, dtype=np.float64)
        values["wander"] = per_channel(window, 10 * np.log10(np.maximum(total / above - 1, 1e-3)))
    values["noise"] = per_channel(window, beat.noise)
    values["mains"] = ecg.mains
    return values


@feature(
    "ecg",
    Column("polarity", "1", "(largest + smallest value) / swing of the QRS, −1 to 1", "", "channel"),
    Column("inverted", "1", "score: P, QRS and T are all turned down, in I, II, aVF, V4, V5, V6", REVERSAL, "channel"),
    Column("arms_exchanged", "1", "score: P, QRS and T turned down in I, QRS upright in V6 where it is known",
           REVERSAL),
    Column("right_leg_exchanged", "1", "score: II or III or I nearly flat, below 0.15 mV, beside leads of 0.3 mV",
           REVERSAL, "", True),
    Column("chest_order", "1", "correlation of each chest lead's median beat with its neighbour's less that with the "
           "lead after next, smallest of V1 to V4: below 0 where two are exchanged", REVERSAL),
)  # fmt: skip
def polarity(window: Window) -> Values:
    """Polarity of each lead and exchanged electrodes."""
    found, ecg, beat = measures(window), leads(window), median_beat(window)
    if not beat.n_beats:
        return {}
    share = (np.maximum(found.r, found.r2) - np.maximum(found.q, found.s)) / found.swing
    down = np.full(len(ecg.names), np.nan)
    for row, name in enumerate(ecg.names):
        if name in UPRIGHT:
            signs = [found.p[row], found.t[row]]
            scores = [at_most(share[row], -0.2, 0.1)]
            scores += [at_most(value / found.swing[row], -0.01, 0.01) for value in signs if np.isfinite(value)]
            down[row] = all_of(*scores) if len(scores) > 1 else np.nan
    left = lead_value(window, share, "V6")
    arms = all_of(lead_value(window, down, "I"), at_least(left, 0.0, 0.1) if np.isfinite(left) else 1.0)
    swings = [lead_value(window, found.swing, name) for name in ("I", "II", "III")]
    values: dict[str, float | np.ndarray] = {
        "polarity": per_channel(window, share),
        "inverted": per_channel(window, down),
        "arms_exchanged": arms,
        "right_leg_exchanged": all_of(
            at_most(float(np.min(swings)), 0.15, 0.03), at_least(float(np.max(swings)), 0.3, 0.03)
        ),
    }
    rows = [ecg.row(f"V{n}") for n in range(1, 7)]
    if None not in rows:
        with np.errstate(invalid="ignore", divide="ignore"):  # a lead that does not move is like no other: NaN
            likeness = np.corrcoef(beat.x[np.array(rows, int)])
        values["chest_order"] = float(np.min([likeness[i, i + 1] - likeness[i, i + 2] for i in range(4)]))
    return values
