"""Recordings go into a shard, out of it as WFDB or EDF, and back in: equal to the bit, or refused in one sentence."""

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.cli.data import export
from biosig.content_hash import content_hash
from biosig.errors import DataError, UsageError
from biosig.export.recording_files import export_recording, file_names
from biosig.lazy_samples import LazySamples
from biosig.recording import Annotation, Channel, Recording, Stream, Subject
from biosig.shards import ShardWriter, build_index

ECG = samples.path("ptbxl") / "records100" / "00000" / "00001_lr.hea"
EEG = samples.path("eegmmidb") / "S001R04.edf"
BEDSIDE = next(iter(sorted(samples.path("bidmc").glob("*ignals*"))))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "0.h5", {}) as writer:
        for path in (ECG, EEG, BEDSIDE):
            writer.add(biosig.read(path))
    build_index(folder)
    return folder


def stream(x, sfreq=100.0, scale=0.005, offset=0.0, unit="mV", invalid=(), onset=0.0, kind="misc"):
    x = np.atleast_2d(np.asarray(x))
    channels = tuple(Channel(f"ch{i}", f"ch{i}", kind, unit) for i in range(len(x)))
    runs = np.array(invalid, np.int64).reshape(-1, 3)
    return Stream(sfreq, channels, x, np.float64(scale), np.float64(offset), runs, onset)


def recording(*streams, **fields):
    return Recording("r1", list(streams), content_hash=content_hash(streams), **fields)


def ramp(n, bits=16, seed=0, n_chans=2):
    x = np.random.default_rng(seed).integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (n_chans, n))
    return x.astype(np.int16 if bits <= 16 else np.int32)


def equal(a, b):
    assert a.content_hash == b.content_hash
    for one, other in zip(a.streams, b.streams, strict=True):
        assert (one.sfreq, one.n_times, one.samples.dtype) == (other.sfreq, other.n_times, other.samples.dtype)
        assert np.array_equal(one.scale, other.scale)
        assert np.array_equal(one.offset, other.offset)
        valid = one.valid()
        assert np.array_equal(valid, other.valid())
        assert np.array_equal(np.asarray(one.samples)[valid], np.asarray(other.samples)[valid])
        assert [(c.name, c.source_name, c.kind, c.unit) for c in one.channels] == [
            (c.name, c.source_name, c.kind, c.unit) for c in other.channels
        ]
    return True


@pytest.mark.parametrize(
    ("name", "form", "suffix"),
    [("00001_lr", "wfdb", "hea"), ("00001_lr", "edf", "edf"), ("S001R04", "edf", "edf"), ("S001R04", "wfdb", "hea")],
)
def test_a_real_recording_comes_back_equal(shards, tmp_path, name, form, suffix, capsys):
    assert export(shards, out=tmp_path / "out", format_=form, recording=(name,)) == 0
    before = next(r for r in biosig.open_shards(shards) if r.id == name).read()
    after = biosig.read(tmp_path / "out" / f"{name}.{suffix}")
    assert after.id == name
    assert equal(before, after)
    if form == "edf":
        assert after.annotations == before.annotations
    else:  # WFDB knows no durations but those of rhythms
        assert [(round(a.onset, 9), a.label) for a in after.annotations] == [
            (round(a.onset, 9), a.label) for a in before.annotations
        ]
    assert "1 of 1 recordings" in capsys.readouterr().out


def test_several_rates_in_one_wfdb_record(shards, tmp_path):
    before = next(r for r in biosig.open_shards(shards) if r.id == "bidmc_01").read(lazy=True)
    assert isinstance(before.streams[0].samples, LazySamples)
    done = export_recording(before, tmp_path, "wfdb")
    assert [file.name for file in done.files] == ["bidmc_01.atr", "bidmc_01.dat", "bidmc_01.hea"]
    after = biosig.read(tmp_path / "bidmc_01.hea")
    assert [s.sfreq for s in after.streams] == [125.0, 1.0]
    assert after.content_hash == before.content_hash
    with pytest.raises(DataError, match=r"'RESP'.* more than 24 bits"):
        export_recording(before, tmp_path, "edf")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("form", ["wfdb", "edf"])
@pytest.mark.parametrize(
    ("bits", "scale", "offset"),
    [
        (16, 0.005, 0.0),
        (12, 200 / 4095, 0.0),
        (20, 0.03125, 0.0),
        (16, 0.00123456789, 0.0),
        (16, 1 / 977.5, -3 / 977.5),
    ],
)
def test_integers_of_any_width_and_scale(tmp_path, form, bits, scale, offset):
    before = recording(stream(ramp(1000, bits), scale=scale, offset=offset))
    done = export_recording(before, tmp_path, form)
    main = next(file for file in done.files if file.suffix in (".hea", ".edf", ".bdf"))
    after = biosig.read(main)
    assert main.suffix == {"wfdb": ".hea", "edf": ".bdf" if bits > 16 else ".edf"}[form]
    assert after.content_hash == before.content_hash
    assert after.streams[0].scale == pytest.approx(scale, rel=1e-5)
    assert after.streams[0].offset == pytest.approx(offset, abs=scale / 4)
    off = [what for what in done.lost if "scale" in what or "offset" in what]
    assert all("last bits" in what for what in off) or (form == "edf" and scale in (1 / 977.5, 0.00123456789))


