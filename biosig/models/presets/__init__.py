"""Presets: named sizes of the one encoder, each with its input contract. A file here registers one family.

Another package adds a preset through the entry-point group ``biosig.presets``. Listing presets needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from biosig.models.config import EncoderConfig
from biosig.registry import Registry


@dataclass(frozen=True)
class Preset:
    """A configuration of the encoder under a name that `build_model` and every configuration take.

    Parameters
    ----------
    config : EncoderConfig
        The encoder; its `name` is the preset's.
    n_parameters : int, optional
        Number of parameters as published, which the built encoder must have.
    tokenizer : bool
        Whether texts are cut into words by the tokenizer that ships with Biosig.
    """

    config: EncoderConfig
    n_parameters: int | None = None
    tokenizer: bool = False

    @property
    def name(self) -> str:
        """The preset's name."""
        return self.config.name


PRESETS: Registry[Preset] = Registry("preset", "biosig.presets", __name__)


def preset(name: str) -> EncoderConfig:
    """The configuration of a preset.

    Raises
    ------
    UsageError
        If there is none of that name; the sentence lists those that exist.
    """
    return PRESETS[name].config
