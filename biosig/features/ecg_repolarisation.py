"""Criteria of ST segment, T wave and QT interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biosig.features.ecg_axes import CHEST, LIMB, angle
from biosig.features.ecg_scores import (
    ANTERIOR,
    INFERIOR,
    LATERAL,
    LOW_LATERAL,
    QT_WIDTH,
    Criterion,
    Evidence,
    all_of,
    any_of,
    at_least,
    at_most,
    register,
    two_of,
)

RAUTAHARJU = "Rautaharju et al., Circulation 2009; 119:e241"
UNIVERSAL = "Thygesen et al., Circulation 2018; 138:e618"
T_AXIS = "Kors et al., Lancet 1998; 352:601"
ANGLE = "Kardys et al., Eur Heart J 2003; 24:1357"


def depression(e: Evidence, group: Sequence[str]) -> float:
    """ST depressed by 0.05 mV, level or falling, in two leads."""
    return two_of(
        all_of(at_most(e("st60", lead), -0.05, 0.015), at_most(e("st80", lead) - e("j", lead), 0.03, 0.02))
        for lead in group
    )


def inversion(e: Evidence, group: Sequence[str], depth: float = 0.1) -> float:
    """T of −`depth` mV or less in two leads; that R / S be over 1 there, which the definition asks too, is left out."""
    return two_of(
        all_of(at_most(e("t_min", lead), -depth, 0.3 * depth), at_most(e("t", lead), 0, 0.03)) for lead in group
    )


def flat_t(e: Evidence, group: Sequence[str]) -> float:
    """T of less than a tenth of R in two leads."""
    ratios = (abs(e("t", lead)) / e.tall(lead) if e.tall(lead) > 0 else np.nan for lead in group)
    return two_of(at_most(ratio, 0.1, 0.02) for ratio in ratios)


def qtc(e: Evidence, threshold: float) -> float:
    """QTc by Fridericia of at least so many ms."""
    return at_least(e.qtc_fridericia, threshold, QT_WIDTH)


def early_repolarisation(e: Evidence) -> float:
    """J elevated by 0.1 mV in two inferior or lateral leads over a tall R, with an upright T."""
    return any_of(
        *(
            two_of(
                all_of(
                    at_least(e("j", lead), 0.1, 0.025),
                    at_least(e.share("t", lead), 0.15, 0.05),
                    at_least(e.ratio(lead), 0.6, 0.06),
                )
                for lead in group
            )
            for group in (INFERIOR, LOW_LATERAL)
        )
    )


def brugada(e: Evidence) -> float:
    """J of 0.2 mV in V1 or V2, falling into a negative T."""
    return any_of(
        *(
            all_of(
                at_least(e("j", lead), 0.2, 0.03),
                at_least(e("j", lead) - e("st80", lead), 0.0, 0.03),
                at_most(e("t", lead), 0, 0.04),
            )
            for lead in ("V1", "V2")
        )
    )


register((
    Criterion("std_inferior", "ST60 ≤ −0.05 mV, level or falling, in two of II, III, aVF", UNIVERSAL,
              lambda e: depression(e, INFERIOR)),
    Criterion("std_lateral", "ST60 ≤ −0.05 mV, level or falling, in two of I, aVL, V5, V6", UNIVERSAL,
              lambda e: depression(e, LATERAL)),
    Criterion("std_anterior", "ST60 ≤ −0.05 mV, level or falling, in two of V2 to V4", UNIVERSAL,
              lambda e: depression(e, ANTERIOR)),
    Criterion("std_v4_v6", "ST60 ≤ −0.05 mV, level or falling, in two of V4 to V6", UNIVERSAL,
              lambda e: depression(e, LOW_LATERAL)),
    Criterion("t_inverted_inferior", "T ≤ −0.1 mV in two of II, III, aVF", UNIVERSAL, lambda e: inversion(e, INFERIOR)),
    Criterion("t_inverted_lateral", "T ≤ −0.1 mV in two of I, aVL, V5, V6", UNIVERSAL, lambda e: inversion(e, LATERAL)),
    Criterion("t_inverted_anterior", "T ≤ −0.1 mV in two of V2 to V4", UNIVERSAL, lambda e: inversion(e, ANTERIOR)),
    Criterion("t_inverted_v4_v6", "T ≤ −0.1 mV in two of V4 to V6", UNIVERSAL, lambda e: inversion(e, LOW_LATERAL)),
    Criterion("t_inverted_deep", "T ≤ −0.5 mV in two of V2 to V6, I, aVL", RAUTAHARJU,
              lambda e: inversion(e, ("I", "aVL", *CHEST[1:]), 0.5)),
    Criterion("t_flat_lateral", "|T| < 10 % of R in two of I, aVL, V5, V6", RAUTAHARJU, lambda e: flat_t(e, LATERAL),
              amplitude=False),
    Criterion("t_flat_inferior", "|T| < 10 % of R in two of II, III, aVF", RAUTAHARJU, lambda e: flat_t(e, INFERIOR),
              amplitude=False),
    Criterion("t_flat_v4_v6", "|T| < 10 % of R in two of V4 to V6", RAUTAHARJU, lambda e: flat_t(e, LOW_LATERAL),
              amplitude=False),
    Criterion("t_tall", "T > 0.5 mV in two limb or 1 mV in two chest leads",
              "Surawicz & Knilans, Chou's Electrocardiography",
              lambda e: any_of(two_of(at_least(e("t_max", lead), 0.5, 0.05) for lead in LIMB),
                               two_of(at_least(e("t_max", lead), 1.0, 0.1) for lead in CHEST))),
    Criterion("t_negative_any", "T below 0 in two of I, II, V3 to V6", RAUTAHARJU,
              lambda e: two_of(at_most(e.share("t", lead), 0, 0.02) for lead in ("I", "II", "V3", "V4", "V5", "V6")),
              amplitude=False),
    Criterion("early_repolarisation", "J ≥ 0.1 mV over R and upright T in two inferior or lateral leads",
              "Macfarlane et al., JACC 2015; 66:470", early_repolarisation),
    Criterion("brugada", "J ≥ 0.2 mV in V1 or V2, ST falling into a negative T",
              "Antzelevitch et al., Circulation 2005; 111:659",
              brugada),
    Criterion("qtc_450", "QTc (Fridericia) ≥ 450 ms", RAUTAHARJU, lambda e: qtc(e, 450), amplitude=False),
    Criterion("qtc_460", "QTc (Fridericia) ≥ 460 ms", RAUTAHARJU, lambda e: qtc(e, 460), amplitude=False),
    Criterion("qtc_500", "QTc (Fridericia) ≥ 500 ms", RAUTAHARJU, lambda e: qtc(e, 500), amplitude=False),
    Criterion("qtc_short", "QTc (Fridericia) ≤ 390 ms", RAUTAHARJU,
              lambda e: at_most(e.qtc_fridericia, 390, QT_WIDTH), amplitude=False),
    Criterion("t_axis", "T axis outside −15° to 105°", T_AXIS,
              lambda e: at_least(abs(e.t_axis - 45), 60, 10)),
    Criterion("wide_angle", "spatial QRS-T angle ≥ 105°", ANGLE,
              lambda e: at_least(angle(e.qrs_vector, e.t_vector), 105, 10)),
))  # fmt: skip
