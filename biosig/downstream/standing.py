"""What always stands beside a model: the baselines that suit a task, unless they are switched off by name.

Each has beaten a published model in the same table: nothing learned, age and sex, the same network with random weights,
features made by hand, covariances, a small supervised network.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.examples import check_one_layout
from biosig.downstream.prepared import PreparedWindows
from biosig.downstream.target_config import Target
from biosig.errors import DataError, UsageError
from biosig.evaluate.metrics import Kind

if TYPE_CHECKING:
    from biosig.batches.windows import RecordingSet

NETWORKS = {"ecg": "xresnet", "ppg": "xresnet", "eeg": "shallow"}
"""The supervised network, trained from scratch, that a modality is compared with."""


def standing_baselines(kind: Kind, modalities: Collection[str], demographics: bool) -> list[str]:
    """The names of the baselines that suit a task, the weakest first.

    Parameters
    ----------
    kind : {"classes", "multilabel", "number", "survival"}
        What the truth is like.
    modalities : collection of str
        "ecg", "ppg", "eeg": what the model reads of the windows.
    demographics : bool
        Whether age or sex is known, and not itself the target.

    Returns
    -------
    list of str
        "chance", "demographics", "random_weights", "handmade"; "tangent" for classes of EEG; and the supervised network
        of `NETWORKS` where the windows have one modality: signals of several rates do not fit in one array.
    """
    names = ["chance", *(["demographics"] if demographics else []), "random_weights", "handmade"]
    if kind == "classes" and set(modalities) == {"eeg"}:
        names.append("tangent")
    if len(modalities) == 1:
        names += [NETWORKS[modality] for modality in modalities if modality in NETWORKS]
    return names


def without_those_named(standing: Sequence[str], without: Sequence[str]) -> list[str]:
    """The standing baselines, less those that are switched off.

    Raises
    ------
    UsageError
        If one is switched off that does not stand beside this task.
    """
    unknown = [name for name in without if name not in standing]
    if unknown:
        raise UsageError(
            f"'without' names '{unknown[0]}', which does not stand beside this task; there are {', '.join(standing)}."
        )
    return [name for name in standing if name not in without]


def without_misfits(
    names: Sequence[str], fixed: Collection[str], windows: PreparedWindows, named: bool
) -> tuple[list[str], list[str]]:
    """The baselines that these windows suit, and what to say of the others and of missing samples.

    Parameters
    ----------
    names : sequence of str
        Baselines.
    fixed : collection of str
        Methods that need all windows to have the same channels and length.
    windows : PreparedWindows
        All windows of the task, surveyed where one of `names` is of those methods.
    named : bool
        Whether the configuration names the baselines.

    Raises
    ------
    DataError
        If one that the configuration names does not suit the windows.
    """
    kept, remarks = [], []
    for name in names:
        try:
            if name in fixed:
                check_one_layout(windows, f"the baseline {name}", one_rate=True)
            kept.append(name)
        except DataError as error:
            if named:
                raise
            remarks.append(f"The baseline {name} is left out: {str(error).rsplit(':', 1)[0]}.")
    dense, gaps = [name for name in kept if name in fixed], windows.whole.count(False)
    if dense and gaps:
        remarks.append(f"{gaps} of {len(windows)} windows miss samples, which are zeros for {', '.join(dense)}.")
    return kept, remarks


def modalities_of(ds: RecordingSet, read: Collection[str]) -> set[str]:
    """What the recordings have of the modalities that a model reads, from the index alone."""
    return {str(kind) for kinds in ds.to_pandas()["kinds"] for kind in kinds} & set(read)


def demographic_features(ds: RecordingSet, target: Target) -> NDArray[np.float64]:
    """Age in years and sex (0 female, 1 male), shape (n_recordings, 0 to 2); NaN where not known.

    What is the target, or the same for everybody, is left out.
    """
    index = ds.to_pandas()
    sex = index["sex"].astype(object).map({"female": 0.0, "male": 1.0}).to_numpy(np.float64)
    columns = {"age": index["age"].to_numpy(np.float64), "sex": sex}
    varying = [
        values
        for name, values in columns.items()
        if name != target.label and len(np.unique(values[np.isfinite(values)])) > 1
    ]
    return np.stack(varying, axis=1) if varying else np.empty((len(index), 0))
