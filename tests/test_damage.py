"""Random bytes of everything that Biosig keeps are flipped: each flip is named, or changes nothing that is read."""

import hashlib
import os
import random
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.results.result_folder import open_result
from biosig.embedding import as_windows, embed_to_file
from biosig.errors import BiosigError
from biosig.evaluate.ledger import Ledger
from biosig.file_sums import SUMS
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

N_FLIPS = int(os.environ.get("BIOSIG_FLIPS", "2000"))
"""Of the slow test; the fast one takes a hundredth."""


class _Stop(BaseException):
    """As abrupt as Ctrl-C."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory, tiny):
    """One folder of each kind: shards, a checkpoint with a ledger, a run, parts of an embedding, and a result."""
    folder = tmp_path_factory.mktemp("kept")
    shards = folder / "shards"
    shards.mkdir()
    with ShardWriter(shards / "00000.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:8]):
            subject = biosig.Subject(f"p{number}", sex=("male", "female")[number % 2])
            recording = biosig.read(path)
            writer.add(replace(recording, subject=subject, labels={"half": ("even", "odd")[number % 2]}))
    build_index(shards)
    run = PretrainConfig(
        out=folder / "run",
        sources=[SourceConfig(shards)],
        model="biosig-tiny",
        steps=2,
        batch_tokens=900,
        precision="float32",
        device="cpu",
    )
    shutil.move(pretrain(run), folder / "checkpoint")
    shutil.rmtree(folder / "run")
    with pytest.raises(_Stop):
        pretrain(replace(run, steps=3, checkpoint_every=1), _stop_at(2, 1))
    configuration.dump(replace(run, steps=3, checkpoint_every=1), folder / "run.yaml")
    with pytest.raises(_Stop), pytest.MonkeyPatch.context() as patch:  # noqa: PT012
        patch.setattr("biosig.embedding_file.PART_WINDOWS", 2)
        _embed(tiny, folder, _stop_at(6, 1))
    values = {
        "model": "biosig-tiny",
        "shards": str(shards),
        "target": {"label": "half", "classes": {"even": ["even"], "odd": ["odd"]}},
        "windows": {"length": 5.0},
        "split": {"folds": 2, "validation": 0.34},
        "baselines": ["chance"],
        "n_bootstrap": 100,
        "out": str(folder / "result"),
    }
    run_probe(configuration.load(ProbeConfig, values))
    return folder


def _stop_at(number, place):
    def progress(*what):
        if what[place] >= number:
            raise _Stop

    return progress


def _embed(tiny, folder, progress=None):
    windows = as_windows(folder / "shards", 5.0)
    return embed_to_file(tiny, windows, folder / "e.parquet", batch_tokens=500, progress=progress)


def _of_shards(folder, tiny):
    for stored in biosig.open_shards(folder / "shards"):
        recording = stored.read()
        yield repr((recording.id, recording.subject, recording.labels, recording.annotations, recording.ch_names))
        for stream in recording.streams:
            yield stream.physical().tobytes()
    yield biosig.open_shards(folder / "shards").to_pandas().to_json()


def _of_checkpoint(folder, tiny):
    model = biosig.load_model(folder / "checkpoint")
    yield from (tensor.numpy().tobytes() for tensor in model.encoder.state_dict().values())
    yield repr(model.config) + model.card
    ledger = Ledger.load(folder / "checkpoint")
    for digests in (ledger.recordings, ledger.subjects):
        yield from (array.tobytes() for array in digests.to_arrays("x").values())


def _of_run(folder, tiny):
    run = configuration.load(PretrainConfig, folder / "run.yaml")
    model = pretrain(replace(run, out=folder / "run"))
    yield from (tensor.numpy().tobytes() for tensor in biosig.load_model(model).encoder.state_dict().values())


def _of_parts(folder, tiny):
    table = pq.read_table(_embed(tiny, folder))
    yield np.stack(table["vector"].to_pylist()).tobytes()
    yield table.drop(["vector"]).to_pandas().to_json()


def _of_result(folder, tiny):
    result = open_result(folder / "result")
    yield repr((result.metrics, result.splits, result.config, result.environment))
    yield result.predictions.to_json(double_precision=15) + result.recordings.to_json()


READERS = {
    "shards": _of_shards,
    "checkpoint": _of_checkpoint,
    "run": _of_run,
    "e.parquet.parts": _of_parts,
    "result": _of_result,
}
NOT_READ = (".html", ".csv", ".jsonl", ".png", ".svg")


def _observed(kind, folder, tiny):
    """A digest of what is read, or None after an error; and all that was told."""
    digest = hashlib.sha256()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for item in READERS[kind](folder, tiny):
                digest.update(item if isinstance(item, bytes) else item.encode())
            value, message = digest.hexdigest(), ""
        except BiosigError as error:
            value, message = None, str(error)
    return value, " ".join([message, *(str(warning.message) for warning in caught)])


def _flip(kept, folder, tiny, luck, sound):
    kind = luck.choice(list(READERS))
    shutil.copytree(kept, folder)
    files = [p for p in (folder / kind).rglob("*") if p.is_file() and p.stat().st_size and p.suffix not in NOT_READ]
    files = [p for p in files if "tensorboard" not in str(p) and "plots" not in str(p)]
    path = luck.choice(sorted(files))
    content = bytearray(path.read_bytes())
    at = luck.randrange(len(content))
    content[at] ^= 1 << luck.randrange(8)
    path.write_bytes(content)
    value, message = _observed(kind, folder, tiny)
    name = path.name.removesuffix(".sha256")
    assert name in message or value == sound[kind], f"byte {at} of {path.relative_to(folder)}: {message or 'no word'}"
    if value is not None and path.name in (SUMS,) and kind != "result":
        assert value == sound[kind]
    shutil.rmtree(folder)
    return name in message


@pytest.fixture(scope="module")
def sound(kept, tiny, tmp_path_factory):
    """What is read where nothing is flipped."""
    folder = shutil.copytree(kept, tmp_path_factory.mktemp("sound") / "kept")
    observed = {kind: _observed(kind, folder, tiny) for kind in READERS}
    assert None not in [value for value, _ in observed.values()], observed
    return {kind: value for kind, (value, _) in observed.items()}


@pytest.mark.parametrize("n_flips", [N_FLIPS // 100, pytest.param(N_FLIPS, marks=pytest.mark.slow)])
def test_every_flipped_byte_is_named_or_changes_nothing(kept, sound, tiny, tmp_path, n_flips):
    luck = random.Random(n_flips)
    n_named = sum(_flip(kept, tmp_path / "kept", tiny, luck, sound) for _ in range(n_flips))
    assert n_named > n_flips / 2
