"""Waveform model, an encoder with a head that rebuilds whole channels: any inputs, any targets, of any length.

CSFM's dense head reads four layers of the encoder (after DPT, Ranftl 2021, section 3.1), but lays the channels side by
side in the feature axis, which ties it to one number of channels (arXiv:2507.01045, its public code). Here a target is
a row of tokens with position and time; a light decoder fills them in from the input's tokens, as in pretraining. So
channels may be absent, and a model tuned to rebuild twelve leads can rebuild three of them.

Shape letters: N tokens of the packed row, M tokens of the inputs, K tokens of the targets, D width of the decoder,
L layers read, W width of the encoder, P samples of a patch, B windows, T samples of a target.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from biosig import config as configuration
from biosig.batches.contract import prepare
from biosig.batches.packed import MODALITY_IDS, PackedBatch, pack
from biosig.downstream.waveform.dataset import Floats, Target, WaveformQuery, matches, pick, wanted_of
from biosig.errors import DataError, UnreadableError
from biosig.file_sums import write_guarded
from biosig.models import checkpoint
from biosig.models.encoder import Encoder, VisibleTokens
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.pretrain.objectives.decoder import Decoder
from biosig.recording import Recording
from biosig.text_files import read_json

HEAD_WEIGHTS, HEAD = "head.safetensors", "waveform.json"


class Waveform(NamedTuple):
    """A rebuilt channel: its name, physical values (T,) in `unit`, Hz."""

    name: str
    values: Floats
    unit: str
    sfreq: float


@dataclass(frozen=True)
class WaveformHead:
    """Inputs, targets and decoder size of a waveform model.

    Parameters
    ----------
    inputs : list of str
        Names or kinds of the channels that the model reads.
    targets : list of Target
        Channels that it can rebuild.
    decoder : DecoderConfig
        Size of the decoder.
    """

    inputs: list[str]
    targets: list[Target]
    decoder: DecoderConfig


class WaveformModel(nn.Module):
    """Network that predicts whole channels from others.

    Parameters
    ----------
    encoder : Encoder
        Encoder of the inputs.
    head : WaveformHead
        Inputs, targets, and the size of the decoder.
    """

    def __init__(self, encoder: Encoder, head: WaveformHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        config, dim = encoder.config, head.decoder.embed_dim
        wide, depth = config.embed_dim, config.depth
        self.layers = sorted({math.ceil(depth * quarter / 4) for quarter in (1, 2, 3, 4)})
        self.norms = nn.ModuleList(nn.RMSNorm(wide, eps=1e-6) for _ in self.layers)
        self.enter = nn.Linear(len(self.layers) * wide, dim)
        self.place = nn.Linear(wide, dim)
        self.target = nn.Parameter(torch.zeros(len(head.targets), dim))
        self.decoder = Decoder(head.decoder, config)
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        modalities = sorted({target.modality for target in head.targets})
        self.to_samples = nn.ModuleDict({m: nn.Linear(dim, config.contract[m].patch_size) for m in modalities})

    def forward(self, questions: Sequence[WaveformQuery]) -> list[list[Tensor]]:
        """Predictions (T,) of each target of each window, in units of its scale around its centre."""
        rows = [[*question.inputs, *(wanted.place for wanted in question.wanted)] for question in questions]
        batch = pack(rows, self.encoder.config.contract)
        asked, number = self._asked(batch, questions)  # (K,), (K,)
        device = self.target.device
        batch, asked, number = batch.to(device), asked.to(device), number.to(device)
        hidden = torch.zeros_like(batch.valid).index_fill(0, asked, True)  # (N,)
        tokens, position = self.encoder.embed(batch)  # (N, W), (N, W)
        visible = VisibleTokens.of(batch, ~hidden)
        states = self.encoder.hidden_states(tokens, visible)
        read = [norm(states[layer].float()) for norm, layer in zip(self.norms, self.layers, strict=True)]
        seen = self.enter(torch.cat(read, dim=1)).float()  # (M, D)
        at_once = self._at_once(seen, visible.rows, asked, batch)  # (K, D)
        place = self.place(position).float().index_add(0, asked, self.target[number] + at_once)  # (N, D)
        y = self.norm(self.decoder(seen, place, visible, batch, hidden))  # (K, D)
        return self._waveforms(y, batch.modality[asked], questions)

    def _asked(self, batch: PackedBatch, questions: Sequence[WaveformQuery]) -> tuple[Tensor, Tensor]:
        """The rows of the targets' tokens (K,), at the end of each window, and the number of each one's target (K,)."""
        rows, numbers = [], []
        for end, question in zip(batch.seqlens.cumsum(0).tolist(), questions, strict=True):
            lengths = [
                wanted.place.values.shape[1] // self.encoder.config.contract[wanted.place.modality].patch_size
                for wanted in question.wanted
            ]
            rows.append(torch.arange(end - sum(lengths), end))
            numbers.append(
                torch.tensor([wanted.number for wanted in question.wanted]).repeat_interleave(torch.tensor(lengths))
            )
        return torch.cat(rows), torch.cat(numbers)

    def _at_once(self, seen: Tensor, rows: Tensor, asked: Tensor, batch: PackedBatch) -> Tensor:
        """The mean of a window's input tokens (M, D) at the time of each target's token, shape (K, D).

        It gives the decoder the most useful tokens directly; zeros where no input token is valid.
        """
        step = max(self.encoder.config.contract[m].patch_seconds for m in batch.patches)
        slot = (batch.position[:, 3] / step).long()  # (N,)
        slot = slot + batch.window * (int(slot.max()) + 1)
        total = seen.new_zeros(int(slot.max()) + 1, seen.shape[1]).index_add(0, slot[rows], seen)
        count = torch.bincount(slot[rows], minlength=len(total)).clamp(min=1)
        return (total / count[:, None])[slot[asked]]

    def _waveforms(self, y: Tensor, modality: Tensor, questions: Sequence[WaveformQuery]) -> list[list[Tensor]]:
        """Convert tokens (K, D) to the samples of each target of each window."""
        samples = {m: head(y[modality == MODALITY_IDS[m]]).float().flatten() for m, head in self.to_samples.items()}
        start = dict.fromkeys(samples, 0)
        out: list[list[Tensor]] = []
        for question in questions:
            out.append([])
            for place in (wanted.place for wanted in question.wanted):
                first, n_times = start[place.modality], place.values.shape[1]
                out[-1].append(samples[place.modality][first : first + n_times])
                start[place.modality] = first + n_times
        return out

    @torch.inference_mode()
    def rebuild(self, window: Recording) -> list[Waveform]:
        """Rebuild all targets of a recording, or of a crop of one, about as long as the training windows.

        Raises
        ------
        DataError
            If an input is absent, or has no valid token.
        """
        contract = self.encoder.config.contract
        absent = [name for name in self.head.inputs if not any(matches(c, name) for c in window.channels)]
        if absent:
            raise DataError(f"Recording '{window.id}' has no channel '{absent[0]}', which the model reads: add it.")
        inputs = prepare(pick(window, self.head.inputs), contract)
        duration = max(s.onset + s.values.shape[1] / contract[s.modality].sfreq for s in inputs)
        pack([inputs], contract)  # so that a window without a valid token is refused, not invented
        wanted = wanted_of(self.head.targets, [True] * len(self.head.targets), inputs, contract, duration)
        (predictions,) = self.eval()([WaveformQuery(inputs, wanted)])
        out = []
        for target, w, prediction in zip(self.head.targets, wanted, predictions, strict=True):
            values = target.physical(prediction.cpu().numpy()) * w.place.sign[0]
            out.append(Waveform(target.name, values, target.unit(contract), contract[target.modality].sfreq))
        return out


def save_waveform_model(model: WaveformModel, folder: Path, card: str) -> Path:
    """Write a checkpoint folder of the encoder (`biosig.load_model`) with the head."""
    checkpoint.save(model.encoder, True, folder, card)
    checkpoint.save_head(model, folder / HEAD_WEIGHTS)
    write_guarded(folder / HEAD, json.dumps(configuration.to_dict(model.head), indent=2) + "\n")
    return folder


def load_waveform_model(folder: str | Path) -> WaveformModel:
    """Read a model that `biosig waveform` has saved.

    Raises
    ------
    UsageError
        If the folder is not a checkpoint.
    DataError
        If a file is damaged or weights do not fit.
    """
    folder = Path(folder)
    encoder, _, _ = checkpoint.load(folder)
    try:
        head = configuration.load(WaveformHead, read_json(folder / HEAD))
    except UnreadableError:
        raise
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{folder / HEAD} is absent or damaged ({error}): give a folder of weights.") from error
    model = WaveformModel(encoder, head)
    checkpoint.load_head(model, folder / HEAD_WEIGHTS)
    return model.eval()
