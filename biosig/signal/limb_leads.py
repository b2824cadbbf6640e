"""Checks of amplitudes: contradictions between a recording's signals and its unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

USUAL_SWING = {"ecg": (0.1, 12.0), "eeg": (2.0, 2000.0)}
"""Peak-to-peak amplitude within 1.5 s, median over windows and channels, that a real recording has.

ECG in mV: QRS of 0.5 mV or less in limb leads is called low voltage and sums of 3.5 mV are called hypertrophy, so that
a factor of about 5 is left on either side (Kligfield et al. 2007; Hancock et al. 2009). EEG in uV: 10 to 100 uV with
the same reserve, and artefacts above (Niedermeyer & Lopes da Silva, Electroencephalography, chapter 9).
"""

SWING_SECONDS = 1.5
"""One beat at 40 per minute."""

EINTHOVEN: dict[str, dict[str, float]] = {
    "III": {"II": 1, "I": -1},
    "aVR": {"I": -0.5, "II": -0.5},
    "aVL": {"I": 1, "II": -0.5},
    "aVF": {"II": 1, "I": -0.5},
}
"""Limb leads from I and II (Einthoven 1913; Goldberger 1942)."""

LARGEST_ERROR = 0.2
"""Deviation of a limb lead from `EINTHOVEN`, as a share of the larger of its own and I's and II's deviation."""


def swing(x: NDArray[np.floating], sfreq: float) -> NDArray[np.float64]:
    """Peak-to-peak amplitude per channel (C,): median over windows of 1.5 s; NaN where a channel has no whole one."""
    length = min(max(round(SWING_SECONDS * sfreq), 2), max(x.shape[1], 1))
    n = x.shape[1] // length
    if n == 0:
        return np.full(len(x), np.nan)
    parts = x[:, : n * length].reshape(len(x), n, length)
    low, high = parts.min(2), parts.max(2)  # NaN where a sample is missing
    return _nanmedian(high - low)


def amplitude_doubt(kind: str, x: NDArray[np.floating], ch_names: Sequence[str], unit: str, sfreq: float) -> str:
    """Reason to distrust the amplitudes of these channels, as a clause; "" if nothing contradicts their unit.

    Parameters
    ----------
    kind : str
    x : ndarray, shape (C, T)
        Values in `unit`, NaN = missing.
    ch_names : sequence of str
    unit : str
    sfreq : float
    """
    if kind not in USUAL_SWING:
        return ""
    swings = swing(x, sfreq)
    live = swings[np.isfinite(swings) & (swings > 0)]
    low, high = USUAL_SWING[kind]
    if len(live) and not low <= np.median(live) <= high:
        return (
            f"a swing of {np.median(live):.3g} {unit} within {SWING_SECONDS:g} s is none of a real recording "
            f"({low:g} to {high:g} {unit})"
        )
    return limb_lead_doubt(x, ch_names) if kind == "ecg" else ""


def limb_lead_doubt(x: NDArray[np.floating], ch_names: Sequence[str]) -> str:
    """Name a limb lead that is not the sum of I and II that it must be: gains differ, or a lead is another's."""
    error, name = limb_lead_error(x, ch_names)
    if not error > LARGEST_ERROR:
        return ""
    return f"lead {name} is not what I and II give (error {error:.0%} of its size): gains differ by lead"


def limb_lead_error(x: NDArray[np.floating], ch_names: Sequence[str]) -> tuple[float, str]:
    """Largest deviation of a limb lead from `EINTHOVEN` and its name; NaN without I, II and a third that vary.

    Deviation of the samples' steps, root mean square, over the largest of that lead's, I's and II's: wander does not
    count.
    """
    row = {name: i for i, name in enumerate(ch_names) if name in ("I", "II", *EINTHOVEN)}
    if not {"I", "II"} <= row.keys() or x.shape[1] < 2:
        return float("nan"), ""
    steps = {name: np.diff(x[i].astype(np.float64)) for name, i in row.items()}
    size = {name: _root_mean_square(step) for name, step in steps.items()}
    if not (size["I"] > 0 and size["II"] > 0):  # a lead off: the others are measured without it
        return float("nan"), ""
    errors = {
        name: _root_mean_square(steps[name] - sum(weight * steps[lead] for lead, weight in weights.items()))
        / max(size[name], size["I"], size["II"])
        for name, weights in EINTHOVEN.items()
        if size.get(name, 0.0) > 0
    }
    known = {name: error for name, error in errors.items() if np.isfinite(error)}
    worst = max(known, key=lambda name: known[name], default="")
    return known.get(worst, float("nan")), worst


def _root_mean_square(values: NDArray[np.floating]) -> float:
    some = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(some**2))) if len(some) else float("nan")


def _nanmedian(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values])
