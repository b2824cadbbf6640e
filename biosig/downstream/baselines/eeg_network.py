"""Supervised network for EEG of any montage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from biosig.batches.input_contract import InputContract
from biosig.downstream.baseline import BASELINES
from biosig.downstream.baselines._supervised import NetworkSpec, SupervisedNetwork, in_volts
from biosig.training.config import TrainingStage

if TYPE_CHECKING:
    from torch import nn

    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.data.batch_sources import BatchSource

INPUT = InputContract(128.0, 0.25, 0.25, "uV", (0.5, 45.0), "robust", clip=60.0)


@BASELINES.register
class EEGNetworkBaseline(SupervisedNetwork):
    """Network with sites by distance, narrow bands and waves, attention (`models.eeg_network`)."""

    name = "eeg_network"
    title = "EEG network, from scratch"
    modalities = frozenset({"eeg"})
    rank = 60
    recipe = NetworkSpec(
        TrainingStage(1e-3, 30, warmup=1, patience=10, dropout=0.3, weight_decay=0.05, mixup=False, schedule="linear"),
        per_minute=20_000.0,
    )

    def examples(self, context: BaselineContext, job: FitJob) -> BatchSource:  # noqa: ARG002
        """Windows over the robust scale of their recording, in any unit."""
        from biosig.downstream.baselines._signals import SiteExamples

        contract = INPUT if in_volts(context, "eeg") else replace(INPUT, unit=None)
        return SiteExamples(context.prepared("eeg", contract), context.model.device)

    def make(self, context: BaselineContext, examples: Any, n_outputs: int) -> nn.Module:  # noqa: ARG002
        """Make one network for all montages."""
        from biosig.downstream.baselines.models.eeg_network import EEGNetwork

        return EEGNetwork(n_outputs)
