"""Pseudonyms: a keyed hash, so that two ingests under one key agree and nobody without the key can reverse them."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path

from biosig.errors import UsageError

log = logging.getLogger(__name__)

KEY_VARIABLE = "BIOSIG_KEY_FILE"
_KEY_BYTES = 32


class Pseudonyms:
    """HMAC-SHA256 (RFC 2104) under one key, shortened to 16 hexadecimal digits.

    Parameters
    ----------
    key : bytes
        At least 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, what: str, value: str) -> str:
        """The pseudonym of `value` in the role of `what` ("subject", "recording"), 16 hexadecimal digits."""
        return hmac.new(self._key, f"{what}\0{value}".encode(), hashlib.sha256).hexdigest()[:16]


def load_key(path: Path | None, out: Path) -> tuple[bytes, Path]:
    """The key from `path`, else from the file that BIOSIG_KEY_FILE names, else one made beside `out` (not in it).

    Returns
    -------
    key : bytes
    path : Path
        Where it lies.

    Raises
    ------
    UsageError
        If a key file was named and does not exist, or holds no key.
    """
    named = path or (Path(os.environ[KEY_VARIABLE]) if os.environ.get(KEY_VARIABLE) else None)
    place = named or out.with_name(out.name + ".key")
    if not os.path.isfile(place):
        if named:
            raise UsageError(
                f"The key file {named} does not exist: check the path, or leave the option out to make one."
            )
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        except OSError as error:
            raise UsageError(
                f"The key {place} cannot be made ({error.strerror}): choose another --out, or name a key with --key."
            ) from None
        log.warning(
            "Made a new key for pseudonyms: %s. Keep it, and keep it secret; ingests under the same key agree.", place
        )
    try:
        text = place.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise UsageError(f"The key file {place} cannot be opened ({error.strerror}): check its permissions.") from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < 16:
        raise UsageError(f"{place} is no key file: it must hold at least 32 hexadecimal digits and nothing else.")
    return key, place


def reveals(name: str, subject: str) -> bool:
    """Whether a recording's name tells its subject's id: a word of the id is in it, or one of its numbers is."""
    numbers = {number.lstrip("0") for number in re.findall(r"\d+", name)}
    for word in re.findall(r"[^\W_]+", subject):
        if word.isdigit():
            if word.lstrip("0") in numbers:
                return True
        elif len(word) >= 3 and word.lower() in name.lower():
            return True
    return False
