"""Models with the networks of `biosig.models.zoo`: behind the door of wrapped modules, but written to a folder."""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biosig import __version__, config
from biosig.batches.input_contract import OnUnknown, with_unknown
from biosig.batches.stepped import SteppedContract, describe_steps
from biosig.batches.steps.reject import Reject
from biosig.errors import UsageError
from biosig.file_sums import checked, write_guarded
from biosig.models import checkpoint
from biosig.models.encoder import Encoder as OwnEncoder
from biosig.models.model import Model
from biosig.models.text import Tokenizer
from biosig.models.wrap import WrappedModel
from biosig.models.wrapped_encoder import WrappedConfig, WrappedEncoder
from biosig.models.zoo import ENCODERS, Encoder, Network
from biosig.tensor_files import load_state, read_tensors, write_tensors
from biosig.training.seeding import seeded


class ZooEncoder(WrappedEncoder):
    """A network of the zoo behind the interface of an encoder: tokens, and each window's own vector."""

    module: Network

    def __init__(self, sizes: Encoder) -> None:
        network = sizes.build().eval()
        contract = sizes.contract()
        ((_, wanted),) = contract.items()
        with torch.no_grad():
            channels = list(range(len(wanted.ch_names)))[: 2 if wanted.missing == "subset" else None]
            tokens, vector = network(torch.zeros(1, len(channels), wanted.patch_size), channels)
        self.both = tokens.shape[-1] == vector.shape[-1]
        width = vector.shape[-1]
        super().__init__(network, WrappedConfig(sizes.model_name, width, dict(contract), self.both, has_vector=True))
        self.sizes = sizes

    def with_unknown(self, on_unknown: OnUnknown | None) -> ZooEncoder:
        """The same network under a contract with another policy for channels without a learned place."""
        if on_unknown is None:
            return self
        encoder = copy.copy(self)
        encoder.config = replace(self.config, contract=dict(with_unknown(self.config.contract, on_unknown)))
        return encoder

    def _run(self, signal: Tensor, channels: list[int]) -> tuple[Tensor, Tensor | None]:
        """Tokens (b, N, F), of which the mean is a readout too, and the vector that the makers probe (b, F)."""
        tokens, vectors = self.module(signal, channels)
        return (tokens if self.both else vectors[:, None]), vectors


class LicenceWarning(UserWarning):
    """The licence of weights forbids something that a user may be about to do."""


class ZooModel(WrappedModel):
    """A public encoder: as a wrapped module in use, saved to and loaded from a folder as our own models are.

    Parameters
    ----------
    encoder : ZooEncoder
        The network.
    trained : bool
        False for random weights.
    card : str
        The model card.
    folder : Path, optional
        Folder that it was loaded from.
    """

    is_kept = True

    encoder: ZooEncoder

    def __init__(self, encoder: ZooEncoder, trained: bool, card: str = "", folder: Path | None = None) -> None:
        super().__init__(encoder, trained, None, None)  # type: ignore[arg-type]
        self.card, self.folder = card or card_of(encoder.sizes, trained), folder
        about = encoder.sizes.about
        self.trained_on, self.licence = (about.trained_on, about.licence) if trained else ((), "")
        if trained and about.restricted:
            warnings.warn(f"Licence of {about.title}: {about.restricted}", LicenceWarning, stacklevel=2)

    @property
    def no_ledger(self) -> str:  # type: ignore[override]
        """Sentence on the people that the weights have seen: the databases that the makers name."""
        about = self.encoder.sizes.about
        return (
            f"The makers of {about.title} say that it was trained on {', '.join(about.trained_on) or 'nothing named'}; "
            "whether people on trial are among them is unknown."
        )

    @property
    def refused_windows(self) -> str:
        """Likely causes of a window without a vector, and the remedy."""
        ((_, wanted),) = self.encoder.sizes.contract().items()
        thrown = [step.describe() for step in wanted.steps if isinstance(step, Reject)]
        return (
            f"misses samples, or a channel in it does not move{''.join(f' ({step})' for step in thrown)}, and "
            f"model '{self.name}' saw no such windows in its training: leave it out"
            f"{', or read it all the same by model.with_options(largest=inf)' if thrown else ''}."
        )

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change with any weight, the network's sizes and the contract."""
        sizes = self.encoder.sizes
        facts = {
            checkpoint.PUBLIC: config.to_dict(sizes),
            "trained": self.trained,
            "contract": config.to_dict(sizes.contract()),
        }
        return checkpoint.revision_of(json.dumps(facts), self.encoder.module)

    @property
    def lacks_twin(self) -> None:
        """None: there is a model with random weights."""
        return None

    def with_random_weights(self, seed: int) -> ZooModel:
        """The same network and contract, never trained."""
        return random_model(self.encoder.sizes, seed).to(self.device)  # type: ignore[return-value]

    def with_unknown(self, on_unknown: OnUnknown | None) -> ZooModel:
        """The same weights under a contract with another policy for channels without a learned place."""
        encoder = self.encoder.with_unknown(on_unknown)
        return self if encoder is self.encoder else ZooModel(encoder, self.trained, self.card, self.folder)

    def with_options(self, **options: Any) -> ZooModel:
        """The same weights under other options of the family's dataclass, such as CBraMod's `largest`.

        Raises
        ------
        UsageError
            If the family has no such option, or it is a size of the network.
        """
        here = self.encoder.sizes
        known = config.to_dict(here).keys() - {"name"}
        if unknown := sorted(options.keys() - known):
            raise UsageError(
                f"{here.about.title} has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}."
            )
        with torch.random.fork_rng(devices=[]):  # the random first weights are overwritten
            encoder = ZooEncoder(replace(here, **options))  # type: ignore[type-var]
        wanted, state = encoder.module.state_dict(), self.encoder.module.state_dict()
        if {k: v.shape for k, v in wanted.items()} != {k: v.shape for k, v in state.items()}:
            raise UsageError(f"{', '.join(options)} is a size of the network, which has its weights already: leave it.")
        encoder.module.load_state_dict(state)
        listed = ", ".join(f"{name} = {value}" for name, value in options.items())
        card = f"{self.card}\nUsed with {listed}, and not as its makers trained it.\n"
        return ZooModel(encoder, self.trained, card, self.folder).to(self.device)  # type: ignore[return-value]

    def save(self, folder: str | Path) -> Path:
        """Write `model.safetensors`, `config.json` and `README.md`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {key: value.detach().cpu().contiguous() for key, value in self.encoder.module.state_dict().items()}
        write_tensors(state, folder / checkpoint.WEIGHTS)
        write_guarded(folder / checkpoint.CARD, self.card)
        content = {"format": checkpoint.FORMAT, "biosig": __version__, "trained": self.trained}
        content[checkpoint.PUBLIC] = config.to_dict(self.encoder.sizes)
        write_guarded(folder / checkpoint.CONFIG, json.dumps(content, indent=2) + "\n")
        return folder


def model_with(
    encoder: OwnEncoder | ZooEncoder,
    trained: bool,
    card: str = "",
    folder: Path | None = None,
    tokenizer: Tokenizer | None = None,
) -> Model:
    """A model of either sort of encoder."""
    if isinstance(encoder, ZooEncoder):
        return ZooModel(encoder, trained, card, folder)
    return Model(encoder, trained, card, folder, tokenizer)


def random_model(sizes: Encoder, seed: int = 0) -> ZooModel:
    """A network with random weights; the caller's random state is left as it was."""
    with seeded(seed):
        return ZooModel(ZooEncoder(sizes), trained=False)


