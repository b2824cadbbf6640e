"""Base of terms that rebuild hidden patches twice: by a decoder, and from the pooled token.

So are hidden words, as a choice among the vocabulary. A term defines the prediction (`RebuildingTerm.predict`); the
losses are here.

Shape letters: N tokens of the packed row, K hidden tokens, W words of the vocabulary.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from biosig.batches.packed import MODALITY_IDS
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.reconstruction import RebuildingConfig
from biosig.pretrain.objectives.views import Views


class RebuildingTerm(Term):
    """Error over hidden patches, cross-entropy over hidden words, and the same from the pooled token.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : RebuildingConfig
        Weights of the reconstruction from the pooled token, and of the words.
    """

    config: RebuildingConfig

    distance = staticmethod(torch.abs)
    """Of a sample from its true value."""

    @abstractmethod
    def predict(self, views: Views) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches {modality: (K_m, P_m)} as rebuilt by the decoder, and as rebuilt from the pooled token.

        Hidden words are {"text": (K_text, W)} logits, where the model reads text.
        """

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its parts.

        Returns
        -------
        loss : Tensor
            Scalar.
        logged : dict of str to scalar Tensor
            "loss_ecg", … the mean error of each modality present; "mean_predictor_ecg", … the same error of predicting
            each channel's mean, which is what a model must beat; "loss_text", the mean cross-entropy of the hidden
            words in nats; "loss_global".
        """
        batch, mask = views.batch, views.mask
        predicted, from_pool = self.predict(views)
        hidden = {m: patches[mask[batch.modality == MODALITY_IDS[m]]] for m, patches in batch.patches.items()}
        if len(batch.text_ids):
            hidden["text"] = batch.text_ids[mask[batch.modality == MODALITY_IDS["text"]]]
        hidden = {m: truth for m, truth in hidden.items() if len(truth)}
        parts = self._errors(predicted, hidden)
        loss_global = self._total(self._errors(from_pool, hidden))
        loss = self._total(parts) + self.config.global_weight * loss_global
        return loss, {
            **{f"loss_{m}": part.detach().mean() for m, part in parts.items()},
            **{f"mean_predictor_{m}": self.distance(x).mean() for m, x in hidden.items() if m != "text"},
            "loss_global": loss_global.detach(),
        }

    def _errors(self, predicted: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The error of each hidden token, {modality: (K_m,)}."""
        return {
            m: F.cross_entropy(predicted[m].float(), truth, reduction="none")
            if m == "text"
            else self.distance(predicted[m] - truth).mean(dim=1)
            for m, truth in hidden.items()
        }

    def _total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """One number: every hidden patch counts alike, and so does every hidden word."""
        signals = [part for m, part in parts.items() if m != "text"]
        total = torch.cat(signals).mean() if signals else torch.zeros((), device=next(self.parameters()).device)
        return total + self.config.text_weight * parts["text"].mean() if "text" in parts else total

    @torch.inference_mode()
    def reconstruct(self, views: Views) -> dict[str, Tensor]:
        """The packed patches {modality: (N_m, P_m)} with the hidden ones replaced by their reconstruction."""
        batch, mask = views.batch, views.mask
        predicted, _ = self.predict(views)
        out = {m: patches.clone() for m, patches in batch.patches.items()}
        for m, patches in out.items():
            patches[mask[batch.modality == MODALITY_IDS[m]]] = predicted[m].to(patches.dtype)
        return out
