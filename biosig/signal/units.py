"""Units: one spelling, factors between them, and a check that the numbers look like their unit."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, UsageError
from biosig.signal.scale import robust_scale

_SPELLINGS = {
    "v": "V", "volt": "V", "volts": "V",
    "mv": "mV", "millivolt": "mV", "millivolts": "mV",
    "uv": "uV", "microvolt": "uV", "microvolts": "uV", "muv": "uV",
    "nv": "nV", "nanovolt": "nV", "nanovolts": "nV",
    "mmhg": "mmHg", "kpa": "kPa",
    "g": "g", "mg": "mg", "m/s2": "m/s2", "m/s^2": "m/s2",
    "c": "degC", "degc": "degC", "celsius": "degC", "°c": "degC",
    "ohm": "Ohm", "ohms": "Ohm",
    "%": "%", "percent": "%", "nu": "NU", "au": "NU", "a.u.": "NU", "n/a": "", "-": "",
}  # fmt: skip

_SIZES = {
    "V": ("voltage", 1.0), "mV": ("voltage", 1e-3), "uV": ("voltage", 1e-6), "nV": ("voltage", 1e-9),
    "mmHg": ("pressure", 133.322387415), "kPa": ("pressure", 1e3),
    "g": ("acceleration", 9.80665), "mg": ("acceleration", 9.80665e-3), "m/s2": ("acceleration", 1.0),
}  # fmt: skip

_VOLTS = ("uV", "mV", "V")

_CANONICAL = {"ecg": "mV", "eeg": "uV", "eog": "uV", "emg": "uV"}

_USUAL = {"ecg": 2e-4, "eeg": 2e-5, "eog": 5e-5, "emg": 5e-5}
"""Usual robust scale in volts: 0.2 mV for a surface ECG, 20 uV for a scalp EEG, 50 uV for eyes and for a muscle."""

_TOO_FAR = {"ecg": 150.0, "eeg": 250.0, "eog": 300.0, "emg": 300.0}
"""A scale this many times off the usual is a wrong unit: real extremes stay within, a factor 1,000 does not."""


@lru_cache(maxsize=1024)
def spell_unit(unit: str) -> str:
    """The unit in this project's spelling ("µV", "uv", "microvolts" → "uV"); one that is not known stays as it is."""
    plain = unit.strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    return _SPELLINGS.get(plain.lower(), plain)


def is_voltage(unit: str) -> bool:
    """True if `unit` is V, mV, uV or nV, however it is spelt."""
    return si_size(unit)[0] == "voltage"


def si_size(unit: str) -> tuple[str, float]:
    """Quantity of a unit ("voltage", "pressure", "acceleration"; "" if that is not known), and its size in SI."""
    return _SIZES.get(spell_unit(unit), ("", 1.0))


def is_known_unit(unit: str) -> bool:
    """True if `unit` is one that this project has a spelling for."""
    return spell_unit(unit) in _SPELLINGS.values()


def unit_factor(from_unit: str, to_unit: str) -> float:
    """Factor that turns numbers in `from_unit` into `to_unit`: ``unit_factor("V", "uV") == 1e6``.

    Raises
    ------
    UsageError
        If a unit is not known or the two measure different things.
    """
    source, target = spell_unit(from_unit), spell_unit(to_unit)
    if source == target:
        return 1.0
    if source not in _SIZES or target not in _SIZES or _SIZES[source][0] != _SIZES[target][0]:
        raise UsageError(
            f"There is no conversion from '{from_unit}' to '{to_unit}': units that convert are {', '.join(_SIZES)}, "
            f"each into its like."
        )
    ratio = _SIZES[source][1] / _SIZES[target][1]
    power = round(math.log10(ratio))
    return 10.0**power if math.isclose(ratio, 10.0**power, rel_tol=1e-9) else ratio


def convert_units(x: NDArray[Any], from_unit: str, to_unit: str) -> NDArray[Any]:
    """`x` in `to_unit`, in its own float dtype; raises as `unit_factor` does."""
    factor = unit_factor(from_unit, to_unit)
    return x if factor == 1.0 else np.asarray(x * np.asarray(factor, x.dtype if x.dtype.kind == "f" else np.float64))


def canonical_unit(kind: str) -> str | None:
    """The unit in which a kind is kept: mV for ECG, uV for EEG, EOG and EMG, None where the source's own stays."""
    return _CANONICAL.get(kind)


def check_plausible(values: NDArray[Any], kind: str, unit: str, where: str) -> None:
    """Refuse an ECG, EEG, EOG or EMG whose size says that its unit is wrong by a factor of about 1,000 or more.

    Looks at the robust scale of all channels together (`check_scale`).

    Parameters
    ----------
    values : ndarray, shape (C, T)
        Physical values in `unit`; NaN = invalid.
    kind, unit : str
        Kind of channel and the unit that the numbers are said to be in.
    where : str
        File or recording that the message names, and the channel if there is one.

    Raises
    ------
    DataError
        With the factor by which they are off, and the mistakes in their unit that do that.
    """
    if kind in _USUAL and is_voltage(unit):
        check_scale(robust_scale(values), kind, unit, where)


def check_scale(scale: float, kind: str, unit: str, where: str) -> None:
    """The check of `check_plausible` for a robust scale that is known already, in `unit`.

    Kinds that have no usual size, units that are not a voltage, 0 and NaN pass. `unit` may be that of the kind, to
    which numbers were converted from the one that is in doubt: so the message names the factor.

    Raises
    ------
    DataError
        With the factor by which they are off, and the mistakes in their unit that do that.
    """
    usual, spelt = _USUAL.get(kind), spell_unit(unit)
    if usual is None or not is_voltage(spelt):
        return
    times = scale * _SIZES[spelt][1] / usual
    if not scale > 0 or 1 / _TOO_FAR[kind] < times < _TOO_FAR[kind]:
        return
    power = max(1, round(min(abs(math.log10(times)), 30) / 3))
    small, usual_here = times < 1, usual / _SIZES[spelt][1]
    pairs = zip(_VOLTS[power:], _VOLTS, strict=False) if small else zip(_VOLTS, _VOLTS[power:], strict=False)
    mistakes = ", ".join(f"{true} taken for {stated}" for true, stated in pairs)
    raise DataError(
        f"{where}: {kind.upper()} amplitudes come to about {scale:.3g} {spelt}, where about {usual_here:.3g} {spelt} "
        f"is usual: about {1000**power:,} times too {'small' if small else 'large'}{mistakes and f' ({mistakes}?)'}; "
        "correct the unit that the source or its mapping states."
    )
