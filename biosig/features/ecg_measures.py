"""Measures of every lead's median beat: deflections of the QRS, ST segment, P and T wave.

Shape letters: L leads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from biosig.features.ecg_leads import leads
from biosig.features.ecg_waves import Waves, waves
from biosig.features.window import Window, shared

SMALLEST = 0.03
"""Share of a lead's QRS from peak to peak that a deflection must reach to be one."""

PerLead = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measures:
    """Arrays of shape (L,), in the window's unit and ms, over the level before the QRS; NaN where not measured.

    Deflections are named as usual: `q` is a negative one before the first positive one, `r` the first positive one,
    `s` the largest negative one after it, `r2` the largest positive one after that. A complex without positive
    deflection (QS) has `r` 0 and its depth as `q` and as `s`. Depths are positive numbers; `notch` is that of the
    deepest dip inside a deflection.
    """

    q: PerLead
    r: PerLead
    s: PerLead
    r2: PerLead
    q_ms: PerLead
    r_ms: PerLead
    s_ms: PerLead
    r2_ms: PerLead
    r_peak_ms: PerLead
    n_deflections: PerLead
    notch: PerLead
    notches: PerLead
    swing: PerLead
    qrs_area: PerLead
    early: PerLead
    late: PerLead
    upslope: PerLead
    downslope: PerLead
    j: PerLead
    st40: PerLead
    st60: PerLead
    st80: PerLead
    t: PerLead
    t_min: PerLead
    t_max: PerLead
    t_area: PerLead
    t_upslope: PerLead
    t_downslope: PerLead
    t_symmetry: PerLead
    u: PerLead
    p: PerLead
    p_min: PerLead
    p_max: PerLead
    p_area: PerLead
    p_terminal: PerLead
    pr_slope: PerLead


@shared
def measures(window: Window) -> Measures:
    """Measures of the window's usable leads, NaN without a beat."""
    found, n_leads = waves(window), len(leads(window).names)
    values = {field.name: np.full(n_leads, np.nan) for field in fields(Measures)}
    if found is not None:
        _measure_qrs(found, values)
        _measure_st(found, values)
        if found.has_t:
            _measure_t(found, values)
        if found.has_p:
            _measure_p(found, values)
    return Measures(**values)


def lead_value(window: Window, values: PerLead, name: str) -> float:
    """One lead's value; NaN where the window has no such lead or it cannot be measured."""
    row = leads(window).row(name)
    return float("nan") if row is None else float(values[row])


def per_channel(window: Window, values: PerLead) -> NDArray[np.float64]:
    """Values of the usable leads (L,) in the order of the window's channels, NaN for the others (C,)."""
    out = np.full(len(window.ch_names), np.nan)
    out[leads(window).rows] = values
    return out


def _measure_qrs(found: Waves, values: dict[str, PerLead]) -> None:
    on, off, ms = found.sample(found.qrs[0]), found.sample(found.qrs[1]), 1000 / found.sfreq
    qrs = found.y[:, on : off + 1]
    slope = np.gradient(qrs, axis=1) / ms  # unit per ms
    swing = np.ptp(qrs, axis=1)
    values["swing"][:] = swing
    values["qrs_area"][:] = qrs.sum(1) * ms
    values["upslope"][:], values["downslope"][:] = slope.max(1), -slope.min(1)
    values["early"][:] = found.y[:, min(on + round(40 / ms), off)]
    values["late"][:] = found.y[:, max(off - round(40 / ms), on)]
    for lead, x in enumerate(qrs):
        if swing[lead] <= 0:
            continue
        for name, number in deflections(x, SMALLEST * swing[lead], ms).items():
            values[name][lead] = number


