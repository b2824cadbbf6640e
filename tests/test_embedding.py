"""`embed` takes what researchers have, and says of every vector whose it is, from when, and by which weights."""

import copy
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import biosig
from biosig import EmbeddingTransformer, samples
from biosig.batches.windows import LeftOutWarning
from biosig.embedding import embed_to_file
from biosig.errors import DataError, UsageError
from biosig.file_sums import DamagedWorkWarning
from biosig.models.checkpoint import default_card
from biosig.models.model import Model, RandomWeightsWarning
from biosig.recording import Subject
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.sources import as_windows


def vectors(table):
    return np.stack(table["vector"].to_pylist()).astype(np.float32)


def far(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.fixture(scope="module")
def shards(tmp_path_factory, ecg, eeg, bedside):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "a.h5", recipe={}) as writer:
        for recording in (ecg, eeg, bedside):
            writer.add(recording)
    build_index(folder)
    return folder


def test_one_row_per_window_and_modality(tiny, shards, ecg, eeg, bedside):
    table = biosig.embed(tiny, shards, window=10.0)
    frame = table.to_pandas()
    assert list(table.column_names) == [
        "recording", "subject", "onset", "duration", "modality", "ch_names", "valid_fraction", "model",
        "model_revision", "vector",
    ]  # fmt: skip
    assert table.schema.field("vector").type.list_size == tiny.embed_dim
    assert frame.groupby("modality").size().to_dict() == {"ecg": 1 + 12, "eeg": 6, "ppg": 12}
    assert set(frame["model_revision"]) == {tiny.revision}
    assert frame["valid_fraction"].between(0.9, 1).all()
    assert list(frame[frame["recording"] == eeg.id]["onset"]) == [0, 10, 20, 30, 40, 50]
    assert list(frame[frame["modality"] == "ppg"]["ch_names"].iloc[0]) == ["finger"]
    assert frame[frame["recording"] == bedside.id]["subject"].iloc[0] == bedside.subject.id


def test_all_sources_of_one_recording_give_one_vector(tiny, shards, ecg):
    path = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]
    expected = vectors(biosig.embed(tiny, ecg))
    import wfdb

    stream = ecg.streams[0]
    sources = {
        "path": (path, {}),
        "shard": (biosig.open_shards(shards)[:1], {}),
        "list": ([ecg], {}),
        "wfdb": (wfdb.rdrecord(str(path.with_suffix(""))), {}),
        "array": (stream.physical(), {"sfreq": 100.0, "ch_names": stream.ch_names, "kind": "ecg"}),
    }
    for name, (source, options) in sources.items():
        assert far(vectors(biosig.embed(tiny, source, **options)), expected) < 1e-5, name


def test_mne_objects_are_taken(tiny, eeg):
    import mne

    path = sorted(samples.path("eegmmidb").glob("*R04.edf"))[0]
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    assert far(vectors(biosig.embed(tiny, raw)), vectors(biosig.embed(tiny, eeg))) < 1e-3
    epochs = mne.make_fixed_length_epochs(raw, duration=5.0, preload=True, verbose="error")
    assert biosig.embed(tiny, epochs, window=5.0).num_rows == len(epochs)


def test_recordings_whole_tails_and_windows_that_hold_nothing(tiny, ecg):
    assert biosig.embed(tiny, ecg, window=None)["duration"].to_pylist() == [10.0]
    assert biosig.embed(tiny, ecg, window=4.0, keep_tail=True)["duration"].to_pylist() == [4.0, 4.0, 2.0]
    with pytest.raises(UsageError, match=r"No recording is as long as a window of 30 s \(the longest lasts 10 s\)"):
        biosig.embed(tiny, ecg, window=30.0)
    with pytest.warns(LeftOutWarning, match=f"10 s are left out: 1 of 2, the first is '{ecg.id}'"):
        assert len(biosig.embed(tiny, [ecg.crop(0.0, 5.0), ecg])) == 1
    signal_ = ecg.streams[0].physical().copy()
    signal_[:, 500:] = np.nan
    table = biosig.embed(tiny, signal_, window=5.0, sfreq=100.0, ch_names=ecg.ch_names, kind="ecg")
    assert table["valid_fraction"].to_pylist() == [pytest.approx(1, abs=0.01), 0.0]
    assert np.isfinite(vectors(table)).all(axis=1).tolist() == [True, False]


def test_a_vector_that_is_not_finite_names_its_window(tiny, ecg):
    broken = copy.deepcopy(tiny)
    with torch.no_grad():
        broken.encoder.norm.weight[0] = float("inf")
    with pytest.raises(DataError, match=rf"not finite for the window of 10 s at 0 s of recording '{ecg.id}'"):
        biosig.embed(broken, ecg)
    stream = ecg.streams[0]
    with pytest.raises(DataError, match="not finite for window 0"):
        broken.encode(stream.physical()[None, :, :1000], stream.sfreq, ch_names=stream.ch_names, kind="ecg")


