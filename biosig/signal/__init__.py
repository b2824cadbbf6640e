"""Pure functions over arrays of samples: resampling, filters, units, robust scale, validity.

Arrays end in time, (…, T), float32 or float64; NaN marks a sample that is not a real value. NaN in gives NaN out at the
same moments and nowhere else: gaps are bridged by a straight line while a filter passes over them, then marked again.
"""

from biosig.signal.clean import neurokit_clean
from biosig.signal.filters import ZeroPhase, band_filter, bandpass, notch, notch_filter
from biosig.signal.rates import check_rate
from biosig.signal.resample import resample, resample_valid
from biosig.signal.scale import channel_scales, is_flat, robust_scale
from biosig.signal.units import canonical_unit, check_plausible, check_scale, convert_units, spell_unit, unit_factor
from biosig.signal.validity import bridge_gaps, join_runs, mask_from_runs, runs_from_mask

__all__ = [
    "ZeroPhase",
    "band_filter",
    "bandpass",
    "bridge_gaps",
    "canonical_unit",
    "channel_scales",
    "check_plausible",
    "check_rate",
    "check_scale",
    "convert_units",
    "is_flat",
    "join_runs",
    "mask_from_runs",
    "neurokit_clean",
    "notch",
    "notch_filter",
    "resample",
    "resample_valid",
    "robust_scale",
    "runs_from_mask",
    "spell_unit",
    "unit_factor",
]
