"""Encoders for longer windows than those that they have learned times for (CSFM, `biosig.layers.lead_positions`)."""

from __future__ import annotations

import copy
from dataclasses import replace

from biosig.errors import UsageError
from biosig.layers.lead_positions import LeadCode, LeadPositions
from biosig.models.encoder import Encoder


def stretched(encoder: Encoder, seconds: float) -> tuple[Encoder, str]:
    """A copy of an encoder for windows of `seconds`, and a line for the model card; "" if nothing changed.

    Raises
    ------
    UsageError
        If the encoder computes its times, or has learned them for windows as long already.
    """
    config = encoder.config
    encoder = copy.deepcopy(encoder)
    positions = encoder.positions
    if not isinstance(positions, LeadPositions):
        raise UsageError(f"Model '{config.name}' reads windows of any length: use it as it is.")
    contract = {m: replace(c, window_seconds=float(seconds)) for m, c in config.contract.items()}
    learned, wanted = len(positions.time), next(iter(contract.values())).n_patches_in(seconds)
    if wanted < learned:
        raise UsageError(
            f"Windows of {seconds:g} s have {wanted} of the {learned} times that model '{config.name}' has learned: "
            f"use it as it is."
        )
    encoder.config = replace(config, position=LeadCode(n_patches=wanted), contract=contract)
    positions.stretch(wanted)
    if wanted == learned:
        return encoder, ""
    return encoder, f"\nLearned times interpolated from {learned} to {wanted} patches: no training saw them.\n"
