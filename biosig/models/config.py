"""The encoder's configuration: its size, its parts and its input contract; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from biosig.batches.input_contract import MODALITY_IDS, InputContract
from biosig.errors import UsageError
from biosig.layers.config import BlockStyle, BodyCode, LeadCode, ReveCode, TextConfig
from biosig.models.fused.config import FusedConfig


@dataclass(frozen=True)
class EncoderConfig:
    """The encoder's size and its input contract.

    Parameters
    ----------
    embed_dim, depth, num_heads : int
        Width, number of blocks, attention heads.
    head_dim : int
        Width of a head.
    mlp_ratio : float
        Feed-forward width over `embed_dim`.
    contract : dict of str to InputContract
        Input contract of each modality.
    position : BodyCode, ReveCode or LeadCode
        The position code.
    final_norm : bool
        True if a norm follows the last block.
    block : BlockStyle
        Norm, feed-forward and dropout of the blocks.
    patches : {"linear", "normed"}
        The patch embedding: `PatchEmbedding`, or `NormedPatchEmbedding`.
    text : TextConfig, optional
        The vocabulary; None = the model reads no text.
    cls : bool
        True if each window has a token of its own that is its pooled vector; without, the pooling attends.
    initialisation : {"mimetic", "megatron"}
        Initial weights of the blocks: attention to like tokens (`Attention.initialise`), or all matrices normal with
        deviation 0.02, cut at three deviations (REVE, section 3.2).
    fused : FusedConfig, optional
        Makes it a fused encoder (`biosig.models.fused`): `depth` counts its convolutions too; `head_dim`, `position`,
        `block`, `patches`, `text`, `cls` and `initialisation` have no effect then. None = a token for each channel.
    """

    embed_dim: int
    depth: int
    num_heads: int
    head_dim: int
    contract: dict[str, InputContract]
    mlp_ratio: float = 8 / 3
    position: BodyCode | ReveCode | LeadCode = field(default_factory=BodyCode)
    final_norm: bool = True
    block: BlockStyle = field(default_factory=BlockStyle)
    patches: Literal["linear", "normed"] = "linear"
    text: TextConfig | None = None
    cls: bool = False
    initialisation: Literal["mimetic", "megatron"] = "mimetic"
    fused: FusedConfig | None = None
    name: str = field(default="custom")

    def __post_init__(self) -> None:
        unknown = set(self.contract) - set(MODALITY_IDS)
        if unknown:
            raise UsageError(
                f"No embedding exists for modality {', '.join(sorted(unknown))}; there are {', '.join(MODALITY_IDS)}."
            )
        if self.fused is not None and (self.text is not None or self.cls):
            raise UsageError(f"The fused encoder '{self.name}' has no text and no token per window: leave them out.")
        if isinstance(self.position, ReveCode) and len(self.contract) != 1:
            raise UsageError(
                f"REVE's position code does not tell modalities apart: the contract has {', '.join(self.contract)}, "
                f"leave one, or choose position.name body."
            )

    @property
    def has_tokens(self) -> bool:
        """True if there are tokens for readouts of all tokens."""
        return True

    @property
    def has_query(self) -> bool:
        """True if the encoder pools with a query of its own."""
        return not self.cls

    @classmethod
    def upgrade(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Accept position codes with `kind` in place of `name`, as 0.1.0 wrote them."""
        position = values.get("position")
        if isinstance(position, Mapping) and "kind" in position:
            code = {key: value for key, value in position.items() if key != "kind"}
            values["position"] = {"name": position["kind"], **code}
        return values
