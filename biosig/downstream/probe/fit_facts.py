"""Saved fit of one fold: its predictions and the facts for a result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from biosig.downstream.probe.fit import FittedProbe
from biosig.evaluate.metrics import Floats
from biosig.file_sums import checked
from biosig.tensor_files import write_tensors


@dataclass(frozen=True)
class FitFacts:
    """Facts of a fitted probe for a result; fields as in `biosig.downstream.probe.fit.FittedProbe`.

    Parameters
    ----------
    layer : int
    layer_scores, settings : list of float
    calibration : dict
    notes : list of str
    sha256 : str
        Its digest.
    """

    layer: int
    layer_scores: list[float]
    settings: list[float]
    calibration: dict[str, Any]
    notes: list[str]
    sha256: str

    @classmethod
    def of(cls, fitted: FittedProbe) -> FitFacts:
        """The facts of a fitted probe."""
        return cls(
            fitted.layer,
            list(fitted.layer_scores),
            list(fitted.settings),
            fitted.calibration.to_dict(),
            list(fitted.notes),
            fitted.digest(),
        )


def write_fit(prediction: Floats, facts: FitFacts, path: Path) -> None:
    """Write the predictions (n, K) or (n,) of a fold and the facts of its fit."""
    tensor = torch.from_numpy(np.ascontiguousarray(prediction))
    write_tensors({"prediction": tensor}, path, {"facts": json.dumps(asdict(facts))})


def read_fit(path: Path) -> tuple[Floats, FitFacts]:
    """Read the file of `write_fit`.

    Raises
    ------
    UnreadableError
        If the file is damaged.
    """
    with checked(path), safe_open(path, "numpy") as file:
        return file.get_tensor("prediction"), FitFacts(**json.loads(file.metadata()["facts"]))
