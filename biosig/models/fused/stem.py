"""Signals of a modality to tokens: mix, bend, convolve.

Shape letters: b windows, C channels, T samples, K virtual channels, L tokens, D embed_dim.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.input_contract import InputContract
from biosig.errors import UsageError
from biosig.models.fused.conv import TimeConv
from biosig.models.fused.lines import coherence
from biosig.models.fused.mixing import MIXINGS, SITES
from biosig.models.fused.rates import RateSpectrum
from biosig.models.fused.signals import Signals
from biosig.models.fused.spectrum import BandPowers


@dataclass(frozen=True)
class StemPlan:
    """Gains, kernels and further inputs of a modality's stem.

    Parameters
    ----------
    linear, bent : float
        Gains of the samples that enter as they are, and of those through asinh, so that small and large waves are seen.
    kernels : tuple of 2 int
        Of the two convolutions, in strides' units: the first has a stride of 4 samples, the second the rest of a token.
    slopes : bool
        Whether first differences enter too.
    bands : bool
        Whether log powers in narrow bands enter the tokens.
    rates : bool
        Whether a distribution over pulse rates, read from the whole window, enters every token.
    normed : bool
        Whether the tokens are normalised, so that amplitude is in their direction alone.
    usual : float
        Logarithm of the usual scale, in the contract's unit.
    """

    linear: float
    bent: float
    kernels: tuple[int, int]
    slopes: bool = False
    bands: bool = False
    rates: bool = False
    normed: bool = True
    usual: float = 0.0


PLANS = {
    "ecg": StemPlan(2.0, 10.0, (8, 4), normed=False),
    "ppg": StemPlan(0.5, 2.0, (8, 8), slopes=True, rates=True),
    "eeg": StemPlan(0.5, 2.0, (8, 8), bands=True, usual=3.0),
}
"""By modality. Gains are for mV (ECG) and for signals of deviation 1; 20 uV are a usual EEG."""

STRIDE = 4
SLOPE_GAIN = 4.0
"""Of first differences at 64 Hz, so that a pulse's slope is of order 1."""


class Stem(nn.Module):
    """Tokens of one modality.

    Parameters
    ----------
    modality : str
        Which.
    contract : InputContract
        A patch is a token, of a whole number of strides of 4 samples.
    embed_dim, stem_dim : int
        D, and the width of the first convolution.

    Raises
    ------
    UsageError
        If the contract's patches are not cut end to end, or are not a whole number of strides.
    """

    def __init__(self, modality: str, contract: InputContract, embed_dim: int, stem_dim: int) -> None:
        super().__init__()
        plan = self.plan = PLANS[modality]
        self.has_unit = contract.unit is not None
        size = contract.patch_size
        if size % STRIDE or contract.stride != size:
            raise UsageError(
                f"A fused token of {modality} needs patches end to end of a multiple of {STRIDE} samples, not "
                f"{size} samples every {contract.stride}."
            )
        self.mixing = MIXINGS[modality]()
        n_virtual = self.mixing.n_virtual
        self.first = TimeConv((4 if plan.slopes else 2) * n_virtual, stem_dim, plan.kernels[0], STRIDE, bias=False)
        self.present = nn.Linear(n_virtual, stem_dim)
        self.second = TimeConv(stem_dim, embed_dim, plan.kernels[1], size // STRIDE)
        self.powers = BandPowers(contract.sfreq, size) if plan.bands else None
        if self.powers is not None:
            self.from_powers = nn.Linear(n_virtual * self.powers.n_bands, embed_dim, bias=False)
        self.rates = RateSpectrum(stem_dim, contract.sfreq / STRIDE, embed_dim) if plan.rates else None
        self.scale = nn.Linear(2, embed_dim, bias=False)
        nn.init.normal_(self.scale.weight, std=0.02)
        self.norm = nn.LayerNorm(embed_dim) if plan.normed else nn.Identity()

    def forward(self, signals: Signals, causal: bool = False) -> Tensor:
        """Tokens (b, L, D). With `causal` they hold no rate, since that is of the whole window."""
        mixed, belief = self.mixing(signals.values, signals.weight, signals.position, signals.reference)
        x, slow = self._first(mixed, belief, causal)
        tokens = self.second(x, causal)  # (b, L, D)
        if self.powers is not None:
            powers = self.powers(mixed, belief, causal) / 2  # (b, L, K, F) of order 1
            tokens = tokens + self.from_powers(powers.flatten(2))
        tokens = self.norm(tokens + self.scale(self._scale_code(signals.log_scale))[:, None])
        if self.rates is None or causal:
            return tokens
        return tokens + self.rates.code(self.rates(x, slow.amax(dim=2, keepdim=True)))[:, None]

    def rate_logits(self, signals: Signals) -> Tensor:
        """Logits over pulse rates (b, R)."""
        assert self.rates is not None
        mixed, belief = self.mixing(signals.values, signals.weight, signals.position, signals.reference)
        x, slow = self._first(mixed, belief)
        return self.rates(x, slow.amax(dim=2, keepdim=True))

    def _first(self, mixed: Tensor, belief: Tensor, causal: bool = False) -> tuple[Tensor, Tensor]:
        """Output of the first convolution (b, T / 4, stem_dim), and the belief at its rate (b, T / 4 or 1, K)."""
        slow = _every(belief, STRIDE)
        return F.relu(self.first(self._inputs(mixed), causal) + self.present(slow)), slow

    def spectrum(self, signals: Signals) -> Tensor:
        """Log powers of the virtual channels (b, L, K · F), zero where a channel is not believed."""
        assert self.powers is not None
        mixed, belief = self.mixing(signals.values, signals.weight, signals.position, signals.reference)
        return self.powers(mixed, belief).flatten(2)

    def coherence(self, signals: Signals, sfreq: float) -> Tensor:
        """Lines that the sites share (b, 161)."""
        mixed, _ = self.mixing(signals.values, signals.weight, signals.position, signals.reference)
        return coherence(mixed[:, : len(SITES)], sfreq)

    def _inputs(self, mixed: Tensor) -> Tensor:
        """Input of the first convolution, channels last (b, T, 2 · K or 4 · K)."""
        mixed = mixed.transpose(1, 2)  # (b, T, K)
        parts = [self.plan.linear * mixed, (self.plan.bent * mixed).asinh()]
        if self.plan.slopes:
            slope = SLOPE_GAIN * F.pad(mixed.diff(dim=1), (0, 0, 1, 0))
            parts += [slope, slope.asinh()]
        return torch.cat(parts, dim=2)

    def _scale_code(self, log_scale: Tensor) -> Tensor:
        """One where the scale is unknown, and the logarithm of a known scale over the usual one (b, 2)."""
        known = log_scale.isfinite() & self.has_unit
        return torch.stack((~known, torch.where(known, log_scale - self.plan.usual, 0.0)), dim=1)


def _every(belief: Tensor, stride: int) -> Tensor:
    """Belief (b, K, T or 1) at the rate of the first convolution, channels last."""
    if belief.shape[2] > 1:
        belief = F.avg_pool1d(belief, stride)
    return belief.transpose(1, 2)
