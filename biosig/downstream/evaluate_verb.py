"""The verb `evaluate`: a result folder rated again from its saved predictions, and its report made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from biosig.downstream.evidence import check_scores
from biosig.downstream.report import write_report
from biosig.downstream.saved import open_result
from biosig.downstream.verbs import print_scores


def evaluate(run: Annotated[Path, tyro.conf.Positional]) -> int:
    """Rate a result folder's saved predictions again, hold its scores to them, and write its report anew.

    Differences to the baselines, calibration and scores by group are computed again too, and an audit that was run on
    the folder since becomes part of the report.

    Parameters
    ----------
    run : Path
        Folder that `probe` or `finetune` wrote.

    Returns
    -------
    int
        Exit status: 1 where a saved score is not what the predictions give.
    """
    saved = open_result(run)
    table = check_scores(saved)
    report = write_report(run)
    console = Console()
    print_scores(table, f"{saved.metrics['model']}: {saved.target.title}", saved.metrics["cohort"]["all"], console)
    for text in (*(f"- {note}" for note in saved.metrics["notes"]), f"Scores are as saved. Report: {report}"):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    return 0
