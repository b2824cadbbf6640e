"""Axes in the frontal plane, angles between QRS and T, sums of voltages, and the R wave's progression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.features.ecg_measures import PerLead, lead_value, measures
from biosig.features.ecg_waves import waves
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = tuple(f"V{n}" for n in range(1, 7))

KORS = np.array([
    [-0.13, 0.05, -0.01, 0.14, 0.06, 0.54, 0.38, -0.07],
    [0.06, -0.02, -0.05, 0.06, -0.17, 0.13, -0.07, 0.93],
    [-0.43, -0.06, -0.14, -0.20, -0.11, 0.31, 0.11, -0.23],
])  # fmt: skip
"""X, Y, Z from V1 to V6, I and II (Kors, van Herpen, Sittig & van Bemmel, Eur Heart J 1990; 11:1083)."""


def frontal(window: Window, values: PerLead) -> tuple[float, float]:
    """X (lead I) and Y (lead aVF, or from two other limb leads) of a frontal vector; NaN without two limb leads.

    aVF is scaled by 2 / √3, as leads of unequal strength have to be (Novosel et al., Croat Med J 1999; 40:77).
    """
    one, two, three, foot = (lead_value(window, values, name) for name in ("I", "II", "III", "aVF"))
    if np.isnan(one):
        one = two - three
    if np.isnan(foot):
        foot = two - one / 2 if not np.isnan(two) else three + one / 2
    return one, foot * 2 / np.sqrt(3)


def degrees(x: float, y: float) -> float:
    """Direction of a frontal vector: 0° to the left, +90° to the feet; NaN where it is 0 or not known."""
    return float(np.degrees(np.arctan2(y, x))) if np.isfinite(x) and np.isfinite(y) and (x or y) else np.nan


def vector(window: Window, values: PerLead) -> NDArray[np.float64]:
    """X, Y, Z of per-lead values by `KORS`; NaN where one of the eight leads is missing."""
    return KORS @ np.array([lead_value(window, values, name) for name in (*CHEST, "I", "II")])


def angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Degrees between two vectors."""
    size = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.degrees(np.arccos(np.clip(first @ second / size, -1, 1)))) if size > 0 else np.nan


@feature(
    "ecg",
    *(
        Column(f"{wave}_{kind}", unit, formula, "Novosel et al., Croat Med J 1999; 40:77", "", True)
        for wave in ("p", "qrs", "t")
        for kind, unit, formula in (
            ("axis", "°", "arctan (2 aVF / √3 I) of the wave's areas"),
            ("axis_sin", "1", "sine of that axis"),
            ("axis_cos", "1", "cosine of that axis"),
        )
    ),
    Column("qrs_t_frontal", "°", "angle between QRS and T axes, 0 to 180", "", "", True),
    Column("qrs_t_spatial", "°", "angle between the mean QRS and T vectors by Kors's matrix",
           "Kardys et al., Eur Heart J 2003; 24:1357", "", True),
    Column("ventricular_gradient", "mV·ms", "length of the mean QRS + T vector by Kors's matrix",
           "Kors et al., Eur Heart J 1990; 11:1083", "", True),
    Column("qrs_vector", "mV·ms", "mean QRS vector by Kors's matrix", "", "direction", True),
    Column("t_vector", "mV·ms", "mean T vector by Kors's matrix", "", "direction", True),
)  # fmt: skip
def axes(window: Window) -> Values:
    """Directions of the waves."""
    found = measures(window)
    areas = {"p": found.p_area, "qrs": found.qrs_area, "t": found.t_area}
    values: dict[str, float | dict[str, float]] = {}
    for wave, area in areas.items():
        axis = degrees(*frontal(window, area))
        values[f"{wave}_axis"] = axis
        values[f"{wave}_axis_sin"], values[f"{wave}_axis_cos"] = np.sin(np.radians(axis)), np.cos(np.radians(axis))
    qrs, t = np.array(frontal(window, found.qrs_area)), np.array(frontal(window, found.t_area))
    values["qrs_t_frontal"] = angle(qrs, t)
    qrs, t = vector(window, found.qrs_area), vector(window, found.t_area)
    values["qrs_t_spatial"] = angle(qrs, t)
    values["ventricular_gradient"] = float(np.linalg.norm(qrs + t))
    values["qrs_vector"] = dict(zip("XYZ", qrs.tolist(), strict=True))
    values["t_vector"] = dict(zip("XYZ", t.tolist(), strict=True))
    return values


