"""Criteria of hypertrophy and of enlarged atria, and of low voltage."""

from __future__ import annotations

import numpy as np

from biosig.features.ecg_axes import CHEST, LIMB
from biosig.features.ecg_conduction import left_axis, qrs, right_axis
from biosig.features.ecg_scores import (
    VOLTAGE_WIDTH,
    Criterion,
    Evidence,
    all_of,
    any_of,
    at_least,
    at_most,
    largest,
    register,
    two_of,
)

AHA = "Hancock et al., Circulation 2009; 119:e251"
SOKOLOW = "Sokolow & Lyon, Am Heart J 1949; 37:161"
RIGHT = "Sokolow & Lyon, Am Heart J 1949; 38:273"
CORNELL = "Casale et al., Circulation 1987; 75:565"
PRODUCT = "Molloy et al., JACC 1992; 20:1180"
PEGUERO = "Peguero et al., JACC 2017; 69:1694"
ESTES = "Romhilt & Estes, Am Heart J 1968; 75:752"


def over(value: float, threshold: float) -> float:
    """A voltage of at least so many mV."""
    return at_least(value, threshold, VOLTAGE_WIDTH * threshold)


def sokolow(e: Evidence) -> float:
    """S V1 + R V5 or V6, mV."""
    return e("s", "V1") + largest((e.tall("V5"), e.tall("V6")))


def cornell(e: Evidence) -> float:
    """R aVL + S V3, mV."""
    return e.tall("aVL") + e("s", "V3")


def peguero(e: Evidence) -> float:
    """Deepest S of all leads + S V4, mV."""
    return largest(e("s", lead) for lead in (*LIMB, *CHEST)) + e("s", "V4")


def lvh_voltage(e: Evidence) -> float:
    """Any voltage criterion of the left ventricle."""
    return any_of(over(sokolow(e), 3.5), over(cornell(e), 2.8), over(e.tall("aVL"), 1.1), over(cornell(e) * e.qrs, 244))


def strain(e: Evidence) -> float:
    """ST depression and T inversion in two of I, aVL, V5, V6."""
    return two_of(
        all_of(at_most(e("st60", lead), -0.05, 0.02), at_most(e("t", lead), -0.05, 0.03))
        for lead in ("I", "aVL", "V5", "V6")
    )


def right_strain(e: Evidence) -> float:
    """ST depression and T inversion in two of V1 to V3."""
    return two_of(
        all_of(at_most(e("st60", lead), -0.03, 0.02), at_most(e("t", lead), -0.1, 0.04)) for lead in ("V1", "V2", "V3")
    )


def p_terminal(e: Evidence) -> float:
    """Terminal force of P in V1 of −4 mV·ms (0.04 mm·s) or less."""
    return at_most(e("p_terminal", "V1"), -4, 0.8)


def estes_points(e: Evidence) -> float:
    """Points of Romhilt and Estes without the one for digitalis."""
    limb = largest(value for lead in LIMB for value in (e.tall(lead), e("s", lead)))
    voltage = any_of(
        over(limb, 2.0),
        *(over(e("s", lead), 3.0) for lead in ("V1", "V2")),
        *(over(e.tall(lead), 3.0) for lead in ("V5", "V6")),
    )
    parts = (
        3 * voltage,
        3 * strain(e),
        3 * p_terminal(e),
        2 * left_axis(e, -30),
        qrs(e, 90),
        any_of(*(at_least(e("r_peak_ms", lead), 50, 5) for lead in ("V5", "V6"))),
    )
    known = [part for part in parts if np.isfinite(part)]
    return float(sum(known)) if np.isfinite(voltage) else np.nan


def r_over_s_v1(e: Evidence) -> float:
    """R / S in V1 over 1."""
    return at_least(e.ratio("V1"), 0.5, 0.05)


