"""Default baselines of a task, without those that are switched off or do not fit its windows.

Each default has beaten a published model in the same table: chance, age and sex, the same network with random weights,
hand-made features, covariances, a small supervised network.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from biosig.downstream.baseline import BASELINES
from biosig.errors import DataError, UsageError

if TYPE_CHECKING:
    from biosig.batches.windows import RecordingSet
    from biosig.downstream.data.window_dataset import PreparedWindows
    from biosig.evaluate.metrics import Kind
    from biosig.models.model import Model


def default_baselines(kind: Kind, modalities: Collection[str], demographics: bool) -> list[str]:
    """The names of the baselines that suit a task (`Baseline.suits`), the weakest first."""
    fitting = [baseline for baseline in BASELINES.values() if baseline.suits(kind, modalities, demographics)]
    return [baseline.name for baseline in sorted(fitting, key=lambda baseline: baseline.rank)]


def exclude(names: Sequence[str], without: Sequence[str]) -> list[str]:
    """The baselines without those that are switched off.

    Raises
    ------
    UsageError
        If a switched-off name is not among them.
    """
    unknown = [name for name in without if name not in names]
    if unknown:
        raise UsageError(
            f"'skip_baselines' names '{unknown[0]}', which is not a baseline of this task; there are "
            f"{', '.join(names)}."
        )
    return [name for name in names if name not in without]


def drop_incompatible(
    names: Sequence[str], modalities: Collection[str], windows: PreparedWindows, required: Collection[str]
) -> tuple[list[str], list[str]]:
    """Drop baselines that do not fit these windows, with remarks on them and on missing samples.

    Parameters
    ----------
    names : sequence of str
        Baselines.
    modalities : collection of str
        Modalities of the windows.
    windows : PreparedWindows
        All windows of the task, surveyed where a baseline needs one layout.
    required : collection of str
        Baselines that must fit, because the configuration names them.

    Raises
    ------
    DataError
        If one that the configuration names does not fit the windows.
    """
    kept, remarks = [], []
    for name in names:
        try:
            _check_windows(name, modalities, windows)
            kept.append(name)
        except DataError as error:
            if name in required:
                raise
            remarks.append(f"The baseline {name} is left out: {str(error).rsplit(':', 1)[0]}.")
    dense, gaps = [name for name in kept if BASELINES[name].needs_one_layout], windows.whole.count(False)
    if dense and gaps:
        remarks.append(f"{gaps} of {len(windows)} windows miss samples, which are zeros for {', '.join(dense)}.")
    return kept, remarks


def drop_without_twin(names: Sequence[str], model: Model, required: Collection[str]) -> tuple[list[str], list[str]]:
    """Drop baselines that need a model's architecture anew if it cannot be built, with remarks on them.

    Parameters
    ----------
    names : sequence of str
        Baselines.
    model : Model
        The model under test.
    required : collection of str
        Baselines that must not be left out.

    Raises
    ------
    UsageError
        If a required one cannot be built.
    """
    why = model.lacks_twin
    lost = [name for name in names if BASELINES[name].needs_twin] if why else []
    asked = [name for name in lost if name in required]
    if asked:
        raise UsageError(f"The baseline {asked[0]} cannot be made: {why}, or leave {asked[0]} out.")
    return [name for name in names if name not in lost], [f"The baseline {name} is left out: {why}." for name in lost]


def _check_windows(name: str, modalities: Collection[str], windows: PreparedWindows) -> None:
    from biosig.downstream.data.batch_sources import check_one_layout

    baseline = BASELINES[name]
    if not baseline.modalities & set(modalities):
        raise DataError(
            f"The windows have {', '.join(sorted(modalities))}, and the baseline {name} reads "
            f"{', '.join(sorted(baseline.modalities))}: leave {name} out."
        )
    if baseline.needs_one_layout:
        check_one_layout(windows, f"the baseline {name}", one_rate=True)


def modalities_of(ds: RecordingSet, read: Collection[str]) -> set[str]:
    """The modalities of the recordings that a model reads, from the index alone."""
    return {str(kind) for kinds in ds.to_pandas()["kinds"] for kind in kinds} & set(read)
