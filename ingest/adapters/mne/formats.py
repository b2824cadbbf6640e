"""The file formats that are left to MNE: each one's marks, the reader in MNE, and the files beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from biosig.errors import UnreadableError
from biosig.source_files import check_present
from ingest.adapters.mne.eeglab import check_set
from ingest.adapters.mne.fif import FIF_SUFFIXES, further_parts

_NOT_RAW = re.compile(
    r"[-_](epo|ave|evo|cov|fwd|inv|trans|src|sol|bem|ica|proj|eve|annot|dense|head|layout|stc|tfr|csd|spectrum)\.fif(\.gz)?$"
)
"""MNE's names for FIF files that hold something else than a recording (mne.io, "filename conventions")."""

EPOCHS_SUFFIXES = ("-epo.fif", "_epo.fif", "-epo.fif.gz", "_epo.fif.gz")
_NAMED_FILES = re.compile(r"^[ \t]*(DataFile|MarkerFile|File)[ \t]*[=:][ \t]*(.*?)[ \t\r]*$", re.M | re.I)
"""Lines of a BrainVision or Persyst header that name another file."""


@dataclass(frozen=True, slots=True)
class MneFormat:
    """One format.

    Parameters
    ----------
    reader : str
        The function in `mne.io`.
    describes : str
        For messages.
    suffixes : tuple of str
        Endings of the names of files that stand for a recording, in lower case.
    begins : callable, optional
        Tells from the first 32 bytes whether the file is what its name says, where the name is not enough.
    is_folder : bool
        True if a recording is a folder.
    beside : callable, optional
        From the file to all that its reader may open beside it.
    package, extra : str
        A package that the reader needs, and the extra of ours that brings it.
    isolated : bool
        True if the reader runs in a process of its own, since damaged files make it end the interpreter.
    of_epochs : bool
        True if a file holds epochs, in one of MNE's own forms; the reader is then in `mne`.
    """

    reader: str
    describes: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool] | None = None
    is_folder: bool = False
    beside: Callable[[Path], list[Path]] | None = None
    package: str = ""
    extra: str = ""
    isolated: bool = False
    of_epochs: bool = False

    def claims(self, path: Path) -> bool:
        """True if `path` is a recording of this format, by its name and, where that is not enough, its first bytes."""
        name = path.name.lower()
        if (
            not name.endswith(self.suffixes)
            or (_NOT_RAW.search(name) and not self.of_epochs)
            or path.is_dir() != self.is_folder
        ):
            return False
        return self.begins is None or self.begins(_head(path))

    def files(self, path: Path) -> list[Path]:
        """The file and those beside it that exist, checked; of a folder, all in it.

        Raises
        ------
        UnreadableError
            If one that is needed is absent, lies in another folder, or a package is missing.
        """
        if self.package and find_spec(self.package) is None:
            raise UnreadableError(
                f"{path} needs the package {self.package}: run `pip install biosig-fm[{self.extra}]`."
            )
        if self.is_folder:
            return sorted(file for file in path.rglob("*") if file.is_file())
        check_present(path)
        return [path, *(self.beside(path) if self.beside else ())]


def format_of(path: Path) -> MneFormat | None:
    """The format that claims `path`, or None."""
    if not path.name.lower().endswith(_SUFFIXES):  # most files of a walk
        return None
    return next((known for known in FORMATS if known.claims(path)), None)


def check_inside(path: Path, files: Sequence[Path]) -> None:
    """Refuse files that lie elsewhere than beside `path`, or in it where it is a folder."""
    whole = Path(os.path.abspath(path))
    folder = whole if path.is_dir() else whole.parent
    for file in files:
        if folder not in Path(os.path.abspath(file)).parents:
            raise _elsewhere(path, file.name)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError:
        return b""


def _elsewhere(path: Path, name: str) -> UnreadableError:
    return UnreadableError(
        f"{path} refers to '{name}', outside its own folder: put that file beside it and correct the name."
    )


