"""What every adapter promises of a recording, before a shard and after it, whoever registered the adapter."""

import re
from pathlib import Path

import numpy as np

import biosig
from biosig import samples
from biosig.content_hash import content_hash
from biosig.electrodes import channel_id
from biosig.reading import ADAPTERS, adapter_for, adapters, read
from biosig.recording import KINDS, MODALITIES, is_known
from biosig.signal import canonical_unit, check_plausible
from ingest.cli.ingest import ingest


def check(name, path, values, exact, out):
    """The adapter claims the file, alone, and reads what another reader reads, in memory, lazily and into a shard.

    `values` are every channel's name in the file and values in our unit, in the file's order; `exact` whether the
    adapter keeps the file's own integers; `out` is a folder for the shard.
    """
    known = adapters()
    assert ADAPTERS[name].name == known[name].name == name
    assert known[name].describes
    assert adapter_for(path).name == name
    for file in (path, *filter(Path.is_file, samples.path("").rglob("*"))):
        claimed = [other for other, adapter in known.items() if claims(adapter, file)]
        assert len(claimed) < 2, f"{file.name} is claimed by {claimed}"
    for absent in (path.with_name("absent" + path.suffix), path.parent / "no folder" / path.name):
        assert claims(known[name], absent) in (True, False)
    recording = read(path)
    assert (recording.source.path, recording.source.adapter) == (str(path), name)
    assert repr(recording).startswith(f"<Recording {recording.id}: ")
    assert repr(recording) == repr(read(path))
    check_channels(recording)
    check_annotations(recording)
    check_values(recording, values, exact)
    check_hashes(recording, read(path))
    check_lazy(recording, read(path, lazy=True))
    assert ingest((path,), out=out, workers=1, recording_names="keep") == 0
    (stored,) = biosig.open_shards(out)
    check_same(recording, stored.read())


def claims(adapter, path):
    return adapter.claims_folder(path) if path.is_dir() else adapter.claims(path)


def check_channels(recording):
    assert len(set(recording.ch_names)) == len(recording.ch_names)
    notes = " ".join(recording.notes)
    for channel in recording.channels:
        assert channel.kind in KINDS
        assert channel.unit == (canonical_unit(channel.kind) or channel.unit)
        if channel.kind in MODALITIES and repr(channel.source_name) not in notes:
            assert is_known(channel.position), channel
            assert channel.position_source in ("template", "measured")
            assert channel_id(channel) >= 0 or re.fullmatch(r"\w+-\w+", channel.name), channel
    for kind in set(recording.kinds) & set(MODALITIES):
        assert any(is_known(c.position) for c in recording.channels if c.kind == kind)
        for stream in recording.of_kind(kind):
            check_plausible(stream.physical(), kind, stream.channels[0].unit, recording.source.path)


def check_annotations(recording):
    onsets = [a.onset for a in recording.annotations]
    assert onsets == sorted(onsets)
    for annotation in recording.annotations:
        assert 0 <= annotation.onset < recording.duration
        assert 0 <= annotation.duration <= recording.duration - annotation.onset + 1e-9
        assert annotation.label


def check_values(recording, truth, exact):
    """Against another reader of the format; exact numbers have one last digit of a double to lose."""
    assert sorted(c.source_name for c in recording.channels) == sorted(name for name, _ in truth)
    for stream in recording.streams:
        assert (stream.samples.dtype.kind == "i") == exact
        values = stream.samples.astype(np.float64) * stream.scale[:, None] + stream.offset[:, None]
        for row, (channel, valid) in enumerate(zip(stream.channels, stream.valid(), strict=True)):
            (expected,) = (x for name, x in truth if name == channel.source_name and len(x) == stream.n_times)
            np.testing.assert_array_equal(valid, np.isfinite(expected))
            np.testing.assert_allclose(values[row][valid], expected[valid], rtol=1e-12 if exact else 1e-6, atol=1e-9)


def check_hashes(recording, again):
    assert len(recording.content_hash) == len(recording.source.sha256) == 64
    assert recording.content_hash == again.content_hash == content_hash(recording.streams)
    assert recording.source.sha256 == again.source.sha256
    stream = again.streams[0]
    stream.samples = stream.samples.copy()
    stream.samples[0, stream.n_times // 2] += 1
    assert content_hash(again.streams) != recording.content_hash


def check_lazy(recording, lazy):
    """Samples left in their file are the same to the bit, as a whole, in blocks and in a part."""
    assert (lazy.content_hash, lazy.source, lazy.annotations) == (
        recording.content_hash,
        recording.source,
        recording.annotations,
    )
    assert (lazy.notes, lazy.subject) == (recording.notes, recording.subject)
    onset, duration = 0.37 * recording.duration, 0.21 * recording.duration
    pairs = [(lazy, recording), (lazy.load(), recording), (lazy.crop(onset, duration), recording.crop(onset, duration))]
    for some, other in pairs:
        for a, b in zip(some.streams, other.streams, strict=True):
            assert (a.samples.shape, a.samples.dtype) == (b.samples.shape, b.samples.dtype)
            blocks = [block.samples for block in a.blocks(100_000)]
            np.testing.assert_array_equal(np.concatenate(blocks, axis=1), b.samples)
            np.testing.assert_array_equal(a.invalid, b.invalid)
            np.testing.assert_array_equal(a.pick([a.n_chans - 1]).samples[:, 3:50], b.samples[-1:, 3:50])


def check_same(recording, back):
    """A native shard gives back everything to the bit."""
    assert (back.id, back.annotations, back.report) == (recording.id, recording.annotations, recording.report)
    assert back.content_hash == recording.content_hash == content_hash(back.streams)
    assert set(back.robust_scale) >= set(recording.kinds) & set(MODALITIES)
    assert back.history == recording.history
    for old, new in zip(recording.streams, back.streams, strict=True):
        assert (old.samples.dtype, old.sfreq, old.onset) == (new.samples.dtype, new.sfreq, new.onset)
        assert repr(old.channels) == repr(new.channels)  # a NaN does not equal itself
        for part in ("samples", "scale", "offset", "invalid"):
            np.testing.assert_array_equal(getattr(old, part), getattr(new, part))
