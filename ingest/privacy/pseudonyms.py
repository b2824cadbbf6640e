"""Pseudonyms in place of names: a keyed hash, so that ingests under one key agree and nobody else can reverse them."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from pathlib import Path

from biosig.content_hash import KEYED
from biosig.errors import UsageError

log = logging.getLogger(__name__)

KEY_FILE_VARIABLE = "BIOSIG_KEY_FILE"
KEY_VARIABLE = "BIOSIG_KEY"
_KEY_BYTES = 32
_SHORTEST_KEY_BYTES = 16


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
        return self._hmac(what, value)[:16]

    def digest(self, what: str, value: str) -> str:
        """All 64 hexadecimal digits behind `biosig.content_hash.KEYED`, in place of an unkeyed digest; "" stays ""."""
        return KEYED + self._hmac(what, value) if value else ""

    def _hmac(self, what: str, value: str) -> str:
        message = f"{what}\0{value}".encode("utf-8", "surrogateescape")  # file names may be any bytes
        return hmac.digest(self._key, message, "sha256").hex()


def load_key(path: Path | None, out: Path) -> tuple[bytes, str]:
    """The secret key, and where it was found.

    It is in `path`, else in the variable BIOSIG_KEY, else in the file that BIOSIG_KEY_FILE names, else in a file that
    is made beside `out` (not in it).

    Raises
    ------
    UsageError
        If a key was named and does not exist or is not a key, or both variables are set.
    """
    variable, named = os.environ.get(KEY_VARIABLE), os.environ.get(KEY_FILE_VARIABLE)
    if path is None and variable and named:
        raise UsageError(f"Both {KEY_VARIABLE} and {KEY_FILE_VARIABLE} are set: unset one, or name a file with --key.")
    if path is None and variable:
        return _parsed(variable, f"The variable {KEY_VARIABLE}"), f"the variable {KEY_VARIABLE}"
    place = path or (Path(named) if named else None)
    if place is None:
        place = out.with_name(out.name + ".key")
        if not os.path.isfile(place):
            _make_key(place)
    elif not os.path.isfile(place):
        raise UsageError(f"The key file {place} does not exist: check the path, or leave the option out to make one.")
    try:
        text = place.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"The key file {place} cannot be opened ({error.strerror}): check its permissions.") from None
    return _parsed(text, str(place)), str(place)


def _make_key(place: Path) -> None:
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


def _parsed(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < _SHORTEST_KEY_BYTES:
        raise UsageError(f"{where} holds no key: it must be at least 32 hexadecimal digits and nothing else.")
    return key
