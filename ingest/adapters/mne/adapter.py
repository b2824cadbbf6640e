"""Adapter of MNE: files of a dozen formats, one of them in a process of its own, and MNE's objects."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from biosig.errors import BiosigError, UnreadableError
from biosig.reading import NEVER, Adapter, Identifier
from biosig.recording import Recording, Source
from biosig.source_files import sha256_of
from ingest.adapters.common.library_errors import translate_errors
from ingest.adapters.common.subprocess_reader import read_isolated
from ingest.adapters.mne.eeglab import check_data_name
from ingest.adapters.mne.formats import FORMATS, MneFormat, check_inside, format_of
from ingest.adapters.mne.raw import ADAPTER, JOINED, epochs_of, from_epochs, from_raw, one_line, split_epochs
from ingest.metadata.bids.sidecars import apply_bids_sidecars
from ingest.privacy.deidentify import FOREIGN_NOTE

_PERSON = {
    "his_id": ("subject id", "becomes a keyed hash"),
    "last_name": ("name", NEVER),
    "first_name": ("name", NEVER),
    "middle_name": ("name", NEVER),
    "birthday": ("birth date", "becomes an age in years"),
}


class MneAdapter(Adapter):
    """Reads the formats of `ingest.adapters.mne.formats` and MNE's own objects."""

    name = ADAPTER
    describes = ", ".join(known.describes for known in FORMATS)

    def claims(self, path: Path) -> bool:
        """True if `path` is the file that stands for a recording: a ``.vhdr``, not its ``.eeg``."""
        known = format_of(path)
        return known is not None and not known.is_folder

    def claims_folder(self, path: Path) -> bool:
        """True if `path` is a folder that is a recording (``.mff``)."""
        known = format_of(path)
        return known is not None and known.is_folder

    def parts(self, path: Path) -> list[Path]:
        """The files that continue a FIF recording that was split."""
        known = format_of(path)
        try:
            return known.files(path)[1:] if known is not None and known.reader == "fif" else []
        except UnreadableError:
            return []

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording.

        Raises
        ------
        UnreadableError
            If the file is damaged, cut short or incomplete, refers to files in other folders, or needs a package that
            is not installed; the sentence names the file and the remedy.
        """
        known = format_of(path)
        if known is None:
            raise UnreadableError(f"{path} is not in a format that MNE reads here: {self.describes}.")
        files = known.files(path)
        if known.isolated:
            return apply_bids_sidecars(read_isolated(MneAdapter, path, lazy), path)
        return apply_bids_sidecars(_read_checked(path, known, files, lazy), path)

    def read_here(self, path: Path) -> Recording:
        """Read one recording, lazily, in this process, which its reader may end, for `common.subprocess_reader`."""
        known = format_of(path)
        assert known is not None
        return _read_checked(path, known, [path], lazy=True)

    def convert(self, obj: object) -> Recording | None:
        """Turn an ``mne.io.BaseRaw`` or ``mne.BaseEpochs`` into a Recording; None for anything else."""
        import mne

        if isinstance(obj, mne.io.BaseRaw):
            return from_raw(obj)
        return from_epochs(obj) if isinstance(obj, mne.BaseEpochs) else None

    def epochs(self, source: object) -> list[Recording] | None:
        """Epochs of an ``mne.BaseEpochs``, of a file of them or of an EEGLAB set that holds some; else None."""
        if isinstance(source, Path):
            known = format_of(source)
            if known is not None and known.of_epochs:
                known.files(source)
                return _epochs_in(source)
            if known is None or known.reader != "eeglab":
                return None
            joined = self.read(source)
            joining = next((note for note in joined.notes if note.endswith(JOINED)), None)
            if joining is None:
                return None
            epochs = split_epochs(joined, int(joining.split()[0]))
            return [replace(epoch, id=f"{joined.id} {epoch.id}") for epoch in epochs]
        import mne

        return epochs_of(source) if isinstance(source, mne.BaseEpochs) else None

    def identifiers(self, path: Path) -> Iterator[Identifier] | None:
        """Fields of the header that tell who was recorded, when and with which device."""
        form = format_of(path)
        if form is None or form.isolated:
            return None  # a damaged file may end the interpreter
        import mne

        form.files(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = mne.read_epochs if form.of_epochs else getattr(mne.io, f"read_raw_{form.reader}")
            info = reader(path, preload=False, verbose="error").info
        return _identifiers_in(info)


def _identifiers_in(info: Any) -> Iterator[Identifier]:
    """Fields of an mne.Info that tell the subject, the date, the device and the laboratory."""
    person = info["subject_info"] or {}
    for key, (sort, fate) in _PERSON.items():
        yield Identifier(f"subject_info.{key}", sort, str(person.get(key) or ""), fate)
    yield Identifier("meas_date", "recording date", str(info["meas_date"] or ""), NEVER)
    for key, value in (info["device_info"] or {}).items():
        yield Identifier(f"device_info.{key}", "device", str(value or ""), NEVER)
    for key, sort in (("experimenter", "name"), ("description", "free text"), ("proj_name", "free text")):
        yield Identifier(key, sort, str(info[key] or ""), NEVER)


def _read_checked(path: Path, known: MneFormat, files: Iterable[Path], lazy: bool) -> Recording:
    try:
        with _listening() as heard:
            recording, opened = _read(path, known, lazy)
    except BiosigError:
        raise
    except Exception as error:  # MNE's readers raise almost anything on damaged files
        raise UnreadableError(f"{path} cannot be read by MNE ({one_line(error)}): fetch or export it again.") from None
    recording.id = path.name[: path.name.index(".fif")] if path.name.endswith(".fif.gz") else path.stem
    recording.source = Source(str(path), ADAPTER, sha256_of(dict.fromkeys((*files, *opened))))
    recording.notes = (*recording.notes, *(FOREIGN_NOTE + text for text in dict.fromkeys(heard)))
    return recording


def _epochs_in(path: Path) -> list[Recording]:
    """The epochs of a FIF file, each called by the file's name and its own."""
    import mne

    with translate_errors("FIF file of epochs", path), _listening():
        epochs = epochs_of(mne.read_epochs(path, preload=True, verbose="error"))
    stem = path.name[: path.name.index(".fif")]
    return [replace(epoch, id=f"{stem} {epoch.id}") for epoch in epochs]


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect the readers' warnings, from the module or the root logger, and swallow their prints."""
    messages: list[str] = []
    root, handler = logging.getLogger(), _Collector(messages)
    root.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as heard, redirect_stdout(StringIO()):
            warnings.simplefilter("always")
            yield messages
    finally:
        root.removeHandler(handler)
    messages += [" ".join(str(w.message).split()) for w in heard if issubclass(w.category, RuntimeWarning)]


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "root":
            self._messages.append(" ".join(record.getMessage().split()))


def _read(path: Path, known: MneFormat, lazy: bool) -> tuple[Recording, list[Path]]:
    """The recording, and the files that MNE took its samples from."""
    import mne

    if known.of_epochs:
        return from_epochs(mne.read_epochs(path, preload=True, verbose="error")), []
    reader = getattr(mne.io, f"read_raw_{known.reader}")
    try:
        raw = reader(path, preload=False, verbose="error")
    except TypeError as error:
        if known.reader != "eeglab" or "epochs" not in str(error):
            raise
        check_data_name(path)
        epochs = mne.io.read_epochs_eeglab(path, verbose="error")
        return from_epochs(epochs), []
    opened = [Path(name) for name in raw.filenames if name is not None and Path(name).is_file()]
    check_inside(path, opened)
    if known.reader == "eeglab" and path in opened:  # MNE keeps all of an array in a .set once a part of it is read
        lazy = False
    return from_raw(raw, lazy), opened
