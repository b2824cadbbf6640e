"""Keys that announce a person, a day, a place or a device: column names of tables and keys of header comments.

English, German, French, Spanish and Italian. The text behind such a key is never kept without being asked for by name.
"""

from __future__ import annotations

import re

_ANYWHERE = (
    # English
    "date|birth|name|time|address|phone|fax|e-?mail|mrn|ssn|patient|insurance|serial|operator|physician|doctor|"
    "technician|accession|postcode|produced by|"
    # German
    "datum|geburt|adresse|anschrift|stra(?:ss|ß)e|postleitzahl|wohnort|telefon|handy|(?:haus|ober|fach)arzt|ärztin|"
    "aerztin|behandler|untersucher|versichert|krankenkasse|krankenhaus|fall-?nummer|uhrzeit|"
    # French
    "naissance|prenom|prénom|code.?postal|t[eé]l[eé]phone|courriel|m[eé]decin|h[oô]pital|"
    # Spanish
    "nacimiento|fecha|nombre|apellido|direcci[oó]n|c[oó]digo.?postal|ciudad|tel[eé]fono|correo|"
    "historia.?cl[ií]nica|"
    # Italian
    "nascita|cognome|indirizzo|codice.?fiscale|dottore|dottoressa|ospedale"
)
_WHOLE = (
    "dob|zip|ip|url|street|city|town|plz|arzt|geb|kasse|nr|nom|rue|ville|heure|nss|dni|nif|nie|nhc|hora|calle|nome|m[eé]dic[oa]|"
    "citt[aà]|tel|mobil|mobile"
)
_NUMBERED = (
    r"(?:exam|visit|order|device|study|scanner|machine|monitor|ger[aä]e?t|appareil|equipo|dispositivo|apparecchio|fall|"
    r"case|pat|dossier)[ _.-]?(?:id|n(?:o|r|um\w*)?)"
)
_EDGE = r"(?<![^\W_]){}(?![^\W_])"  # an underscore ends a word, too
_PRIVATE = re.compile(f"{_ANYWHERE}|{_EDGE.format(f'(?:{_WHOLE})')}|{_EDGE.format(_NUMBERED)}", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")


def is_private_key(key: str) -> bool:
    """True if a column's name or a comment's key announces a person, a day, a place or a device."""
    return _PRIVATE.search(_CAMEL.sub("_", key)) is not None
