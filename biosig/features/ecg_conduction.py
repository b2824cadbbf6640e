"""Criteria of conduction: bundle branch and fascicular blocks, axis deviation, atrioventricular conduction."""

from __future__ import annotations

from biosig.features.ecg_scores import (
    AXIS_WIDTH,
    OURS,
    PR_WIDTH,
    QRS_WIDTH,
    Criterion,
    Evidence,
    all_of,
    any_of,
    at_least,
    at_most,
    not_,
    register,
    two_of,
)

AHA = "Surawicz et al., Circulation 2009; 119:e235"
HRS = "Kusumoto et al., Circulation 2019; 140:e382"
WHO = "Willems et al., JACC 1985; 5:1261"
STRAUSS = "Strauss, Selvester & Wagner, Am J Cardiol 2011; 107:927"


def qrs(e: Evidence, threshold: float) -> float:
    """QRS duration of at least so many ms."""
    return at_least(e.qrs, threshold, QRS_WIDTH)


def second_r(e: Evidence) -> float:
    """R' in V1 or V2 that is larger than R, or a QRS there that ends upright."""
    leads = ("V1", "V2")
    shape = [at_least(e("r2", lead) - e("r", lead), 0.0, 0.05 * e("swing", lead)) for lead in leads]
    end = [at_least(e.share("late", lead), 0.1, 0.05) for lead in leads]
    return any_of(*(all_of(any_of(a, b), b) for a, b in zip(shape, end, strict=True)))


def wide_s(e: Evidence) -> float:
    """S in I and V6 of more than 40 ms or wider than R."""
    return all_of(
        *(
            any_of(at_least(e("s_ms", lead), 40, 6), at_least(e("s_ms", lead) - e("r_ms", lead), 0, 6))
            for lead in ("I", "V6")
        )
    )


def no_lateral_q(e: Evidence) -> float:
    """No Q in I, V5 and V6."""
    return all_of(*(at_most(e.share("q", lead), 0.06, 0.02) for lead in ("I", "V5", "V6")))


def broad_lateral_r(e: Evidence) -> float:
    """An R in I, V5 and V6 that peaks after 60 ms or is notched, and is the main deflection."""
    return two_of(
        all_of(
            at_least(e.ratio(lead), 0.7, 0.06),
            any_of(at_least(e("r_peak_ms", lead), 60, 5), e.notched(lead)),
        )
        for lead in ("I", "aVL", "V5", "V6")
    )


def rbbb_shape(e: Evidence) -> float:
    """Shape of right bundle branch block."""
    return all_of(second_r(e), wide_s(e))


def lbbb_shape(e: Evidence) -> float:
    """Shape of left bundle branch block."""
    return all_of(broad_lateral_r(e), no_lateral_q(e))


def negative_v1(e: Evidence) -> float:
    """QS or rS in V1 and V2."""
    return all_of(*(at_most(e.ratio(lead), 0.25, 0.05) for lead in ("V1", "V2")))


def left_axis(e: Evidence, threshold: float) -> float:
    """Axis between the threshold and −90°."""
    return all_of(at_most(e.axis, threshold, AXIS_WIDTH), at_least(e.axis, -90, AXIS_WIDTH))


def right_axis(e: Evidence, threshold: float) -> float:
    """Axis between the threshold and 180°."""
    return at_least(e.axis, threshold, AXIS_WIDTH)


def strauss(e: Evidence, threshold: float) -> float:
    """Strict left bundle branch block: QS or rS in V1, V2, and notches in two lateral or septal leads."""
    notched = two_of(e.notched(lead) for lead in ("V1", "V2", "V5", "V6", "I", "aVL"))
    return all_of(qrs(e, threshold), negative_v1(e), notched)


def lafb(e: Evidence) -> float:
    """Left anterior fascicular block."""
    q_r = all_of(at_least(e.share("q", "aVL"), 0.03, 0.02), at_least(e.ratio("aVL"), 0.6, 0.06))
    late = at_least(e("r_peak_ms", "aVL"), 45, 5)
    return all_of(left_axis(e, -45), q_r, late, not_(qrs(e, 120)))


def lpfb(e: Evidence) -> float:
    """Left posterior fascicular block."""
    r_s = all_of(*(at_most(e.ratio(lead), 0.5, 0.06) for lead in ("I", "aVL")))
    q_r = all_of(*(at_least(e.share("q", lead), 0.03, 0.02) for lead in ("III", "aVF")))
    return all_of(right_axis(e, 90), r_s, q_r, not_(qrs(e, 120)))


