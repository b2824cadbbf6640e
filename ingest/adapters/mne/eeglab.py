"""EEGLAB's .set files of MATLAB 7.3: HDF5, in which a link could make a reader open any other file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
from scipy.io import loadmat

from biosig.errors import UnreadableError

_MOST_DEPTH = 16


def check_set(path: Path) -> list[Path]:
    """Check that an HDF5 .set can be read, and refers to no other file; older ones need no check.

    Returns
    -------
    list of Path
        None: the .fdt with the samples is known only once the .set is read.

    Raises
    ------
    UnreadableError
        If the file is damaged, or its datasets lie in other files, or the package that reads it is missing.
    """
    if not h5py.is_hdf5(path):
        return []
    if find_spec("pymatreader") is None:
        raise UnreadableError(f"{path} needs the package pymatreader: run `pip install biosig-fm[eeglab]`.")
    try:
        with h5py.File(path, "r") as file:
            for dataset in _datasets(file, path, 0):
                if dataset.external or dataset.is_virtual:
                    raise UnreadableError(f"{path} keeps '{dataset.name}' in other files: export it as one file.")
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # h5py's exceptions on damage
        raise UnreadableError(f"{path} is damaged ({error}): fetch or export it again.") from None
    return []


def check_data_name(path: Path) -> None:
    """Refuse a .set that keeps its samples in a file elsewhere than beside it.

    Raises
    ------
    UnreadableError
    """
    found = _named_data(path)
    if isinstance(found, str) and ("/" in found or "\\" in found):
        raise UnreadableError(f"{path} refers to '{found}', outside its own folder: put that file beside it.")


def _named_data(path: Path) -> Any:
    """The field `data` of the struct EEG, or the variable of that name: an array, or the name of a file."""
    if h5py.is_hdf5(path):
        import pymatreader

        variables = pymatreader.read_mat(path)
    else:
        variables = loadmat(path, simplify_cells=True)
    return variables.get("EEG", variables).get("data")


def _datasets(group: h5py.Group, path: Path, depth: int) -> Iterator[h5py.Dataset]:
    for name in group if depth < _MOST_DEPTH else ():
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UnreadableError(f"{path}: '{name}' is a link to somewhere else: export the file again.")
        found = group[name]
        if isinstance(found, h5py.Group):
            yield from _datasets(found, path, depth + 1)
        elif isinstance(found, h5py.Dataset):
            yield found
