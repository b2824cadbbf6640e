"""Usual sizes of ECG leads that have lost their own: a source that z-scores each lead has lost the ratios between them.

Of the limb leads the ratios can be found again, since III = II - I (Einthoven 1913) holds for one set of sizes alone:
that of the null vector of the three. So all limb leads are brought to the usual swing by one factor, and each chest
lead by its own. What a recording in a unit of its own has kept, as one gain for all leads does, is left as it is.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.signal.limb_leads import EINTHOVEN, LARGEST_ERROR, limb_lead_error, swing

USUAL_SWING = {
    "I": 0.84, "II": 0.78, "III": 0.68, "aVR": 0.75, "aVL": 0.67, "aVF": 0.58,
    "V1": 0.91, "V2": 1.35, "V3": 1.45, "V4": 1.39, "V5": 1.23, "V6": 0.97,
}  # fmt: skip
"""mV: median over recordings of the median over 1.5-s windows of maximum less minimum, at 100 Hz in 0.5-40 Hz.

Measured on the recordings in mV of the PhysioNet/CinC Challenge 2011 by ``benchmarks/lead_sizes.py``.
"""

LIMB = ("I", "II", *EINTHOVEN)

AS_IT_IS = 0.05
"""Largest deviation from `EINTHOVEN`, as `limb_lead_error` tells it, of leads that have kept their ratios."""


def usual_factors(values: NDArray[np.floating], ch_names: Sequence[str], sfreq: float) -> NDArray[np.float64] | None:
    """Factor of each lead that brings it to its usual size, in mV.

    Parameters
    ----------
    values : ndarray, shape (C, T)
        Of unknown scale, NaN = missing.
    ch_names : sequence of str
        C names.
    sfreq : float
        Hz.

    Returns
    -------
    ndarray, shape (C,), or None
        NaN for channels that are not among the twelve leads or do not move. None if one factor for all is right, or no
        other can be found: I, II or III is missing, or they agree already, or they agree for no sizes.
    """
    row = {name: i for i, name in enumerate(ch_names) if name in USUAL_SWING}
    if not {"I", "II", "III"} <= row.keys() or not limb_lead_error(values, ch_names)[0] > AS_IT_IS:
        return None
    true = np.ones(len(values))
    sizes = _limb_sizes(values[[row["I"], row["II"], row["III"]]])
    if sizes is None:
        return None
    true[[row["I"], row["II"], row["III"]]] = sizes
    for name in ("aVR", "aVL", "aVF"):
        if name in row:
            given = sum(weight * true[row[lead]] * values[row[lead]] for lead, weight in EINTHOVEN[name].items())
            true[row[name]] = _slope(values[row[name]], given)
    limbs = [row[name] for name in LIMB if name in row]
    if not (true[limbs] > 0).all():
        return None
    if limb_lead_error(values[limbs] * true[limbs, None], [ch_names[i] for i in limbs])[0] > LARGEST_ERROR:
        return None
    usual = np.array([USUAL_SWING.get(name, np.nan) for name in ch_names])
    own = swing(values, sfreq) * true
    factors = np.divide(usual, own, out=np.full(len(values), np.nan), where=own > 0)
    factors[limbs] = true[limbs] * np.exp(np.nanmean(np.log(factors[limbs])))
    return factors if np.isfinite(factors[limbs]).all() else None


def _limb_sizes(values: NDArray[np.floating]) -> NDArray[np.float64] | None:
    """True sizes (3,) of I, II and III relative to each other; None where III = II - I has no positive solution."""
    real = values[:, np.isfinite(values).all(axis=0)].astype(np.float64)
    if real.shape[1] < 3:
        return None
    steps = np.diff(real, axis=1)
    null = np.linalg.eigh(steps @ steps.T)[1][:, 0]  # of the smallest eigenvalue
    null = null * [1.0, -1.0, 1.0]  # s1 I - s2 II + s3 III = 0
    null = null * np.sign(null.sum())
    return null if (null > 0).all() else None


def _slope(values: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Factor of `values` (T,) that brings them nearest to `wanted`."""
    real = np.isfinite(values) & np.isfinite(wanted)
    x, y = np.diff(values[real].astype(np.float64)), np.diff(wanted[real].astype(np.float64))
    return float(x @ y / max(x @ x, 1e-30))
