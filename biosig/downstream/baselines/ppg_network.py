"""Supervised network for PPG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biosig.batches.input_contract import InputContract
from biosig.downstream.baseline import BASELINES
from biosig.downstream.baselines._supervised import NetworkSpec, SupervisedNetwork
from biosig.training.config import TrainingStage

if TYPE_CHECKING:
    from torch import nn

    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.data.batch_sources import BatchSource

INPUT = InputContract(64.0, 0.25, 0.25, None, (0.4, 10.0), "robust", on_unknown="keep")
"""Input contract without a unit: PPG has no common one, so each recording has its own scale."""


@BASELINES.register
class PPGNetworkBaseline(SupervisedNetwork):
    """Network of four convolutions (`biosig.downstream.baselines.models.ppg_network`)."""

    name = "ppg_network"
    title = "PPG network, from scratch"
    modalities = frozenset({"ppg"})
    rank = 60
    recipe = NetworkSpec(
        TrainingStage(3e-3, 25, warmup=3, patience=10, dropout=0.3, weight_decay=0.05, mixup=False, schedule="linear"),
        per_minute=240_000.0,
    )

    def examples(self, context: BaselineContext, job: FitJob) -> BatchSource:
        """Windows at 64 Hz."""
        from biosig.downstream.baselines._signals import NamedExamples

        return NamedExamples(context.prepared("ppg", INPUT), context.model.device, job.parts.train)

    def make(self, context: BaselineContext, examples: Any, n_outputs: int) -> nn.Module:  # noqa: ARG002
        """Make the network for the channels of the training part."""
        from biosig.downstream.baselines.models.ppg_network import PPGNetwork

        return PPGNetwork(len(examples.places), n_outputs)
