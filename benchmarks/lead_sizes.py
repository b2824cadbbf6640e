"""Usual swing of each ECG lead, and how well lost ratios between leads are found again.

    python benchmarks/lead_sizes.py RECORDS

RECORDS is a folder of 12-lead WFDB records in mV. Prints the medians that are `biosig.batches.lead_sizes.USUAL_SWING`;
then each lead is divided by its own deviation, and the limb leads' ratios found again are compared with the true ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import biosig
from biosig.batches.contract import limit_band
from biosig.batches.lead_sizes import LIMB, USUAL_SWING, usual_factors
from biosig.signal import resample
from biosig.signal.limb_leads import swing

SFREQ, BAND = 100.0, (0.5, 40.0)


def leads_of(path: Path) -> np.ndarray:
    """The twelve leads (12, T) of a record, as fused presets see them."""
    (stream,) = biosig.read(path).streams
    rows = [stream.ch_names.index(name) for name in USUAL_SWING]
    values = limit_band(stream.pick(rows).physical(), stream.sfreq, BAND)
    return resample(values, stream.sfreq, SFREQ)


def main(folder: Path) -> None:
    names = list(USUAL_SWING)
    records = [leads_of(path) for path in sorted(folder.rglob("*.hea"))]
    whole = [x for x in records if (np.nanstd(x, axis=1) > 0.01).all()]
    usual = np.nanmedian([swing(x, SFREQ) for x in whole], axis=0)
    print(f"{len(whole)} of {len(records)} records; usual swing in mV")
    print(", ".join(f'"{name}": {size:.2f}' for name, size in zip(names, usual, strict=True)))
    errors, left = [], 0
    for x in whole:
        flat = x / np.nanstd(x, axis=1, keepdims=True)
        factors = usual_factors(flat, names, SFREQ)
        if factors is None:
            left += 1
            continue
        gain = factors[: len(LIMB)] / np.nanstd(x[: len(LIMB)], axis=1)  # one number where ratios are the true ones
        errors.append(np.abs(np.log(gain / np.median(gain))).max())
    print(f"{left} left as they are; of the others the largest error of a limb lead's size: ", end="")
    print(", ".join(f"{q:.0%} of records below {np.expm1(np.quantile(errors, q)):.2%}" for q in (0.5, 0.9, 0.99)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