register((
    Criterion("lvh_sokolow", "S V1 + R V5 or V6 ≥ 3.5 mV", SOKOLOW, lambda e: over(sokolow(e), 3.5)),
    Criterion("lvh_avl", "R aVL ≥ 1.1 mV", SOKOLOW, lambda e: over(e.tall("aVL"), 1.1)),
    Criterion("lvh_rv5", "R V5 or V6 > 2.6 mV", SOKOLOW, lambda e: over(largest((e.tall("V5"), e.tall("V6"))), 2.6)),
    Criterion("lvh_cornell_men", "R aVL + S V3 > 2.8 mV", CORNELL, lambda e: over(cornell(e), 2.8)),
    Criterion("lvh_cornell_women", "R aVL + S V3 > 2.0 mV", CORNELL, lambda e: over(cornell(e), 2.0)),
    Criterion("lvh_cornell_product", "(R aVL + S V3) × QRS > 244 mV·ms", PRODUCT,
              lambda e: over(cornell(e) * e.qrs, 244)),
    Criterion("lvh_peguero_men", "deepest S + S V4 ≥ 2.8 mV", PEGUERO, lambda e: over(peguero(e), 2.8)),
    Criterion("lvh_peguero_women", "deepest S + S V4 ≥ 2.3 mV", PEGUERO, lambda e: over(peguero(e), 2.3)),
    Criterion("lvh_lewis", "(R I − R III) + (S III − S I) > 1.7 mV", "Lewis, Heart 1914; 5:367",
              lambda e: over(e.tall("I") - e.tall("III") + e("s", "III") - e("s", "I"), 1.7)),
    Criterion("lvh_gubner", "R I + S III ≥ 2.5 mV", "Gubner & Ungerleider, Arch Intern Med 1943; 72:196",
              lambda e: over(e.tall("I") + e("s", "III"), 2.5)),
    Criterion("lvh_voltage", "any of Sokolow 3.5, Cornell 2.8, R aVL 1.1 mV, product 244 mV·ms", AHA, lvh_voltage),
    Criterion("strain", "ST60 ≤ −0.05 mV with T inverted in two of I, aVL, V5, V6", AHA, strain),
    Criterion("lvh_strain", "lvh_voltage and strain", AHA, lambda e: all_of(lvh_voltage(e), strain(e))),
    Criterion("lvh_estes", "5 of Romhilt and Estes's points or more", ESTES,
              lambda e: at_least(estes_points(e), 5, 0.7)),
    Criterion("rvh_r_v1", "R V1 ≥ 0.7 mV", RIGHT, lambda e: over(e.tall("V1"), 0.7)),
    Criterion("rvh_ratio", "R / S in V1 > 1", RIGHT, r_over_s_v1, amplitude=False),
    Criterion("rvh_sum", "R V1 + S V5 or V6 > 1.05 mV", RIGHT,
              lambda e: over(e.tall("V1") + largest((e("s", "V5"), e("s", "V6"))), 1.05)),
    Criterion("rvh_s_v6", "R / S in V5 or V6 < 1", RIGHT,
              lambda e: any_of(*(at_most(e.ratio(lead), 0.5, 0.05) for lead in ("V5", "V6"))), amplitude=False),
    Criterion("rvh", "R / S in V1 > 1 and axis ≥ 90°", AHA, lambda e: all_of(r_over_s_v1(e), right_axis(e, 90))),
    Criterion("rv_strain", "ST depressed and T inverted in two of V1 to V3", AHA, right_strain),
    Criterion("la_terminal_force", "P terminal force in V1 ≤ −4 mV·ms (0.04 mm·s)", AHA, p_terminal),
    Criterion("la_p_duration", "P ≥ 120 ms", AHA, lambda e: at_least(e.p_duration, 120, 8), amplitude=False),
    Criterion("ra_p_ii", "P in II > 0.25 mV", AHA, lambda e: at_least(e("p_max", "II"), 0.25, 0.03)),
    Criterion("ra_p_v1", "P in V1 > 0.15 mV", AHA, lambda e: at_least(e("p_max", "V1"), 0.15, 0.02)),
    Criterion("low_voltage_limb", "QRS swing < 0.5 mV in every limb lead",
              "Surawicz & Knilans, Chou's Electrocardiography",
              lambda e: at_most(largest(e("swing", lead) for lead in LIMB), 0.5, 0.05)),
    Criterion("low_voltage_chest", "QRS swing < 1 mV in every chest lead",
              "Surawicz & Knilans, Chou's Electrocardiography",
              lambda e: at_most(largest(e("swing", lead) for lead in CHEST), 1.0, 0.08)),
))  # fmt: skip
