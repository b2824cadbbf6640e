"""Readings of a model: a readout, over one layer or over several whose vectors stand side by side.

The input contract of each modality names the reading that the weights are meant for; a caller may ask for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from biosig.errors import UsageError
from biosig.models.config import EncoderConfig
from biosig.models.readouts import READOUTS, Pooling, own_pooling

Layer = int | Sequence[int] | Literal["all"] | None
"""0 the embedding output, k after block k, -1 the model's output; several side by side; "all" from 0 to the output;
None = as the weights name it."""


@dataclass(frozen=True)
class Reading:
    """A readout and the layers that it reads."""

    pooling: str
    layers: tuple[int, ...]

    def n_features(self, config: EncoderConfig) -> int:
        """Numbers in a vector."""
        readout = READOUTS[self.pooling]
        return readout().n_features(readout.width(config)) * len(self.layers)

    @property
    def one_per_window(self) -> bool:
        """True where a window has one vector for all of its modalities."""
        return READOUTS[self.pooling].one_per_window


def reading_of(config: EncoderConfig, modality: str, pooling: Pooling | None = None, layer: Layer = None) -> Reading:
    """The reading of a modality: the caller's, else the one that the contract names, else the model's own pooling.

    A contract's layers are those of its readout: with another readout the output is read.

    Raises
    ------
    UsageError
        If the model has no such layer.
    """
    contract = config.contract.get(modality)
    named = None if contract is None else contract.readout
    chosen = pooling or named or own_pooling(config)
    if layer == "all":
        return Reading(chosen, (*range(config.depth), -1))
    if layer is None:
        named_layers = contract.layers if contract is not None and chosen == named else ()
        return Reading(chosen, named_layers or (-1,))
    layers = tuple(layer) if isinstance(layer, Sequence) and not isinstance(layer, str) else (layer,)
    for number in layers:
        if not isinstance(number, Integral) or not -1 <= int(number) <= config.depth:
            raise UsageError(
                f"There is no layer {number!r}: 0 is the embedding output, {config.depth} the last block, "
                f"-1 the model's output."
            )
    if not layers:
        raise UsageError("layer is an empty list: name a layer, or leave it out.")
    return Reading(chosen, tuple(int(number) for number in layers))


def tuned_pooling(config: EncoderConfig) -> str:
    """The readout that a tuned head starts from: the one in the contract for all modalities, else the model's own."""
    named = {contract.readout for contract in config.contract.values()}
    (only,) = named if len(named) == 1 else (None,)
    return only if only is not None and READOUTS[only].reads == "tokens" else own_pooling(config)


def readings_of(config: EncoderConfig, pooling: Pooling | None = None, layer: Layer = None) -> dict[str, Reading]:
    """The reading of each modality that the model has, text among them."""
    modalities = [*config.contract, *(("text",) if config.text else ())]
    return {modality: reading_of(config, modality, pooling, layer) for modality in modalities}
