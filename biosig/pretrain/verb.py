"""The verb `biosig pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from biosig import config as configuration
from biosig.console import step_progress
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain


def pretrain_verb(
    config: Annotated[Path, tyro.conf.Positional], overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (), /
) -> int:
    """Pretrain a model on shards; started again, it goes on from its last checkpoint.

    Parameters
    ----------
    config : Path
        YAML file with the run (see configs/pretrain/).
    overrides : tuple of str
        key=value pairs that replace entries of the file, e.g. steps=1000 optimizer.lr=3e-4.
    """
    run = configuration.load(PretrainConfig, config, overrides)
    with step_progress("pretrain") as (console, report):
        folder = pretrain(run, report)
        console.print(f"Model: {folder}", markup=False, highlight=False)
    return 0
