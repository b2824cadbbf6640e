"""The two kinds of failure that a user meets: the request was wrong, or the data are."""

import re

LONGEST_SENTENCE = 500
"""Largest number of characters of an error: text from a file may be of any length, too long for a terminal."""

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NO_UTF8 = re.compile(r"[\ud800-\udfff]")  # in names of files
_LINE_END = re.compile(r"\s*[\n\r\t]\s*")


class BiosigError(Exception):
    """A failure that one sentence explains: what was found, what was wanted, what to do.

    Parameters
    ----------
    sentence : str
        Line ends become spaces, control characters that came from a file are shown as "?", and a text longer than
        `LONGEST_SENTENCE` is cut in the middle: the finding stands at its beginning and the remedy at its end.
    """

    exit_status = 1

    def __init__(self, sentence: str = "") -> None:
        super().__init__(_clean(sentence))


class DataError(BiosigError, ValueError):
    """The data cannot be used as they are; the sentence names the file and, where there is one, the channel."""

    exit_status = 1


class UsageError(BiosigError, ValueError):
    """The request itself is wrong: an unknown option, a missing path, settings that contradict each other."""

    exit_status = 2


class UnreadableError(DataError):
    """A source file is truncated, foreign or absent in part: nothing in it can be trusted."""


class EmptyWindowError(DataError):
    """No sample of the recording lies in the window that was asked for."""


def _clean(sentence: str) -> str:
    """A sentence without control characters, of at most `LONGEST_SENTENCE` characters."""
    text = _NO_UTF8.sub("\ufffd", _CONTROL.sub("?", _LINE_END.sub(" ", sentence)))
    if len(text) <= LONGEST_SENTENCE:
        return text
    half = (LONGEST_SENTENCE - 3) // 2
    return f"{text[:half]} … {text[-half:]}"
