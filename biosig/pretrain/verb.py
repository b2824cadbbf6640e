"""The verb `biosig pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from biosig import config as configuration
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain
from biosig.progress import show_progress


def pretrain_verb(
    config: Annotated[Path, tyro.conf.Positional], overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (), /
) -> int:
    """Pretrain a model on shards; started again, it goes on from its last checkpoint.

    Parameters
    ----------
    config : Path
        YAML file with the run; configs/pretrain/biosig-small.yaml explains every key, with its default and unit.
    overrides : tuple of str
        key=value pairs that replace entries of the file, e.g. steps=1000 optimizer.lr=3e-4.
    """
    run = configuration.load(PretrainConfig, config, overrides)
    with show_progress(Console(stderr=True)) as progress:
        folder = pretrain(run, progress)
    Console().print(f"Model: {folder}", markup=False, highlight=False, soft_wrap=True)
    return 0