def test_missing_samples_stay_missing(tmp_path):
    x = ramp(1000)
    x[0, 5] = -(2**15)  # a real value that WFDB's 16 bits keep for missing ones
    before = recording(stream(x, invalid=[(0, 10, 20), (1, 900, 1000)]))
    export_recording(before, tmp_path, "wfdb")
    after = biosig.read(tmp_path / "r1.hea")
    assert after.content_hash == before.content_hash
    assert np.array_equal(after.streams[0].valid(), before.streams[0].valid())
    with pytest.raises(DataError, match="some of its channels only, which EDF cannot say"):
        export_recording(before, tmp_path, "edf")
    gap = recording(stream(x, invalid=[(0, 10, 20), (1, 10, 20)]))
    done = export_recording(gap, tmp_path, "edf")
    assert "what BAD_missing marks, as real values or none" in done.lost
    assert np.array_equal(biosig.read(tmp_path / "r1.edf").streams[0].valid(), gap.streams[0].valid())


def test_spans_marked_bad_need_no_second_mark(tmp_path):
    marked = recording(
        stream(ramp(1000), invalid=[(0, 10, 20), (1, 10, 20)]), annotations=[Annotation(0.1, 0.1, "BAD_x")]
    )
    assert export_recording(marked, tmp_path, "edf").lost[:1] != ["what BAD_missing marks, as real values or none"]
    assert [a.label for a in biosig.read(tmp_path / "r1.edf").annotations] == ["BAD_x"]


def test_real_values_under_a_bad_mark_are_exported_and_it_is_told(tmp_path):
    x = ramp(1000)
    marked = recording(stream(x, invalid=[(0, 10, 15)]), annotations=[Annotation(0.1, 0.1, "BAD blink")])
    done = export_recording(marked, tmp_path, "edf")
    assert "1 stream(s) with values that are real under an annotation BAD…, and read as none" in done.lost
    after = biosig.read(tmp_path / "r1.edf")
    assert after.annotations == marked.annotations
    assert np.array_equal(after.streams[0].samples, x)
    assert not any("BAD" in what for what in export_recording(marked, tmp_path, "wfdb").lost)


@pytest.mark.parametrize("form", ["wfdb", "edf"])
def test_events_stay_beside_their_samples_where_a_signal_begins_late(tmp_path, form):
    events = [Annotation(2.0, 0.0, "too early"), Annotation(7.5, 0.0, "seen")]
    late = recording(stream(ramp(1000), onset=5.0), annotations=events)
    done = export_recording(late, tmp_path, form)
    assert {"1 onset(s) of signals", "1 annotation(s)"} <= set(done.lost)
    after = biosig.read(tmp_path / ("r1.hea" if form == "wfdb" else "r1.edf"))
    assert after.annotations == [Annotation(2.5, 0.0, "seen")]


@pytest.mark.parametrize("form", ["wfdb", "edf"])
@pytest.mark.parametrize("label", ["two\nlines", "hea:no header", "lead1:off", "dat:x", "line\u2028end", "x" * 300])
def test_any_text_of_an_event_or_a_channel_is_written(tmp_path, form, label):
    before = recording(stream(ramp(1000)), annotations=[Annotation(2.0, 0.0, label), Annotation(-3, 1.0, "before")])
    before.streams[0].channels = (Channel(label, label, "misc", "mV"), Channel("b", "b", "misc", "mV"))
    done = export_recording(before, tmp_path, form)
    after = biosig.read(done.files[0] if form == "edf" else tmp_path / "r1.hea")
    (event,) = after.annotations
    assert event.onset == 2.0
    held = event.label == label
    assert f"{1 + (not held)} annotation(s)" in done.lost
    assert held or form == "wfdb"


def test_annotations_of_every_kind(tmp_path):
    events = [
        Annotation(0.0, 4.0, "(AFIB"),
        Annotation(1.25, 0.0, "N"),
        Annotation(1.25, 0.0, "qrs:N"),
        Annotation(2.5, 0.0, "a text, with commas"),
        Annotation(4.0, 6.0, "(N"),
    ]
    before = recording(
        stream(ramp(1000)),
        annotations=events,
        subject=Subject("p", 63.0, "female"),
        labels={"dx": ["426783006"]},
        report="Sinus rhythm\nQT 400 ms",
    )
    assert export_recording(before, tmp_path, "wfdb").lost == []
    after = biosig.read(tmp_path / "r1.hea")
    assert sorted(after.annotations, key=str) == sorted(events, key=str)
    assert (after.subject.age, after.subject.sex, after.report) == (63.0, "female", "Sinus rhythm\nQT 400 ms")
    assert (tmp_path / "r1.qrs").exists()
    done = export_recording(before, tmp_path, "edf")
    assert biosig.read(tmp_path / "r1.edf").annotations == events
    assert {"age and sex", "the report", "labels"} <= set(done.lost)


