"""Supervised network for ECG in millivolts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biosig.batches.input_contract import InputContract
from biosig.downstream.baseline import BASELINES
from biosig.downstream.baselines._supervised import NetworkSpec, SupervisedNetwork, in_volts
from biosig.training.config import TrainingStage

if TYPE_CHECKING:
    from torch import nn

    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.data.batch_sources import BatchSource

BAND = (0.5, 40.0)
MILLIVOLTS = InputContract(100.0, 0.08, 0.08, "mV", BAND, "constant", on_unknown="keep")
NO_UNIT = InputContract(100.0, 0.08, 0.08, None, BAND, "robust", on_unknown="keep")
USUAL_SCALE = 0.2
"""mV: the robust scale of a usual ECG, used if the unit is not known."""


@BASELINES.register
class ECGNetworkBaseline(SupervisedNetwork):
    """Network with leads joined in the stem, convolutions and attention (`models.ecg_network`)."""

    name = "ecg_network"
    title = "ECG network, from scratch"
    modalities = frozenset({"ecg"})
    rank = 60
    recipe = NetworkSpec(
        TrainingStage(1e-3, 30, warmup=1, patience=10, dropout=0.3, weight_decay=0.05, mixup=False, schedule="linear"),
        per_minute=18_000.0,
        longest=5.12,
    )

    def examples(self, context: BaselineContext, job: FitJob) -> BatchSource:
        """Windows in mV; if a channel's unit is not a voltage, all windows over the robust scale of their recording."""
        from biosig.downstream.baselines._signals import NamedExamples

        known = in_volts(context, "ecg")
        windows = context.prepared("ecg", MILLIVOLTS if known else NO_UNIT)
        return NamedExamples(windows, context.model.device, job.parts.train, 1.0 if known else USUAL_SCALE)

    def make(self, context: BaselineContext, examples: Any, n_outputs: int) -> nn.Module:  # noqa: ARG002
        """Make the network for the leads of the training part."""
        from biosig.downstream.baselines.models.ecg_network import ECGNetwork

        return ECGNetwork(len(examples.places), n_outputs)

    def remarks(self, context: BaselineContext) -> list[str]:
        """Remarks on fits that the budget ended, and on an unknown unit."""
        unit = (
            []
            if in_volts(context, "ecg")
            else [f"{self.name}: not every ECG channel is in volts, so that each recording has its own scale."]
        )
        return [*super().remarks(context), *unit]