def load(folder: Path, content: dict[str, Any]) -> ZooModel:
    """Read a folder that `ZooModel.save` wrote, of whose `config.json` the content is given.

    Raises
    ------
    UsageError
        If the family is not known here.
    DataError
        If the weights are damaged or do not fit.
    """
    values = content[checkpoint.PUBLIC]
    family = str(values.get("name")) if isinstance(values, dict) else ""
    if family not in ENCODERS:
        raise UsageError(f"{folder} holds a model of the family {family!r}; known are {', '.join(ENCODERS)}.")
    with torch.random.fork_rng(devices=[]):  # the random first weights are overwritten
        encoder = ZooEncoder(config.load(ENCODERS[family], values))
    weights = folder / checkpoint.WEIGHTS
    load_state(encoder.module, read_tensors(weights), where=str(weights))
    path = folder / checkpoint.CARD
    with checked(path):
        card = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return ZooModel(encoder, bool(content.get("trained", False)), card, folder)


def card_of(sizes: Encoder, trained: bool) -> str:
    """A model card: licence first, then input contract and the known facts on its training."""
    about, lines = sizes.about, []
    for modality, wanted in sizes.contract().items():
        lines += [
            f"- Input: {modality.upper()}, {wanted.sfreq:g} Hz, {wanted.unit or 'any unit'}, {length_text(wanted)}; "
            f"channels {', '.join(wanted.ch_names[:20])}{' …' if len(wanted.ch_names) > 20 else ''}; a missing one: "
            f"{wanted.missing}.",
            f"- Steps: {describe_steps(wanted.steps)}.",
            *(
                ["- Its norms run over all channels and seconds of a window: a bad channel changes every token."]
                if wanted.coupled
                else []
            ),
        ]
    return "\n".join(
        [
            f"# {sizes.model_name}",
            "",
            f"{about.title}, in a network written anew for Biosig. "
            f"{'Trained weights of its makers.' if trained else 'Random weights: never trained.'}",
            "",
            f"- Licence of the weights: {about.licence}.{' ' + about.restricted if about.restricted else ''}",
            f"- Weights: {about.where}. Code that was read: {about.code}.",
            f"- Trained on, as its makers say: {', '.join(about.trained_on) or 'not said'}.",
            f"- Cannot: {about.cannot}.",
            *lines,
            "",
            "For research, not a medical device. Embeddings can identify a subject: treat them as personal data.",
            "",
        ]
    )


def length_text(wanted: SteppedContract) -> str:
    """The windows' length, for tables: "10 s", "1–16 s"."""
    if not wanted.any_length:
        return f"{wanted.patch_seconds:g} s"
    if wanted.longest == float("inf"):
        return f"any multiple of {wanted.patch_seconds:g} s"
    return f"{wanted.patch_seconds:g}–{wanted.longest:g} s"