def test_bfloat16_is_close_to_float32(tiny, shards):
    exact, rounded = (vectors(biosig.embed(tiny, shards, dtype=dtype)) for dtype in ("float32", "bfloat16"))
    assert 0 < far(rounded, exact) < 0.03
    with pytest.raises(UsageError, match="dtype is 'float16'"):
        biosig.embed(tiny, shards, dtype="float16")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_gives_the_same_vectors(shards):
    model = biosig.build_model("biosig-tiny")
    here = vectors(biosig.embed(model, shards, device="cpu"))
    for dtype, limit in (("float32", 1e-4), ("bfloat16", 0.03)):
        assert far(vectors(biosig.embed(model, shards, device="cuda", dtype=dtype)), here) < limit, dtype


@pytest.mark.parametrize(
    ("source", "sentence"),
    [(object(), "A source cannot be a object"), (np.zeros((2, 100)), "needs sfreq=, ch_names= and kind=")],
)
def test_what_cannot_be_embedded_is_said(tiny, source, sentence):
    with pytest.raises(UsageError, match=sentence):
        biosig.embed(tiny, source)


def test_options_that_would_have_no_effect_are_refused(tiny, ecg):
    with pytest.raises(UsageError, match="sfreq describe an array; a Recording says that itself"):
        biosig.embed(tiny, ecg, sfreq=500)
    with pytest.raises(UsageError, match="no option chnames"):
        biosig.embed(tiny, np.zeros((2, 100)), chnames=["I", "II"])
    with pytest.raises(UsageError, match=r"not \(100,\): give signals\[None, None\]"):
        biosig.embed(tiny, np.zeros(100), sfreq=100, ch_names=["I"], kind="ecg")


def test_a_name_in_place_of_a_model_is_said(shards):
    with pytest.raises(UsageError, match="first argument of embed is 'biosig-tiny'; give a model"):
        biosig.embed("biosig-tiny", shards)


def test_random_weights_warn(shards):
    with pytest.warns(RandomWeightsWarning, match="random weights") as caught:
        biosig.embed(biosig.build_model("biosig-tiny"), shards)
    assert [each.category for each in caught].count(RandomWeightsWarning) == 1


KILLED = """
import os, signal, sys, warnings
from pathlib import Path
import biosig
from biosig import embedding_file
from biosig.sources import as_windows
warnings.simplefilter("ignore")
embedding_file.PART_WINDOWS = 4

def progress(stage, done, total, note=""):
    if done >= 12:
        os.kill(os.getpid(), signal.SIGKILL)

model = biosig.build_model("biosig-tiny")
windows = as_windows(Path(sys.argv[1]), 5.0)
embedding_file.embed_to_file(model, windows, Path(sys.argv[2]), batch_tokens=600, progress=progress)
"""


def test_killed_and_run_again_it_neither_repeats_nor_misses_a_window(tiny, shards, tmp_path, monkeypatch):
    monkeypatch.setattr("biosig.embedding_file.PART_WINDOWS", 4)
    windows = as_windows(shards, 5.0)
    whole = embed_to_file(tiny, windows, tmp_path / "whole.parquet", batch_tokens=600)
    out = tmp_path / "killed.parquet"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, shards, out], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    done = []
    embed_to_file(tiny, windows, out, batch_tokens=600, progress=lambda stage, n, total, note="": done.append(n))
    assert done[0] > 4  # the windows that were finished are not embedded again
    one, other = pq.read_table(whole), pq.read_table(out)
    assert one.drop(["vector"]).equals(other.drop(["vector"]))
    assert far(vectors(other), vectors(one)) < 1e-5
    assert not out.with_name(out.name + ".parts").exists()


class _Stop(BaseException):
    """As abrupt as Ctrl-C."""


@pytest.fixture
def half_done(tiny, shards, tmp_path, monkeypatch):
    """An embedding in parts of two windows that was stopped after five parts, and one that was not."""
    monkeypatch.setattr("biosig.embedding_file.PART_WINDOWS", 2)
    windows, out = as_windows(shards, 5.0), tmp_path / "half.parquet"
    whole = embed_to_file(tiny, windows, tmp_path / "whole.parquet", batch_tokens=300)

    def stopping(stage, done, total, note=""):
        if done >= 11:
            raise _Stop

    with pytest.raises(_Stop):
        embed_to_file(tiny, windows, out, batch_tokens=300, progress=stopping)
    return windows, out, whole, sorted(out.with_name("half.parquet.parts").glob("part-*"))


def test_a_half_done_file_of_another_model_is_refused(half_done):
    windows, out, _, parts = half_done
    with pytest.raises(DataError, match="half-done embedding of another model"):
        embed_to_file(biosig.build_model("biosig-tiny", seed=1), windows, out, batch_tokens=300)
    assert all(part.exists() for part in parts)


def _damage(part, how):
    content = bytearray(part.read_bytes())
    if how == "gone":
        part.unlink()
    elif how == "flipped":
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif how == "short":
        part.write_bytes(content[:-9])
    else:
        part.write_bytes(content + content)


