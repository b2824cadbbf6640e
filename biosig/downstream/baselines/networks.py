"""Supervised networks from scratch, which identify channels by their row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING

from biosig.downstream.baseline import BASELINES, Baseline

if TYPE_CHECKING:
    from torch import nn

    from biosig.downstream.baselines.context import BaselineContext, FitJob, FoldPredictions
    from biosig.evaluate.metrics import Kind


class Network(Baseline):
    """A network on arrays (B, C, T)."""

    needs_one_layout = True

    @abstractmethod
    def make(self, context: BaselineContext, n_chans: int, n_outputs: int) -> nn.Module:
        """Make the network for so many channels and outputs, with random weights."""

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Train every weight."""
        from biosig.downstream.baselines._training import train_and_predict
        from biosig.downstream.data.batch_sources import DenseExamples
        from biosig.downstream.data.sequences import SpanLayout
        from biosig.training.seeding import seeded

        n_chans = sum(len(stream.values) for stream in context.windows[0])
        with seeded(job.key):
            network = self.make(context, n_chans, len(context.objective(job.parts).names))
        network, examples = network.to(context.model.device), DenseExamples(context.windows, context.model.device)
        return train_and_predict(
            context, job, network, examples, SpanLayout.alone(context.windows.windows), context.network
        )


@BASELINES.register
class XResNetBaseline(Network):
    """xresnet1d of the PTB-XL benchmark (`biosig.downstream.baselines.models.xresnet`)."""

    name = "xresnet"
    title = "xresnet, from scratch"
    rank = 50
    seed_id = 8

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True for ECG alone or PPG alone: signals of several rates do not fit in one array."""
        return len(modalities) == 1 and set(modalities) <= {"ecg", "ppg"}

    def make(self, context: BaselineContext, n_chans: int, n_outputs: int) -> nn.Module:
        """Make xresnet with the context's width."""
        from biosig.downstream.baselines.models.xresnet import XResNet

        return XResNet(n_chans, n_outputs, context.network_width)


@BASELINES.register
class ShallowBaseline(Network):
    """ShallowFBCSPNet (`biosig.downstream.baselines.models.shallow`)."""

    name = "shallow"
    title = "ShallowFBCSPNet, from scratch"
    rank = 50
    seed_id = 4

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True for EEG alone."""
        return set(modalities) == {"eeg"}

    def make(self, context: BaselineContext, n_chans: int, n_outputs: int) -> nn.Module:
        """Make the network for the windows' length and rate."""
        from biosig.downstream.baselines.models.shallow import ShallowFBCSPNet

        return ShallowFBCSPNet(n_chans, *_length_and_rate(context), n_outputs)


@BASELINES.register
class EEGNetBaseline(Network):
    """EEGNet (`biosig.downstream.baselines.models.eegnet`)."""

    name = "eegnet"
    title = "EEGNet, from scratch"
    seed_id = 3

    def make(self, context: BaselineContext, n_chans: int, n_outputs: int) -> nn.Module:
        """Make the network for the windows' length and rate."""
        from biosig.downstream.baselines.models.eegnet import EEGNet

        return EEGNet(n_chans, *_length_and_rate(context), n_outputs)


@BASELINES.register
class S4Baseline(Network):
    """S4 (`biosig.downstream.baselines.models.s4`)."""

    name = "s4"
    title = "S4, from scratch"
    seed_id = 9

    def make(self, context: BaselineContext, n_chans: int, n_outputs: int) -> nn.Module:
        """Make S4 with the context's width."""
        from biosig.downstream.baselines.models.s4 import S4

        return S4(n_chans, n_outputs, context.network_width)


def _length_and_rate(context: BaselineContext) -> tuple[int, float]:
    stream = context.windows[0][0]
    return stream.values.shape[1], context.model.contract[stream.modality].sfreq
