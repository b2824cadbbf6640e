"""The fused encoder: a token stands for all channels of a modality over one short block of time.

Per-channel presets give every channel of every block a token of its own. Here channels are mixed first, into a fixed
number of virtual channels with weights that are computed from where the electrodes are, so any leads, montages and
orders work, and there are as many tokens for 64 channels as for one. One idea a file:

- `config`: what a preset chooses;
- `grid`: from the rows of a `PackedBatch` (patches: one channel, one block) to the tokens made of them;
- `signals`: the patches of a modality as dense arrays, windows of equal layout together, hidden ones without weight;
- `mixing`: channels to virtual channels;
- `conv`, `spectrum`, `rates`, `stem`: virtual channels to tokens;
- `layout`, `blocks`: convolutions and attention over tokens;
- `encoder`: all of it, behind the interface of `biosig.models.encoder.Encoder`.

Interface
---------
`make_encoder(config)` of `biosig.models.build` gives either kind. Both have:

``token_batch(batch)``
    Facts beside the tokens: the batch itself for per-channel presets; for fused ones a PackedBatch with a row per
    token (window, modality, patch_index, time, valid). Who lays a column of a batch beside tokens takes it from here.
``embed(batch, hidden=None, causal=False)``
    Tokens before the first block (N, D) and their position code (N, D), N rows of ``token_batch(batch)``. `hidden` (P,)
    are rows of `batch`, patches: their samples weigh nothing, as if they were missing. A token all of whose valid
    patches are hidden becomes a learned mask vector (``token_hidden`` tells which). With `causal` the stem does not
    look ahead.
``visible_tokens(batch, hidden=None, causal=False)``
    Tokens that go through the blocks: ``rows`` (M,) of the token batch, ``lengths`` (what a block takes beside the
    tokens), ``windows``. Per-channel presets leave hidden tokens out; fused ones keep them, as mask vectors. With
    `causal` no block looks ahead.
``enter(tokens, visible)``, ``blocks``, ``norm``, ``hidden_states``, ``encode``, ``layers``, ``pool``, ``for_inference``
    As in `Encoder`.
``token_hidden(batch, hidden)``, ``token_of(batch)``
    (N,) bool: tokens of which the encoder sees no sample; (P,) the token that each patch is part of.
``local(embedded)``
    (N, D): of the output of ``embed``, the tokens without the code of place and time.
"""