@feature(
    "ecg",
    Column("sokolow", "mV", "S V1 + larger of R V5, R V6", "Sokolow & Lyon, Am Heart J 1949; 37:161", "", True),
    Column("cornell", "mV", "R aVL + S V3", "Casale et al., Circulation 1987; 75:565", "", True),
    Column("cornell_product", "mV·ms", "cornell × QRS duration", "Molloy et al., JACC 1992; 20:1180", "", True),
    Column("peguero", "mV", "largest S of any lead + S V4", "Peguero et al., JACC 2017; 69:1694", "", True),
    Column("lewis", "mV", "R I + S III − R III − S I", "Lewis, Heart 1914; 5:367", "", True),
    Column("rvh_sum", "mV", "R V1 + larger of S V5, S V6", "Sokolow & Lyon, Am Heart J 1949; 38:273", "", True),
    Column("limb_voltage", "mV", "mean QRS swing of I, II, III", "", "", True),
    Column("chest_voltage", "mV", "mean QRS swing of V1 to V6", "", "", True),
    Column("r_progression", "1", "slope of (R − S) / (R + S) over V1 to V6, per lead"),
    Column("transition", "1", "chest lead, 1 to 6, at which (R − S) / (R + S) crosses 0; 0.5 before V1, 6.5 after V6"),
    Column("r_reversal", "mV", "largest fall of R from one of V1 to V4 to the next",
           "Zema & Kligfield, J Electrocardiol 1979; 12:3", "", True),
)  # fmt: skip
def sums(window: Window) -> Values:
    """Sums of voltages and the course from V1 to V6."""
    found, limits = measures(window), waves(window)
    if limits is None:
        return {}
    tall = np.maximum(found.r, found.r2)

    def r(name: str) -> float:
        return lead_value(window, tall, name)

    def s(name: str) -> float:
        return lead_value(window, found.s, name)

    values = {
        "sokolow": s("V1") + float(np.max([r("V5"), r("V6")])),
        "cornell": r("aVL") + s("V3"),
        "cornell_product": (r("aVL") + s("V3")) * 1000 * (limits.qrs[1] - limits.qrs[0]),
        "peguero": float(np.max([s(name) for name in (*LIMB, *CHEST)])) + s("V4"),
        "lewis": r("I") + s("III") - r("III") - s("I"),
        "rvh_sum": r("V1") + float(np.max([s("V5"), s("V6")])),
        "limb_voltage": float(np.mean([lead_value(window, found.swing, name) for name in ("I", "II", "III")])),
        "chest_voltage": float(np.mean([lead_value(window, found.swing, name) for name in CHEST])),
        "r_reversal": float(np.max([r(f"V{n}") - r(f"V{n + 1}") for n in (1, 2, 3)])),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.array([(r(name) - s(name)) / (r(name) + s(name)) for name in CHEST])
    if np.isfinite(share).all():
        values["r_progression"] = float(np.polyfit(np.arange(6), share, 1)[0])
        crossed = np.flatnonzero(share >= 0)
        first = int(crossed[0]) if len(crossed) else 6
        inside = 0 < first < 6
        step = share[first - 1] / (share[first - 1] - share[first]) if inside else 0.5
        values["transition"] = first + step if inside else (0.5 if first == 0 else 6.5)
    return values