def test_a_length_that_fits_no_data_record_is_filled_up(tmp_path):
    before = recording(stream(ramp(3611), sfreq=360.0))
    done = export_recording(before, tmp_path, "edf")
    assert "what BAD_padding marks, as real values or none" in done.lost
    after = biosig.read(tmp_path / "r1.edf").streams[0]
    assert after.n_times == 3960
    assert after.valid().sum() == 2 * 3611
    assert np.array_equal(after.samples[:, :3611], before.streams[0].samples)


def test_streams_of_other_spans_become_files_of_their_own(tmp_path):
    before = recording(stream(ramp(1000)), stream(ramp(601), sfreq=12.5, onset=0.5))
    for form, names in (("wfdb", {"r1_100Hz.hea", "r1_12p5Hz.hea"}), ("edf", {"r1_100Hz.edf", "r1_12p5Hz.edf"})):
        done = export_recording(before, tmp_path, form)
        assert names <= {file.name for file in done.files}
        assert "1 onset(s) of signals" in done.lost


@pytest.mark.parametrize(
    ("broken", "form", "printed"),
    [
        (stream(np.ones((1, 100), np.float32)), "edf", "holds float32 samples .ch0."),
        (stream(ramp(100), offset=0.0025), "wfdb", "zero at -0.5 steps"),
        (stream(ramp(100), scale=0.0), "edf", "step of 0"),
        (stream(ramp(100), scale=1e9), "edf", "eight characters"),
        (stream(ramp(100), sfreq=1 / 3.7), "edf", "fit no EDF data record"),
        (stream(ramp(0)), "wfdb", "without samples"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, broken, form, printed):
    with pytest.raises(DataError, match=printed):
        export_recording(recording(broken), tmp_path, form)
    assert not list(tmp_path.iterdir())


def test_the_verb_tells_what_went_wrong(shards, tmp_path, capsys):
    assert export(shards, out=tmp_path, format_="edf") == 1
    printed = capsys.readouterr().out
    assert "Wrote 2 of 3 recordings" in printed
    assert "failed: Channel 'RESP'" in printed
    written = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert export(shards, out=tmp_path, format_="edf") == 1  # again, as after an export that was killed
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == written
    other, *_ = written
    other.write_bytes(b"of somebody else")
    capsys.readouterr()
    assert export(shards, out=tmp_path, format_="edf") == 1
    printed = capsys.readouterr().out
    assert f"Wrote 1 of 3 recordings (1 files) to {tmp_path}" in printed
    assert f"failed: {other} exists and holds something else" in printed
    assert other.read_bytes() == b"of somebody else"
    with pytest.raises(UsageError, match="has no recording 'nobody'"):
        export(shards, out=tmp_path, format_="edf", recording=("nobody",))


def test_names_are_made_fit_for_files(tmp_path):
    before = recording(stream(ramp(100)))
    before.id = "ward 7/../Müller"
    assert [file.name for file in export_recording(before, tmp_path, "edf").files] == ["ward_7_M_ller.edf"]


def test_ids_that_would_share_a_file_get_names_of_their_own(tmp_path):
    assert file_names(["a b", "a_b", "A_B", "a?b"]) == ["a_b_3", "a_b", "A_B_2", "a_b_4"]
    x = {"a b": ramp(100, seed=1), "a_b": ramp(100, seed=2), "c": ramp(100, seed=3)}
    folder = tmp_path / "shards"
    folder.mkdir()
    with ShardWriter(folder / "0.h5", {}) as writer:
        for name, samples_ in x.items():
            one = recording(stream(samples_))
            one.id = name
            writer.add(one)
    build_index(folder)
    assert export(folder, out=tmp_path / "all", format_="edf") == 0
    for name, file in (("a b", "a_b_2"), ("a_b", "a_b"), ("c", "c")):
        assert np.array_equal(biosig.read(tmp_path / "all" / f"{file}.edf").streams[0].samples, x[name])
    assert export(folder, out=tmp_path / "one", format_="edf", recording=("a b",)) == 0
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["a_b_2.edf"]


def test_a_channel_that_is_taken_for_another_kind_is_told(tmp_path):
    before = recording(stream(ramp(1000, n_chans=1)))
    before.streams[0].channels = (Channel("Fp1", "Fp1", "misc", "mV"),)
    done = export_recording(before, tmp_path, "edf")
    assert {"1 kind(s) of channel", "1 unit(s)"} <= set(done.lost)
    after = biosig.read(tmp_path / "r1.edf").streams[0]
    assert np.array_equal(after.samples, before.streams[0].samples)
