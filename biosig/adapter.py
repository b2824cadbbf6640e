"""Base class of adapters to file formats, and `make_recording`, which does the steps that all of them share.

An adapter reads one family of files; knows nothing else and invents nothing.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biosig.annotations import from_triggers, in_range, mark_bad_spans
from biosig.content_hash import content_hash
from biosig.electrodes import guess_kinds
from biosig.electrodes.channels import deduplicate_names, notes_on, resolve_channel
from biosig.errors import UnreadableError
from biosig.extremes import mark_extremes
from biosig.given import Given, given_beside
from biosig.lazy_samples import LazySamples
from biosig.recording import Annotation, Recording, Source, Stream, Subject
from biosig.sample_types import as_stored
from biosig.source_files import check_present, sha256_of

NEVER = "never read"
"""The fate of parts that an adapter leaves in the file."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something in a file that may tell who was recorded or when.

    Parameters
    ----------
    field : str
        Name in the format.
    sort : str
        "name", "birth date", "recording date", "device", "free text", …
    value : str
        As in the file; shown only through `mask`.
    fate : str
        Treatment when the file is ingested.
    """

    field: str
    sort: str
    value: str
    fate: str = NEVER


class Adapter(ABC):
    """Reads one family of files; a format needs `name`, `describes`, `suffixes` or `claims`, and `read_recording`."""

    name: ClassVar[str]
    """As in the entry-point group ``biosig.adapters``."""
    describes: ClassVar[str]
    """Files that it reads, for messages: "WFDB records (.hea)"."""
    given: Given = Given()
    """Facts that a user states of all files that this object reads."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Extensions of the files that stand for a recording, in lower case: (".edf", ".bdf")."""

    def claims(self, path: Path) -> bool:
        """Check whether `path` is the file that stands for a recording of this family (a ``.hea``, not its ``.dat``).

        Looks at the name and at most the first bytes; never raises on a foreign or unreadable file.
        """
        return bool(self.suffixes) and path.name.lower().endswith(self.suffixes)

    def claims_folder(self, path: Path) -> bool:  # noqa: ARG002
        """Check whether a folder is one recording of this family; such a folder is not walked."""
        return False

    def parts(self, path: Path) -> list[Path]:  # noqa: ARG002
        """Files that this adapter claims, which `read` joins into the recording of `path`.

        A walk over a folder does not take them for recordings of their own.
        """
        return []

    def members(self, path: Path) -> list[str] | None:  # noqa: ARG002
        """Names of the recordings in a file that holds several; `read` takes one of them as ``member=``."""
        return None

    def name_of(self, path: Path) -> str | None:  # noqa: ARG002
        """Name of the recording; None for the file's name without its extension."""
        return None

    def convert(self, obj: object) -> Recording | None:  # noqa: ARG002
        """Turn an object of the family's own library (an mne Raw, a wfdb Record) into a Recording; None if foreign."""
        return None

    def epochs(self, source: object) -> list[Recording] | None:  # noqa: ARG002
        """The epochs of an object of the family's library or of a file, each a recording of its own; None if not any.

        The labels of each are `epoch` (its number), `event` (its name) and other facts that are known of it.
        """
        return None

    def identifiers(self, path: Path) -> Iterable[Identifier] | None:  # noqa: ARG002
        """Identifiers in a file's header: of the person, the time and the device; None if the format's are not known.

        Raises
        ------
        UnreadableError
            If the file is damaged.
        """
        return None

    def stated(self, path: Path) -> Given:
        """Facts stated of a file: by a ``biosig.yaml`` beside it, and by `given`, which wins."""
        return given_beside(path).updated(self.given)

    def read(self, path: Path, *, lazy: bool = False, given: Given | None = None, **options: Any) -> Recording:
        """Read one recording, native samples untouched; those that no sensor gives are invalid (`biosig.extremes`).

        With `lazy`, samples stay in their file (`biosig.lazy_samples.LazySamples`) where the format lets them; all
        else, `invalid` and `content_hash` included, is the same. What `given` states wins over `stated`.

        Raises
        ------
        UnreadableError
            If the file is absent, damaged or incomplete: one sentence that names the file and the remedy.
        UsageError
            If what is stated does not fit it.
        TypeError
            For an option that the format does not take.
        """
        known = [name for name in inspect.signature(self.read_recording).parameters if name not in ("path", "lazy")]
        if unknown := sorted(set(options) - set(known)):
            takes = " and ".join(f"{name}=" for name in known if name != "sfreq") or "no options"
            raise TypeError(f"The adapter '{self.name}' takes {takes}, not {', '.join(unknown)}.")
        if not self.claims_folder(path):
            check_present(path)
        facts = self.stated(path) if given is None else self.stated(path).updated(given)
        if "sfreq" in known and facts.sfreq is not None:  # its files may not say it
            options["sfreq"], facts = facts.sfreq, replace(facts, sfreq=None)
        return mark_extremes(facts.applied(self.read_recording(path, lazy=lazy, **options), str(path)))

    @abstractmethod
    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording from a file that is there; options of the format are further keywords of this method."""


@dataclass(frozen=True)
class Signals:
    """Channels of one sampling rate, named as a file names them.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    ch_names : sequence of str
        One name per channel, to the letter.
    units : str or sequence of str
        The unit of each channel's values, or one for all.
    samples : ndarray or LazySamples, shape (C, T)
        The file's own numbers; integers stay integers.
    scale, offset : float or array, shape (C,)
        values = samples * scale + offset, in `units`.
    invalid : array of int, shape (n_runs, 3), optional
        Runs of samples that are not real values, as rows (channel, start, stop), stop excluded.
    onset : float
        Time of the first sample in seconds after the recording's start.
    kinds : str or sequence of (str or None), optional
        One of `biosig.recording.KINDS` per channel where the file says it, or one for all; default by the names.
    """

    sfreq: float
    ch_names: Sequence[str]
    units: str | Sequence[str]
    samples: NDArray[Any] | LazySamples
    scale: ArrayLike = 1.0
    offset: ArrayLike = 0.0
    invalid: ArrayLike | None = None
    onset: float = 0.0
    kinds: str | Sequence[str | None] | None = None


def make_recording(
    path: Path,
    adapter: str,
    streams: Sequence[Signals | Stream],
    *,
    name: str | None = None,
    files: Iterable[Path] = (),
    subject: Subject | None = None,
    annotations: Sequence[Annotation] | None = None,
    labels: Mapping[str, Any] | None = None,
    report: str | None = None,
    notes: Sequence[str] = (),
) -> Recording:
    """A recording of a file's content: channels resolved, annotations inside the signals, hashes and notes.

    Parameters
    ----------
    path : Path
        The file that stands for the recording.
    adapter : str
        The adapter's name.
    streams : sequence of Signals or Stream
        Signals, whose channels are resolved to names, kinds, positions and units; or streams whose channels are
        resolved already, which are changed in place.
    name : str, optional
        Default the file's name without its extension.
    files : iterable of Path, optional
        All files that were read, for the hash; default `path` alone.
    subject, labels, report
        As the file tells them.
    annotations : sequence of Annotation, optional
        Those outside the signals are left out, those that reach beyond are cut; under a label that begins with "bad"
        no sample is a real value. None = the file has none: the values of its trigger channels become some.
    notes : sequence of str
        Notes of the reader.

    Raises
    ------
    UnreadableError
        If there is no stream, or names, units and samples do not agree in number.
    """
    all_notes = list(notes)
    guesses = _guesses([part for part in streams if isinstance(part, Signals)])
    built = [part if isinstance(part, Stream) else _stream(path, part, guesses, all_notes) for part in streams]
    if not built:
        raise UnreadableError(f"{path} holds no signal: point to the recording of the signals.")
    channels, renamed = deduplicate_names([channel for stream in built for channel in stream.channels])
    all_notes += renamed
    for stream in built:
        stream.channels, channels = tuple(channels[: stream.n_chans]), channels[stream.n_chans :]
    if annotations is None:
        annotations, trigger_notes = from_triggers(built)
        all_notes += trigger_notes
    events, late = in_range(annotations, max(stream.onset + stream.duration for stream in built))
    recording = Recording(
        id=path.stem if name is None else name,
        streams=built,
        subject=subject,
        annotations=events,
        labels=dict(labels or {}),
        report=report,
        source=Source(str(path), adapter, sha256_of(list(files) or [path])),
        content_hash=content_hash(built),
    )
    recording.notes = (*all_notes, *late, *notes_on(recording.channels))
    return mark_bad_spans(recording)


def _units(signals: Signals) -> list[str]:
    return [signals.units] * len(signals.ch_names) if isinstance(signals.units, str) else list(signals.units)


def _guesses(parts: Sequence[Signals]) -> dict[tuple[str, str], str]:
    """The kind of each name and unit in a file, for channels of which it does not say it."""
    pairs = [pair for part in parts for pair in zip(part.ch_names, _units(part), strict=False)]
    return dict(zip(pairs, guess_kinds([name for name, _ in pairs], [unit for _, unit in pairs]), strict=True))


def _stream(path: Path, signals: Signals, guesses: Mapping[tuple[str, str], str], notes: list[str]) -> Stream:
    """Signals as a stream, each channel resolved by itself."""
    n_chans = len(signals.ch_names)
    units = _units(signals)
    given = signals.kinds
    kinds = [given] * n_chans if given is None or isinstance(given, str) else list(given)
    samples = signals.samples
    if samples.ndim != 2 or not samples.shape[0] == n_chans == len(units) == len(kinds):
        raise UnreadableError(
            f"{path} has samples of shape {samples.shape}, {n_chans} names, {len(units)} units and {len(kinds)} kinds: "
            f"its adapter must give samples of shape (channels, times) and one of each per channel."
        )
    if not isinstance(samples, LazySamples):
        samples, rounded = as_stored(samples, f"channel{'s' * (n_chans > 1)} {', '.join(signals.ch_names)}")
        notes += rounded
    resolved = [
        resolve_channel(name, unit, kind or guesses[name, unit])
        for name, unit, kind in zip(signals.ch_names, units, kinds, strict=True)
    ]
    factor = np.array([factor for _, factor in resolved])
    return Stream(
        sfreq=float(signals.sfreq),
        channels=tuple(channel for channel, _ in resolved),
        samples=samples,
        scale=np.asarray(signals.scale, np.float64) * factor,
        offset=np.asarray(signals.offset, np.float64) * factor,
        invalid=np.empty((0, 3), np.int64) if signals.invalid is None else np.asarray(signals.invalid, np.int64),
        onset=signals.onset,
    )
