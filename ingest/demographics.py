"""Age and sex as sources write them, in years and as "female" or "male"; what is not understood stays None."""

from __future__ import annotations

import math
import re

_SEXES = {
    **dict.fromkeys(("f", "female", "woman", "w", "weiblich"), "female"),
    **dict.fromkeys(("m", "male", "man", "männlich"), "male"),
}
_AGE = re.compile(r"\s*[>≥]?\s*(\d+(?:\.\d+)?)\s*(?:\+|y|yrs?|years?|a)?\s*", re.IGNORECASE)

OLDEST_AGE_KEPT = 89.0
"""HIPAA's Safe Harbor (45 CFR 164.514(b)(2)(i)(C)) folds every age above 89 into one class;
sources write it as 90+, > 89 or 300."""


def note_on_age(text: object) -> list[str]:
    """The sentence to add where `parse_age` turned a class of ages into one number."""
    folded = parse_age(text) == OLDEST_AGE_KEPT + 1 and not re.fullmatch(r"\s*90(\.0*)?\s*", str(text))
    return [f"The source's age '{str(text).strip()}' means over 89: kept as 90."] if folded else []


def parse_sex(text: object) -> str | None:
    """Turn "F", "Female", "m", … into "female" or "male"; None for anything else ("Unknown", "x", empty)."""
    return _SEXES.get(str(text).strip().lower())


def parse_age(text: object) -> float | None:
    """Age in years from "63", "90+", "> 89", "63 years" or a number; None for anything else or outside 0 … 130.

    PTB-XL and other de-identified sets write 300 for "over 89"; that, "90+" and "> 89" all become 90.
    """
    match = _AGE.fullmatch(str(text))
    if match is None:
        return None
    age = float(match[1])
    if age == 300 or (age == OLDEST_AGE_KEPT and ">" in str(text)):
        return OLDEST_AGE_KEPT + 1
    return age if math.isfinite(age) and age <= 130 else None