def deflections(x: NDArray[np.float64], smallest: float, ms: float) -> dict[str, float]:
    """Deflections of one lead's QRS.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Samples from the QRS's onset to its end over the level before it.
    smallest : float
        Size that a deflection must reach.
    ms : float
        Milliseconds per sample.
    """
    sign = np.sign(x)
    starts = np.flatnonzero(np.r_[True, sign[1:] != sign[:-1]])
    stops = np.r_[starts[1:], len(x)]
    parts: list[tuple[float, int, float]] = []
    dips: list[float] = []
    for a, b in zip(starts.tolist(), stops.tolist(), strict=True):
        size = np.abs(x[a:b])
        peak = a + int(size.argmax())
        if size.max() >= smallest:
            parts.append((float(x[peak]), peak, (b - a) * ms))
            dips.append(_deepest_dip(size))
    none = (0.0, 0, 0.0)
    up = [i for i, part in enumerate(parts) if part[0] > 0]
    first = up[0] if up else len(parts)
    q = max(parts[:first], key=lambda part: -part[0], default=none)
    r = parts[first] if up else none
    s = max((part for part in parts[first:] if part[0] < 0), key=lambda part: -part[0], default=none)
    r2 = max((part for part in parts[first + 1 :] if part[0] > 0), key=lambda part: part[0], default=none)
    if not up:
        s = q
    largest = max((part for part in parts if part[0] > 0), key=lambda part: part[0], default=none)
    return {
        "q": -q[0], "r": r[0], "s": -s[0], "r2": r2[0],
        "q_ms": q[2], "r_ms": r[2], "s_ms": s[2], "r2_ms": r2[2],
        "r_peak_ms": int(largest[1]) * ms if up else np.nan,
        "n_deflections": float(len(parts)),
        "notch": max(dips, default=0.0), "notches": float(sum(dip >= smallest for dip in dips)),
    }  # fmt: skip


def _deepest_dip(x: NDArray[np.float64]) -> float:
    """Largest fall of `x` that it rises from again."""
    before, after = np.maximum.accumulate(x), np.maximum.accumulate(x[::-1])[::-1]
    return float((np.minimum(before, after) - x).max())


def _measure_st(found: Waves, values: dict[str, PerLead]) -> None:
    end = found.qrs[1]
    for name, after in (("j", 0.0), ("st40", 0.04), ("st60", 0.06), ("st80", 0.08)):
        values[name][:] = found.part(end + after - 0.004, end + after + 0.004).mean(1)


def _measure_t(found: Waves, values: dict[str, PerLead]) -> None:
    start, end, ms = (
        max(found.t[0] if np.isfinite(found.t[0]) else 0.0, found.qrs[1] + 0.06),
        found.t[1],
        1000 / found.sfreq,
    )
    wave = found.part(min(start, end - 0.06), end)
    values["t_min"][:], values["t_max"][:] = wave.min(1), wave.max(1)
    peak = np.abs(wave).argmax(1)
    values["t"][:] = wave[np.arange(len(wave)), peak]
    values["t_area"][:] = wave.sum(1) * ms
    slope = np.gradient(wave, axis=1) / ms
    values["t_upslope"][:], values["t_downslope"][:] = slope.max(1), -slope.min(1)
    before, after = np.maximum(peak, 1), np.maximum(wave.shape[1] - 1 - peak, 1)
    values["t_symmetry"][:] = np.log(before / after)
    later = found.part(end + 0.02, end + 0.12)
    values["u"][:] = later.max(1) - later[:, -1]


def _measure_p(found: Waves, values: dict[str, PerLead]) -> None:
    (start, end), ms = found.p, 1000 / found.sfreq
    if not np.isfinite(end) or end - start < 0.02:
        end = min(start + 0.11, found.qrs[0])
    wave = found.part(start, end)
    wave = wave - np.linspace(wave[:, 0], wave[:, -1], wave.shape[1], axis=1)
    values["p_min"][:], values["p_max"][:] = wave.min(1), wave.max(1)
    values["p"][:] = wave[np.arange(len(wave)), np.abs(wave).argmax(1)]
    values["p_area"][:] = wave.sum(1) * ms
    second = wave[:, wave.shape[1] // 2 :]
    values["p_terminal"][:] = np.minimum(second.min(1), 0) * (second < 0).sum(1) * ms
    segment = found.part(end, found.qrs[0])
    values["pr_slope"][:] = segment[:, -1] - segment[:, 0]
