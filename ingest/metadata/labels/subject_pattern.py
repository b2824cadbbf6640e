"""Subjects and labels that stand in the path of a file."""

from __future__ import annotations

import re
from dataclasses import replace

from biosig.errors import UsageError
from biosig.recording import Recording, Subject


class SubjectPattern:
    r"""A regular expression over the path: group ``subject`` (or the first), ``session``, and labels by their name.

    Parameters
    ----------
    pattern : str
        e.g. ``(S\d{3})R\d{2}`` or ``(?P<subject>S\d{3})(?P<run>R\d{2})``.
    """

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"--subject-pattern '{pattern}' is not a regular expression: {error}.") from None
        if not self._pattern.groups:
            raise UsageError(
                f"--subject-pattern '{pattern}' captures nothing: put parentheses around the subject's id."
            )

    def matches(self, relative: str) -> bool:
        """True if the path has a subject."""
        return self._pattern.search(relative) is not None

    def join(self, recording: Recording, relative: str) -> Recording | None:
        """The recording with its subject, or None where the path does not match."""
        match = self._pattern.search(relative)
        if match is None:
            return None
        groups = {name: value for name, value in match.groupdict().items() if value is not None}
        subject_id = groups.pop("subject", None) or match[1] or ""
        session = groups.pop("session", recording.session)
        old = recording.subject or Subject("")
        return replace(
            recording, subject=replace(old, id=subject_id), session=session, labels={**recording.labels, **groups}
        )
