"""Electrodes of the torso and the leads between them, in metres in the head frame of MNE, with their sources."""

from __future__ import annotations

from collections.abc import Mapping

TYPICAL = "typical adult, approximate"
WILSON = "Wilson central terminal (RA + LA + LL) / 3; Wilson et al. 1934, Am Heart J 9:447"
GOLDBERGER = "augmented lead; Goldberger 1942, Am Heart J 23:483"
FRANK = "weighted centroid; Frank 1956, Circulation 13:737 (published weights)"
MASON_LIKAR = "torso electrodes; Mason and Likar 1966, Am Heart J 71:196"
EASI = "EASI electrodes; Dower et al. 1988, J Electrocardiol 21 (suppl.):S182"
MCL = "modified chest lead against the left shoulder; Marriott and Fogg 1970, Mod Concepts Cardiovasc Dis 39:103"
HOLTER = "bipolar chest lead of Holter and exercise practice"

ELECTRODES: Mapping[str, tuple[float, float, float]] = {
    "RA": (0.18, 0.0, -0.25),
    "LA": (-0.18, 0.0, -0.25),
    "RL": (0.10, 0.05, -0.75),
    "LL": (-0.10, 0.05, -0.75),
    "V1": (0.025, 0.10, -0.38),
    "V2": (-0.025, 0.10, -0.38),
    "V3": (-0.055, 0.10, -0.40),
    "V4": (-0.085, 0.09, -0.42),
    "V5": (-0.125, 0.055, -0.42),
    "V6": (-0.145, 0.0, -0.42),
    "V7": (-0.13, -0.045, -0.42),
    "V8": (-0.09, -0.08, -0.42),
    "V9": (-0.03, -0.10, -0.42),
    "V3R": (0.055, 0.10, -0.40),
    "V4R": (0.085, 0.09, -0.42),
    "V5R": (0.125, 0.055, -0.42),
    "V6R": (0.145, 0.0, -0.42),
    # Mason and Likar's infraclavicular fossae and left flank
    "RA torso": (0.12, 0.08, -0.27),
    "LA torso": (-0.12, 0.08, -0.27),
    "LL torso": (-0.12, 0.06, -0.60),
    "manubrium": (0.0, 0.09, -0.28),
    # Frank's, in the fifth intercostal space: A left and I right mid-axillary, E front and M back midline, C between
    # A and E; H on the back of the neck; F on the left leg. EASI shares E, A and I.
    "frank A": (-0.145, 0.0, -0.42),
    "frank C": (-0.1025, 0.0707, -0.42),
    "frank E": (0.0, 0.10, -0.42),
    "frank I": (0.145, 0.0, -0.42),
    "frank M": (0.0, -0.10, -0.42),
    "frank H": (0.01, -0.06, -0.12),
    "frank F": (-0.10, 0.05, -0.75),
    "strap left": (-0.08, 0.10, -0.45),
    "strap right": (0.08, 0.10, -0.45),
}

Weights = Mapping[str, float]
WCT: Weights = {"RA": 1, "LA": 1, "LL": 1}

LEADS: Mapping[str, tuple[Weights, Weights, str]] = {
    "I": ({"LA": 1}, {"RA": 1}, TYPICAL),
    "II": ({"LL": 1}, {"RA": 1}, TYPICAL),
    "III": ({"LL": 1}, {"LA": 1}, TYPICAL),
    "aVR": ({"RA": 1}, {"LA": 1, "LL": 1}, GOLDBERGER),
    "aVL": ({"LA": 1}, {"RA": 1, "LL": 1}, GOLDBERGER),
    "aVF": ({"LL": 1}, {"RA": 1, "LA": 1}, GOLDBERGER),
    **{f"V{n}": ({f"V{n}": 1}, WCT, WILSON) for n in range(1, 10)},
    **{f"V{n}R": ({f"V{n}R": 1}, WCT, WILSON) for n in range(3, 7)},
    "-aVR": ({"LA": 1, "LL": 1}, {"RA": 1}, GOLDBERGER),
    "X": ({"frank A": 0.610, "frank C": 0.171}, {"frank I": 0.781}, FRANK),
    "Y": ({"frank F": 0.655, "frank M": 0.345}, {"frank H": 1.0}, FRANK),
    "Z": (
        {"frank A": 0.133, "frank M": 0.736},
        {"frank I": 0.264, "frank E": 0.374, "frank C": 0.231},
        FRANK,
    ),
    "MLI": ({"LA torso": 1}, {"RA torso": 1}, MASON_LIKAR),
    "MLII": ({"LL torso": 1}, {"RA torso": 1}, MASON_LIKAR),
    "MLIII": ({"LL torso": 1}, {"LA torso": 1}, MASON_LIKAR),
    **{f"MCL{n}": ({f"V{n}": 1}, {"LA torso": 1}, MCL) for n in range(1, 7)},
    "CM5": ({"V5": 1}, {"manubrium": 1}, HOLTER),
    "CC5": ({"V5": 1}, {"V5R": 1}, HOLTER),
    "ES": ({"frank E": 1}, {"manubrium": 1}, EASI),
    "AS": ({"frank A": 1}, {"manubrium": 1}, EASI),
    "AI": ({"frank A": 1}, {"frank I": 1}, EASI),
    "strap": ({"strap left": 1}, {"strap right": 1}, "chest belt across the lower sternum; " + TYPICAL),
}
