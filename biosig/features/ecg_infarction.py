"""Criteria of infarction: Q waves, lost R waves, ST elevation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from biosig.features.ecg_axes import CHEST
from biosig.features.ecg_scores import (
    ANTERIOR,
    COMMON,
    HIGH_LATERAL,
    INFERIOR,
    LATERAL,
    QRS_WIDTH,
    SEPTAL,
    Criterion,
    Evidence,
    all_of,
    any_of,
    at_least,
    at_most,
    register,
    two_of,
)

UNIVERSAL = "Thygesen et al., Circulation 2018; 138:e618"
MINNESOTA = "Prineas, Crow & Blackburn, Minnesota Code Manual, 1982"
POOR_R = "DePace et al., JACC 1983; 2:1073"
TERRITORIES = (INFERIOR, ("I", "aVL", "V6"))
FRAGMENTED = "Das et al., Circulation 2006; 113:2495"


def q_wave(e: Evidence, lead: str) -> float:
    """Q of 30 ms and 0.1 mV or more; in V2 and V3 of 20 ms, in V1 a QS."""
    if lead == "V1":
        return qs(e, lead)
    if lead in ("V2", "V3"):
        return all_of(at_least(e("q_ms", lead), 20, 4), at_least(e("q", lead), 0.05, 0.02))
    return all_of(at_least(e("q_ms", lead), 30, 4), at_least(e("q", lead), 0.1, 0.03))


def qs(e: Evidence, lead: str) -> float:
    """R of less than 6 % of the QRS before a deep S."""
    return all_of(at_most(e("r", lead) / (e("swing", lead) + 1e-12), 0.06, 0.02), at_least(e("s", lead), 0.3, 0.06))


def q_ratio(e: Evidence, lead: str) -> float:
    """Q of a quarter of R or more."""
    total = e("q", lead) + e("r", lead)
    return at_least(e("q", lead) / total if total > 0 else np.nan, 0.2, 0.04)


def q_group(e: Evidence, group: Sequence[str]) -> float:
    """Q waves in two leads of a group."""
    return two_of(q_wave(e, lead) for lead in group)


def elevation(e: Evidence, group: Sequence[str]) -> float:
    """J elevated in two leads of a group: 0.1 mV, in V2 and V3 0.2 mV."""
    return two_of(at_least(e("j", lead), 0.2 if lead in ("V2", "V3") else 0.1, 0.025) for lead in group)


def poor_r(e: Evidence) -> float:
    """R in V3 of 0.3 mV or less."""
    return at_most(e.tall("V3"), 0.3, 0.05)


def reversed_r(e: Evidence) -> float:
    """R falls from V1 to V2, V2 to V3 or V3 to V4."""
    return any_of(*(at_least(e.tall(a) - e.tall(b), 0.02, 0.03) for a, b in (("V1", "V2"), ("V2", "V3"), ("V3", "V4"))))


def posterior(e: Evidence) -> float:
    """R of 40 ms in V1 or V2 with R / S of 1 and an upright T."""
    return any_of(
        *(
            all_of(
                at_least(e("r_ms", lead), 40, 4),
                at_least(e.ratio(lead), 0.5, 0.05),
                at_least(e.share("t", lead), 0.05, 0.03),
            )
            for lead in ("V1", "V2")
        )
    )


def split(e: Evidence, lead: str) -> float:
    """A notch or a second R that is seen at 10 mm/mV: half a millimetre, or a whole one where the wave is its own."""
    notch = at_least(e("notch", lead), 0.05, 0.01)
    return notch if lead in ("V1", "V2") else any_of(notch, at_least(e("r2", lead), 0.1, 0.02))


def fragmented(e: Evidence) -> float:
    """Notches or further R waves in two neighbouring leads of a narrow QRS; R' in V1, V2 is the right bundle's."""
    pairs = (*TERRITORIES, *pairwise(CHEST[:5]))
    return all_of(at_most(e.qrs, 120, QRS_WIDTH), any_of(*(two_of(split(e, lead) for lead in pair) for pair in pairs)))


def q_infarction(e: Evidence) -> float:
    """Q waves of any territory."""
    return any_of(q_group(e, INFERIOR), q_group(e, LATERAL), q_group(e, CHEST))


register((
    Criterion("q_inferior", "Q ≥ 30 ms and ≥ 0.1 mV in two of II, III, aVF", UNIVERSAL, lambda e: q_group(e, INFERIOR)),
    Criterion("q_lateral", "Q ≥ 30 ms and ≥ 0.1 mV in two of I, aVL, V5, V6", UNIVERSAL, lambda e: q_group(e, LATERAL)),
    Criterion("q_high_lateral", "Q ≥ 30 ms and ≥ 0.1 mV in I and aVL", UNIVERSAL, lambda e: q_group(e, HIGH_LATERAL)),
    Criterion("q_anterior", "Q ≥ 20 ms (V2, V3) or ≥ 30 ms and 0.1 mV (V4) in two of V2 to V4", UNIVERSAL,
              lambda e: q_group(e, ANTERIOR)),
    Criterion("q_septal", "QS in V1 and Q ≥ 20 ms in V2", UNIVERSAL, lambda e: q_group(e, SEPTAL)),
    Criterion("qs_v2_v3", "QS in V2 and V3", UNIVERSAL, lambda e: all_of(qs(e, "V2"), qs(e, "V3"))),
    Criterion("qs_v1_v2", "QS in V1 and V2", MINNESOTA, lambda e: all_of(qs(e, "V1"), qs(e, "V2"))),
    Criterion("q_ratio_inferior", "Q ≥ 1/4 of R in two of II, III, aVF", COMMON,
              lambda e: two_of(q_ratio(e, lead) for lead in INFERIOR), amplitude=False),
    Criterion("q_ratio_lateral", "Q ≥ 1/4 of R in two of I, aVL, V5, V6", COMMON,
              lambda e: two_of(q_ratio(e, lead) for lead in LATERAL), amplitude=False),
    Criterion("q_width_inferior", "Q ≥ 40 ms in III and ≥ 30 ms in aVF", f"after {MINNESOTA}",
              lambda e: all_of(at_least(e("q_ms", "III"), 40, 4), at_least(e("q_ms", "aVF"), 30, 4)), amplitude=False),
    Criterion("mi_q", "Q waves of any territory", UNIVERSAL, q_infarction),
    Criterion("mi_posterior", "R ≥ 40 ms and R / S ≥ 1 in V1 or V2 with upright T",
              UNIVERSAL, posterior, amplitude=False),
    Criterion("poor_r", "R in V3 ≤ 0.3 mV", POOR_R, poor_r),
    Criterion("reversed_r", "R falls from one of V1 to V3 to the next", POOR_R, reversed_r),
    Criterion("ste_inferior", "J ≥ 0.1 mV in two of II, III, aVF", UNIVERSAL, lambda e: elevation(e, INFERIOR)),
    Criterion("ste_lateral", "J ≥ 0.1 mV in two of I, aVL, V5, V6", UNIVERSAL, lambda e: elevation(e, LATERAL)),
    Criterion("ste_anterior", "J ≥ 0.2 mV (V2, V3) or 0.1 mV in two of V1 to V4", UNIVERSAL,
              lambda e: elevation(e, ("V1", "V2", "V3", "V4"))),
    Criterion("fragmented", "a notch of 0.05 mV, or (not in V1, V2) R' of 0.1 mV, in two of II, III, aVF, of I, aVL, "
              "V6, or of neighbours in V1 to V5, QRS < 120 ms, recorded to 100 Hz; the sizes are ours",
              FRAGMENTED, fragmented, fine=True),
    Criterion("mi_inferior_old", "q_inferior and T inverted or flat in two of II, III, aVF", UNIVERSAL,
              lambda e: all_of(q_group(e, INFERIOR), two_of(at_most(e.share("t", lead), 0.02,
              0.03) for lead in INFERIOR))),
    Criterion("mi_anterior_old", "q_anterior or poor_r, with T inverted in two of V2 to V4", UNIVERSAL,
              lambda e: all_of(any_of(q_group(e, ANTERIOR), poor_r(e)),
                               two_of(at_most(e.share("t", lead), 0.0, 0.03) for lead in ANTERIOR))),
))  # fmt: skip