@pytest.mark.parametrize("how", ["gone", "flipped", "short", "doubled"])
@pytest.mark.parametrize("which", [0, 2])
def test_a_part_that_is_not_whole_is_named_and_embedded_again(tiny, half_done, how, which):
    windows, out, whole, parts = half_done
    _damage(parts[which], how)
    counts = []
    with pytest.warns(DamagedWorkWarning, match=parts[which].name):
        embed_to_file(tiny, windows, out, batch_tokens=300, progress=lambda stage, n, *_: counts.append(n))
    assert pq.read_table(out).equals(pq.read_table(whole))
    start, stop = (int(number) for number in parts[which].stem.split("-")[1:])
    assert start < counts[0] <= stop  # what is whole is not embedded again
    assert not any(reached <= start or stop < reached <= 10 for reached in counts)
    assert not [path for path in out.parent.iterdir() if path.name.startswith((".", "half.parquet."))]


def test_a_list_of_parts_that_is_damaged_is_named_and_costs_no_part(tiny, half_done):
    windows, out, whole, parts = half_done
    sums = parts[0].with_name("SHA256SUMS")
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[1:]))
    reached = []
    with pytest.warns(DamagedWorkWarning, match="SHA256SUMS is damaged"):
        embed_to_file(tiny, windows, out, batch_tokens=300, progress=lambda stage, n, *_: reached.append(n))
    assert min(reached) > 10
    assert pq.read_table(out).equals(pq.read_table(whole))


def test_of_two_embeddings_into_one_file_the_second_is_refused(tiny, half_done):
    windows, out, _, _ = half_done

    def second(*_):
        with pytest.raises(UsageError, match="Another embedding is writing to"):
            embed_to_file(tiny, windows, out, batch_tokens=300)

    embed_to_file(tiny, windows, out, batch_tokens=300, progress=second)


@pytest.mark.parametrize("part_windows", [1, 3, 2048])
def test_recordings_without_a_modality_give_no_row_and_lose_none(tiny, ecg, tmp_path, monkeypatch, part_windows):
    monkeypatch.setattr("biosig.embedding_file.PART_WINDOWS", part_windows)
    muscle = biosig.Channel("chin", "chin", "emg", "uV")
    emg = biosig.Recording("emg", [biosig.Stream(100.0, (muscle,), np.ones((1, 1000), np.float32), 1.0, 0.0)])
    windows = as_windows([ecg, ecg, emg], 5.0)
    with pytest.warns(LeftOutWarning, match=r"reads \(ecg, ppg, eeg\) give no row: 1 of 3, the first is 'emg'"):
        out = embed_to_file(tiny, windows, tmp_path / "all.parquet", batch_tokens=300)
    assert pq.read_table(out)["onset"].to_pylist() == [0.0, 5.0, 0.0, 5.0]
    with pytest.raises(UsageError, match="the selection is empty"):
        biosig.embed(tiny, windows[:0])


@pytest.mark.parametrize("align", ["subject", "first_minute"])
def test_eeg_is_aligned_as_the_weights_name_it_unless_told_otherwise(eeg, ecg, tiny, tmp_path, align):
    contract = {**tiny.contract, "eeg": replace(tiny.contract["eeg"], align=align)}
    encoder = copy.copy(tiny.encoder)
    encoder.config = replace(tiny.config, contract=contract)
    Model(encoder, trained=False).save(tmp_path / "model")
    named = biosig.load_model(tmp_path / "model")
    assert named.contract["eeg"].align == align
    assert f"`align={align}`), unless told otherwise" in (tmp_path / "model" / "README.md").read_text()
    assert "aligned" not in default_card(tiny.encoder, trained=False)
    assert named.revision != tiny.revision
    known = replace(eeg, subject=Subject("a"))
    asked, plain = (vectors(biosig.embed(tiny, known, window=10.0, align=a)) for a in (align, "none"))
    np.testing.assert_array_equal(vectors(biosig.embed(named, known, window=10.0)), asked)
    np.testing.assert_array_equal(vectors(biosig.embed(named, known, window=10.0, align="none")), plain)
    assert np.abs(asked - plain).max() > 1e-3
    path = embed_to_file(named, as_windows(known, 10.0), tmp_path / "aligned.parquet")
    np.testing.assert_array_equal(vectors(pq.read_table(path)), asked)
    whole = EmbeddingTransformer(named, window=10.0).fit([known])
    np.testing.assert_allclose(
        whole.transform([known]), EmbeddingTransformer(tiny, window=10.0, align=align).fit([known]).transform([known])
    )
    np.testing.assert_array_equal(vectors(biosig.embed(named, ecg)), vectors(biosig.embed(tiny, ecg)))


def test_embeddings_may_be_of_aligned_eeg(eeg, tiny, tmp_path):
    known = replace(eeg, subject=Subject("s"))
    plain, mine = (vectors(biosig.embed(tiny, known, window=10.0, align=align)) for align in ("none", "subject"))
    assert far(mine, plain) > 0.05
    path = embed_to_file(tiny, as_windows(known, 10.0), tmp_path / "aligned.parquet", align="subject")
    assert far(vectors(pq.read_table(path)), mine) < 1e-6
    with pytest.raises(UsageError, match="mixes EEG electrodes of known place"):
        biosig.embed(tiny, biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]), align="subject")
