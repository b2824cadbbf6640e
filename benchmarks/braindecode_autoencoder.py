"""REVE's masked autoencoder put together from braindecode's blocks: what our training step is measured against.

The published objective (arXiv:2510.21585, section 3.3) in the layout that braindecode's modules have: windows of equal
length side by side, and as many hidden tokens in each.

Shape letters: B windows, C channels, H patches, D embed_dim, K hidden tokens of all windows.
"""

from __future__ import annotations

import torch
from braindecode.models import REVE
from braindecode.models.reve import FourierEmb4D, TransformerBackbone
from torch import Tensor, nn

from biosig.pretrain.objectives.reve import ReveReconstruction


class Autoencoder(nn.Module):
    """Encoder, decoder of four blocks, and the pooled token over all layers, with the weights of `ours`."""

    def __init__(self, encoder: REVE, ours: ReveReconstruction) -> None:
        super().__init__()
        dim = encoder.embed_dim
        self.encoder = encoder
        self.mask_token = nn.Parameter(ours.decoder.mask_token.detach().clone())
        self.decoder = TransformerBackbone(dim, len(ours.decoder.blocks), 8, dim // 8, int(dim * 2.66), geglu=True)
        self.to_pixels = nn.Linear(dim, 200)
        self.pooled_to_pixels = nn.Sequential(nn.Linear(dim, 4 * dim, bias=False), nn.ReLU(), nn.Linear(4 * dim, 200))
        self.to_pixels.load_state_dict(ours.heads.project["eeg"].state_dict())
        self.pooled_to_pixels[0].load_state_dict(ours.global_mlp[0].state_dict())
        self.pooled_to_pixels[2].load_state_dict(ours.global_heads.project["eeg"].state_dict())
        for (attention, mlp), block in zip(self.decoder.layers, ours.decoder.blocks, strict=True):
            attention.norm.load_state_dict(block.attention_norm.state_dict())
            attention.to_qkv.load_state_dict(block.attention.qkv.state_dict())
            attention.to_out.load_state_dict(block.attention.out.state_dict())
            mlp.net[0].load_state_dict(block.mlp_norm.state_dict())
            mlp.net[1].load_state_dict(block.mlp.expand.state_dict())
            mlp.net[3].load_state_dict(block.mlp.contract.state_dict())

    def forward(self, signals: Tensor, positions: Tensor, hidden: Tensor) -> Tensor:
        """Signals (B, C, T), positions (B, C, 3), hidden (B, C · H) bool → the loss."""
        encoder = self.encoder
        patches = signals.unfold(2, 200, 180)  # (B, C, H, 200)
        places = FourierEmb4D.add_time_patch(positions, patches.shape[2])  # (B, C · H, 4)
        code = encoder.ln(encoder.fourier4d(places) + encoder.mlp4d(places))  # (B, C · H, D)
        patches = patches.flatten(1, 2)
        tokens = encoder.to_patch_embedding(patches) + code
        layers = encoder.transformer(tokens[~hidden].unflatten(0, (len(signals), -1)), True)
        full = self.mask_token.repeat(*hidden.shape, 1)  # (B, C · H, D)
        full[~hidden] = layers[-1].flatten(0, 1).to(full.dtype)
        predicted = self.to_pixels(self.decoder(full + code)[hidden])  # (K, 200)
        pooled = encoder._attention_pooling(torch.cat(layers, dim=1)[:, None])  # (B, D)
        from_pool = self.pooled_to_pixels((pooled[:, None] + code)[hidden])  # (K, 200)
        truth = patches[hidden]
        return (predicted - truth).abs().mean() + 0.1 * (from_pool - truth).abs().mean()
