"""Band powers per electrode and region, asymmetries between the hemispheres, and ratios of bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.features.eeg_channels import electrodes, per_channel, per_region
from biosig.features.eeg_spectra import THOMSON, holds, spectrum
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared

BANDS = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
    "alpha_low": (8.0, 10.0),
    "alpha_high": (10.0, 13.0),
    "beta_low": (13.0, 20.0),
    "beta_high": (20.0, 30.0),
}
"""Hz (Babiloni et al., Clin Neurophysiol 2020; 131:285)."""

IFCN = "Babiloni et al., Clin Neurophysiol 2020; 131:285"

WHOLE = (1.0, 45.0)
"""Hz: the band that relative powers are shares of."""

PAIRS = (
    ("Fp1", "Fp2"), ("AF7", "AF8"), ("AF3", "AF4"), ("F7", "F8"), ("F3", "F4"), ("FC5", "FC6"), ("FC3", "FC4"),
    ("T7", "T8"), ("C3", "C4"), ("TP9", "TP10"), ("CP5", "CP6"), ("CP3", "CP4"), ("P7", "P8"), ("P3", "P4"),
    ("PO7", "PO8"), ("PO3", "PO4"), ("O1", "O2"),
)  # fmt: skip


@shared
def powers(window: Window) -> dict[str, NDArray[np.float64]]:
    """Band → power of the usable electrodes (E,) in unit²; NaN where the window cannot carry the band."""
    found, n = spectrum(window), len(electrodes(window).rows)
    return {
        name: found.power(low, high) if found is not None and holds(window, low, high) else np.full(n, np.nan)
        for name, (low, high) in BANDS.items()
    }


@shared
def decibels(window: Window) -> dict[str, NDArray[np.float64]]:
    """Band → 10 lg of `powers`."""
    with np.errstate(divide="ignore"):
        return {name: 10 * np.log10(power) for name, power in powers(window).items()}


@feature(
    "eeg",
    *(Column(f"power_{name}", "dB re 1 uV²", f"10 lg of the power from {low:g} to {high:g} Hz, multitaper, 4-s "
             "segments; three cycles of the lowest frequency or more", f"{IFCN}; {THOMSON}", "channel", True)
      for name, (low, high) in BANDS.items()),
    *(Column(f"region_power_{name}", "dB re 1 uV²", f"mean of power_{name} over the region's electrodes", IFCN,
             "region", True) for name in BANDS),
)  # fmt: skip
def absolute(window: Window) -> Values:
    """Absolute band powers."""
    values: dict[str, NDArray[np.floating] | dict[str, float]] = {}
    for name, power in decibels(window).items():
        values[f"power_{name}"] = per_channel(window, power)
        values[f"region_power_{name}"] = per_region(window, power)
    return values


@feature(
    "eeg",
    *(Column(f"share_{name}", "1", f"power from {low:g} to {high:g} Hz over that from 1 to 45 Hz, or to the end of the "
             "recording's band above 30 Hz", IFCN, "channel") for name, (low, high) in BANDS.items()),
    *(Column(f"region_share_{name}", "1", f"mean of share_{name} over the region's electrodes", IFCN, "region")
      for name in BANDS),
    Column("theta_beta", "1", "ln (power of theta / power of beta)", "Monastra et al., Neuropsychology 2001; 15:136",
           "channel"),
    Column("slow_fast", "1", "ln ((delta + theta) / (alpha + beta))", IFCN, "channel"),
)  # fmt: skip
def relative(window: Window) -> Values:
    """Relative band powers and ratios of bands: free of each channel's gain."""
    found, power = spectrum(window), powers(window)
    total = np.full(len(electrodes(window).rows), np.nan)
    top = next((high for high in (WHOLE[1], 40.0, 35.0, 30.0) if holds(window, WHOLE[0], high)), None)
    if found is not None and top is not None:
        total = found.power(WHOLE[0], top)
    values: dict[str, NDArray[np.floating] | dict[str, float]] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, part in power.items():
            values[f"share_{name}"] = per_channel(window, part / total)
            values[f"region_share_{name}"] = per_region(window, part / total)
        values["theta_beta"] = per_channel(window, np.log(power["theta"] / power["beta"]))
        slow, fast = power["delta"] + power["theta"], power["alpha"] + power["beta"]
        values["slow_fast"] = per_channel(window, np.log(slow / fast))
    return values


@feature(
    "eeg",
    *(Column(f"asymmetry_{name}", "1", f"ln power of {name} at the right electrode − ln power at the left",
             "Allen, Coan & Nazarian, Biol Psychol 2004; 67:183", "pair", True, ratio=True) for name in BANDS),
    *(Column(f"front_back_{name}", "dB", f"region_power_{name}: mean of the frontal regions − mean of the parietal and "
             "occipital", IFCN, "", True, ratio=True) for name in BANDS),
)  # fmt: skip
def asymmetry(window: Window) -> Values:
    """Differences between hemispheres, and between front and back."""
    of_row = {int(row): i for i, row in enumerate(electrodes(window).rows)}
    at = {name: of_row[row] for row, name in enumerate(window.ch_names) if row in of_row}
    pairs = [(left, right) for left, right in PAIRS if left in window.ch_names and right in window.ch_names]
    values: dict[str, dict[str, float] | float] = {}
    for name, power in decibels(window).items():
        values[f"asymmetry_{name}"] = {
            f"{left} {right}": (power[at[right]] - power[at[left]]) * np.log(10) / 10
            if left in at and right in at
            else np.nan
            for left, right in pairs
        }
        regions = per_region(window, power)
        front = [value for region, value in regions.items() if region.startswith("frontal") and np.isfinite(value)]
        back = [
            value
            for region, value in regions.items()
            if region.startswith(("parietal", "occipital")) and np.isfinite(value)
        ]
        values[f"front_back_{name}"] = float(np.mean(front) - np.mean(back)) if front and back else np.nan
    return values
