"""Random weights by CSFM's names, and the network that they mean, in float64 and one matrix product after another.

Both follow the description (Gu et al. 2025, arXiv:2507.01045, and the key layout of its public code), and nothing here
is of the package: a mistake there cannot be repeated here.
"""

import numpy as np
import torch
from scipy.special import erf

HEAD_DIM = 64
CHANNELS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "PPG"]


def random_state(dim, depth, heads, hidden, n_words=30522, n_tokens=64, n_patches=100, seed=0):
    """A state dict as large as one of CSFM's, in which every part of the network matters to the output."""
    draw = np.random.default_rng(seed)
    inner = heads * HEAD_DIM

    def normal(*shape, std=1.0):
        return torch.from_numpy(draw.normal(scale=std, size=shape).astype(np.float32))

    def linear(key, rows, columns, bias=True, gain=1.0):
        made = {f"{key}.weight": normal(rows, columns, std=gain * columns**-0.5)}
        return made | ({f"{key}.bias": normal(rows, std=0.2)} if bias else {})

    def norm(key, size):
        return {f"{key}.weight": 1 + normal(size, std=0.2), f"{key}.bias": normal(size, std=0.2)}

    state = {
        "cls_token": normal(1, 1, dim),
        "ts_channel_type_embedding": normal(1, len(CHANNELS), dim),
        "text_type_embedding": normal(1, 1, dim),
        "ts_pos_embedding": normal(1, n_patches, dim),
        "text_pos_embedding": normal(1, n_tokens, dim),
        **norm("ts_to_patch_embedding.1", 25),
        **linear("ts_to_patch_embedding.2", dim, 25),
        **norm("ts_to_patch_embedding.3", dim),
        "text_to_embedding.0.weight": normal(n_words, dim),
        **norm("text_to_embedding.1", dim),
        **norm("transformer.norm", dim),
    }
    for i in range(depth):
        attention, mlp = f"transformer.layers.{i}.0", f"transformer.layers.{i}.1.net"
        state |= norm(f"{attention}.norm", dim)
        state |= linear(f"{attention}.to_qkv", 3 * inner, dim, bias=False, gain=1.5)
        state |= linear(f"{attention}.to_out.0", dim, inner)
        state |= norm(f"{mlp}.0", dim) | linear(f"{mlp}.1", hidden, dim) | linear(f"{mlp}.4", dim, hidden)
    return {f"encoder.{key}": tensor for key, tensor in state.items()}


def forward(state, signals, channels, text=None):
    """Signals (B, C, T) of channels numbered as in `CHANNELS`, word ids (B, L) → all tokens (B, 1 + C · H + L, D).

    The first is the CLS, signals follow channel by channel, then the text.
    """
    w = {key.removeprefix("encoder."): tensor.double().numpy() for key, tensor in state.items()}
    patches = np.asarray(signals, np.float64).reshape(len(signals), len(channels), -1, 25)  # (B, C, H, 25)
    tokens = layer_norm(patches, w, "ts_to_patch_embedding.1")
    tokens = layer_norm(linear(tokens, w, "ts_to_patch_embedding.2"), w, "ts_to_patch_embedding.3")  # (B, C, H, D)
    tokens = tokens + w["ts_channel_type_embedding"][0][channels][None, :, None]
    tokens = tokens + w["ts_pos_embedding"][0][: patches.shape[2]][None, None]
    dim = tokens.shape[-1]
    row = [np.broadcast_to(w["cls_token"], (len(signals), 1, dim)), tokens.reshape(len(signals), -1, dim)]
    if text is not None:
        words = layer_norm(w["text_to_embedding.0.weight"][np.asarray(text)], w, "text_to_embedding.1")  # (B, L, D)
        row.append(words + w["text_pos_embedding"][:, : words.shape[1]] + w["text_type_embedding"])
    x = np.concatenate(row, axis=1)
    depth = len({key.split(".")[2] for key in w if key.startswith("transformer.layers.")})
    for i in range(depth):
        x = x + attention(x, w, f"transformer.layers.{i}.0")
        x = x + feed_forward(x, w, f"transformer.layers.{i}.1.net")
    return layer_norm(x, w, "transformer.norm")


def linear(x, w, key):
    return x @ w[f"{key}.weight"].T + w.get(f"{key}.bias", 0.0)


def layer_norm(x, w, key):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{key}.weight"] + w[f"{key}.bias"]


def attention(x, w, key):
    n_windows, length, _ = x.shape
    qkv = linear(layer_norm(x, w, f"{key}.norm"), w, f"{key}.to_qkv")
    q, k, v = (
        part.reshape(n_windows, length, -1, HEAD_DIM).transpose(0, 2, 1, 3) for part in np.split(qkv, 3, axis=-1)
    )  # each (B, heads, L, 64)
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(HEAD_DIM)  # (B, heads, L, L)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = weights / weights.sum(-1, keepdims=True) @ v
    return linear(mixed.transpose(0, 2, 1, 3).reshape(n_windows, length, -1), w, f"{key}.to_out.0")


def feed_forward(x, w, key):
    h = linear(layer_norm(x, w, f"{key}.0"), w, f"{key}.1")
    return linear(h * (1 + erf(h / np.sqrt(2))) / 2, w, f"{key}.4")