def preexcitation(e: Evidence) -> float:
    """Short PR, wide QRS, slurred beginning: a small share of the QRS after 20 to 40 ms."""
    slow = two_of(at_most(abs(e.share("early", lead)), 0.35, 0.08) for lead in ("I", "II", "V4", "V5", "V6"))
    return all_of(at_most(e.pr, 120, PR_WIDTH), qrs(e, 110), slow)


register((
    Criterion("qrs_110", "QRS ≥ 110 ms", AHA, lambda e: qrs(e, 110), amplitude=False),
    Criterion("qrs_120", "QRS ≥ 120 ms", AHA, lambda e: qrs(e, 120), amplitude=False),
    Criterion("qrs_140", "QRS ≥ 140 ms", STRAUSS, lambda e: qrs(e, 140), amplitude=False),
    Criterion("rbbb", "QRS ≥ 120 ms, R' > R in V1 or V2, S in I and V6 > 40 ms or wider than R", AHA,
              lambda e: all_of(qrs(e, 120), rbbb_shape(e)), amplitude=False),
    Criterion("rbbb_incomplete", "the shape of rbbb, QRS 110 to 120 ms", AHA,
              lambda e: all_of(qrs(e, 110), not_(qrs(e, 120)), rbbb_shape(e)), amplitude=False),
    Criterion("rsr_v1", "R' in V1 or V2 larger than R, at any QRS duration", AHA, second_r, amplitude=False),
    Criterion("lbbb",
              "QRS ≥ 120 ms, broad or notched R peaking after 60 ms in two of I, aVL, V5, V6, no Q in I, V5, V6",
              AHA, lambda e: all_of(qrs(e, 120), lbbb_shape(e)), amplitude=False),
    Criterion("lbbb_incomplete", "the shape of lbbb, QRS 110 to 120 ms", AHA,
              lambda e: all_of(qrs(e, 110), not_(qrs(e, 120)), lbbb_shape(e)), amplitude=False),
    Criterion("lbbb_strict_men", "QRS ≥ 140 ms, QS or rS in V1, V2, notches in two of V1, V2, V5, V6, I, aVL", STRAUSS,
              lambda e: strauss(e, 140), amplitude=False, fine=True),
    Criterion("lbbb_strict_women", "as for men, QRS ≥ 130 ms", STRAUSS,
              lambda e: strauss(e, 130), amplitude=False, fine=True),
    Criterion("ivcd", "QRS > 110 ms without the shape of rbbb or lbbb", AHA,
              lambda e: all_of(qrs(e, 110), not_(rbbb_shape(e)), not_(lbbb_shape(e))), amplitude=False),
    Criterion("left_axis", "QRS axis −30° to −90°", AHA, lambda e: left_axis(e, -30)),
    Criterion("left_axis_marked", "QRS axis −45° to −90°", AHA, lambda e: left_axis(e, -45)),
    Criterion("right_axis", "QRS axis 90° to 180°", AHA, lambda e: right_axis(e, 90)),
    Criterion("right_axis_marked", "QRS axis 120° to 180°", AHA, lambda e: right_axis(e, 120)),
    Criterion("extreme_axis", "QRS axis −90° to −180°", AHA, lambda e: at_most(e.axis, -90, AXIS_WIDTH)),
    Criterion("lafb", "axis −45° to −90°, qR and R peak ≥ 45 ms in aVL, QRS < 120 ms", AHA, lafb),
    Criterion("lpfb", "axis 90° to 180°, rS in I, aVL, qR in III, aVF, QRS < 120 ms", AHA, lpfb),
    Criterion("bifascicular", "rbbb and axis −45° to −90°", AHA,
              lambda e: all_of(qrs(e, 120), rbbb_shape(e), left_axis(e, -45))),
    Criterion("av_block_1", "PR > 200 ms", HRS, lambda e: at_least(e.pr, 200, PR_WIDTH), amplitude=False),
    Criterion("pr_220", "PR > 220 ms", OURS, lambda e: at_least(e.pr, 220, PR_WIDTH), amplitude=False),
    Criterion("pr_short", "PR < 120 ms", AHA, lambda e: at_most(e.pr, 120, PR_WIDTH), amplitude=False),
    Criterion("preexcitation", "PR < 120 ms, QRS > 110 ms, slurred beginning in two of I, II, V4 to V6", WHO,
              preexcitation, amplitude=False),
    Criterion("r_peak_v6", "R peak in V5 or V6 ≥ 60 ms", AHA,
              lambda e: any_of(*(at_least(e("r_peak_ms", lead), 60, 5) for lead in ("V5", "V6"))), amplitude=False),
))  # fmt: skip