def _named(path: Path) -> list[Path]:
    """The files that a text header names: samples, which must be there, and markers."""
    text = path.read_bytes()[:1_000_000].decode("latin-1")
    found = []
    for key, name in _NAMED_FILES.findall(text):
        name = name.replace("$b", path.stem)
        if "/" in name or "\\" in name or name in (".", ".."):
            raise _elsewhere(path, name)
        beside = path.with_name(name) if name else path
        if key.lower() != "markerfile":
            check_present(beside, wanted_by=path)
        if beside.is_file() and beside != path:
            found.append(beside)
    return found


def _check_neuroscan(path: Path) -> list[Path]:
    """Refuse a file whose header contradicts itself: MNE would need the number of bytes of a sample.

    Places within the header: http://paulbourke.net/dataformats/eeg/.
    """
    with path.open("rb") as file:
        head = file.read(900)
    if len(head) == 900 and path.stat().st_size < 2**31:  # beyond, the header's 32 bits do not reach the event table
        n_chans = int.from_bytes(head[370:372], "little")
        n_times, table = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (864, 886))
        held = table - 900 - 75 * n_chans
        if table > path.stat().st_size or held not in (2 * n_chans * n_times, 4 * n_chans * n_times) or held <= 0:
            raise UnreadableError(
                f"{path} announces {n_chans} channels of {n_times} samples and {held} bytes for them, which is neither "
                "2 nor 4 for each: it was cut or edited, export it again."
            )
    return []


def _siblings(*suffixes: str) -> Callable[[Path], list[Path]]:
    """Files of the same name with other endings, in any case."""

    def find(path: Path) -> list[Path]:
        wanted = {f"{path.stem}{suffix}".lower() for suffix in suffixes} - {path.name.lower()}
        return sorted(file for file in path.parent.iterdir() if file.name.lower() in wanted)

    return find


def _is_egi(head: bytes) -> bool:
    """EGI's simple binary: a version from 2 to 7, then the year."""
    version, year = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:6], "big")
    return 2 <= version <= 7 and 1980 <= year < 2100


FORMATS = (
    MneFormat("fif", "FIF (.fif)", FIF_SUFFIXES, beside=further_parts),
    MneFormat("epochs", "FIF epochs (-epo.fif)", EPOCHS_SUFFIXES, beside=further_parts, of_epochs=True),
    MneFormat("brainvision", "BrainVision (.vhdr, .ahdr)", (".vhdr", ".ahdr"), beside=_named),
    MneFormat("eeglab", "EEGLAB (.set)", (".set",), beside=check_set, isolated=True),  # SciPy's loadmat can crash
    MneFormat("egi", "EGI (.mff)", (".mff",), is_folder=True, package="defusedxml", extra="egi"),
    MneFormat("egi", "EGI simple binary (.raw)", (".raw",), begins=_is_egi),
    MneFormat("persyst", "Persyst (.lay)", (".lay",), beside=_named),
    MneFormat(
        "nihon",
        "Nihon Kohden (.EEG)",
        (".eeg",),
        begins=lambda head: head.startswith((b"EEG-", b"QI-403A", b"DAE-2100D")),
        beside=_siblings(".pnt", ".log", ".21e"),
    ),
    MneFormat(
        "cnt",
        "Neuroscan (.cnt)",
        (".cnt",),
        begins=lambda head: head.startswith(b"Version 3"),
        beside=_check_neuroscan,
    ),
    MneFormat(
        "ant",
        "ANT (.cnt)",
        (".cnt",),
        begins=lambda head: head[:4] in (b"RIFF", b"RF64"),
        package="antio",
        extra="ant",
        isolated=True,
    ),
    MneFormat(
        "curry",
        "Curry (.cdt, .dap)",
        (".cdt", ".dap"),
        beside=_siblings(".dat", ".rs3", ".cef", ".ceo", ".cdt", ".cdt.dpa", ".cdt.dpo", ".cdt.cef", ".cdt.ceo"),
        package="curryreader",
        extra="curry",
    ),
)
_SUFFIXES = tuple({suffix for known in FORMATS for suffix in known.suffixes})
