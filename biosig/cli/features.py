"""The verb `features`: recordings as a table of physiological features, and one recording's features as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from biosig.cli.apply import check_paths, queried
from biosig.cli.tables import print_lines
from biosig.errors import UsageError
from biosig.progress import show_progress


def features(
    source: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    out: Path | None = None,
    report: Path | None = None,
    window: float = 10.0,
    stride: float | None = None,
    keep_tail: bool = False,
    kinds: tuple[str, ...] = (),
    query: str | None = None,
    workers: int = 0,
) -> int:
    """Measure rate, rhythm, intervals, shapes, criteria and band powers of windows; of one recording also as a page.

    The table has a row per window, joins with the one of `embed` on recording and onset, and goes on where it was when
    it is started again.

    Parameters
    ----------
    source : tuple of Path
        Shard folders, recordings' files, or folders of recordings.
    out : Path
        The parquet file to write.
    report : Path
        The HTML page to write about the one recording in the source, taken whole.
    window : float
        Seconds per window of the table.
    stride : float
        Seconds from one window's onset to the next; default: the window's length.
    keep_tail : bool
        Also measure the rest after the last whole window, and recordings shorter than a window.
    kinds : tuple of str
        ecg, ppg, eeg; default: all.
    query : str
        Recordings to take, by a query over index and label columns ("age > 60 and sex == 'female'"); shards only.
    workers : int
        Background processes; 0 = none.
    """
    from biosig.features.feature_table import table_to_file
    from biosig.features.registry import check_kinds
    from biosig.sources import as_recordings, as_windows

    if out is None and report is None:
        raise UsageError("There is nothing to write: give --out T.parquet, --report page.html, or both.")
    sources = check_paths(source, out)
    chosen = check_kinds(kinds or None)
    recordings = as_recordings(queried(sources, query))
    if report is not None:
        if len(recordings) != 1:
            raise UsageError(f"The source holds {len(recordings)} recordings, and --report draws one: name its file.")
        from biosig.plots.features import write_features_report

        print_lines(Console(), f"Report: {write_features_report(recordings[0].read(), report, chosen)}")
    if out is not None:
        windows = as_windows(recordings, window, stride, keep_tail)
        out.parent.mkdir(parents=True, exist_ok=True)
        with show_progress(Console(stderr=True)) as progress:
            table_to_file(windows, out, chosen, workers, progress)
        print_lines(Console(), f"Features: {out} ({len(windows)} windows)")
    return 0
