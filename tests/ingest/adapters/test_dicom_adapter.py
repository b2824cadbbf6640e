"""DICOM waveforms: the real ECG that comes with pydicom, and what is changed in it."""

import array_samples as exports
import numpy as np
import pydicom
import pytest

from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.reading import adapter_for, read
from ingest.adapters.vendors.dicom import DicomAdapter


@pytest.fixture
def dataset():
    return pydicom.dcmread(exports.as_dicom(None))


def save(dataset, folder, name="x.dcm"):
    dataset.save_as(folder / name)
    return folder / name


def test_an_ecg_with_leads_measurements_and_statements():
    recording = read(exports.as_dicom(None))
    assert recording.ch_names == exports.LEADS
    assert {channel.kind for channel in recording.channels} == {"ecg"}
    assert recording.channels[0].source_name == "Lead I (Einthoven)"
    assert (recording.subject.id, recording.subject.age, recording.subject.sex) == ("642341", 42, "female")
    assert recording.report == "RITMO SINUSALE\nECG NORMALE"
    assert recording.labels["QRS Duration (ms)"] == 75
    assert {a.label for a in recording.annotations} >= {"P Onset", "T Offset"}
    assert any("group 2 (12 channels of 1200 samples) is derived" in note for note in recording.notes)
    texts = repr(recording) + " ".join(recording.notes) + repr(recording.labels)
    assert not any(private in texts for private in ("Anonymous", "Galliera", "2013", "1971"))


def test_samples_stay_in_the_file(tmp_path, dataset):
    path = save(dataset, tmp_path, "without_extension")
    assert adapter_for(path).name == "dicom"
    lazy, whole = read(path, lazy=True), read(path)
    assert isinstance(lazy.streams[0].samples, LazySamples)
    np.testing.assert_array_equal(lazy.streams[0].slice(100, 900).samples, whole.streams[0].samples[:, 100:900])


def test_groups_are_streams_with_onsets_padding_and_baseline(tmp_path, dataset):
    second = dataset.WaveformSequence[1]
    second.WaveformOriginality = "ORIGINAL"
    second.MultiplexGroupTimeOffset = "2500"
    second.add_new("WaveformPaddingValue", "OW", np.array([7], "<i2").tobytes())
    raw = np.frombuffer(second.WaveformData, "<i2").reshape(-1, 12).copy()
    raw[10:20, 1] = 7
    raw[30:, :] = np.where(raw[30:] == 7, 8, raw[30:])
    raw[:10] = np.where(raw[:10] == 7, 8, raw[:10])
    raw[10:30, [0, *range(2, 12)]] = 1
    raw[20:30, 1] = 1
    second.WaveformData = raw.tobytes()
    second.ChannelDefinitionSequence[1].ChannelBaseline = "500"
    code = second.ChannelDefinitionSequence[1].ChannelSourceSequence[0]
    code.CodingSchemeDesignator, code.CodeValue = "MDC", "2:61"
    recording = read(save(dataset, tmp_path))
    first, stream = recording.streams
    assert (stream.onset, stream.n_times, first.n_times) == (2.5, 1200, 10_000)
    assert stream.channels[1].name == "III (2)"
    assert stream.invalid.tolist() == [[1, 10, 20]]
    np.testing.assert_allclose(stream.physical()[1, 0], (raw[0, 1] * 1.25 + 500) / 1000, rtol=1e-6)


def test_unsigned_and_big_endian_samples(tmp_path, dataset):
    group = dataset.WaveformSequence[0]
    raw = np.frombuffer(group.WaveformData, "<i2").astype(np.int32) + 32768
    group.WaveformSampleInterpretation = "US"
    group.WaveformData = raw.astype("<u2").tobytes()
    del dataset.WaveformSequence[1]
    stream = read(save(dataset, tmp_path)).streams[0]
    np.testing.assert_array_equal(stream.samples, raw.reshape(-1, 12).T)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    group.WaveformData = raw.astype(">u2").tobytes()
    list(dataset.iterall())  # decodes every element before the order of bytes changes
    dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
    lazy = read(save(dataset, tmp_path, "big.dcm"), lazy=True).streams[0]
    np.testing.assert_array_equal(lazy.samples, raw.reshape(-1, 12).T)


def change(keyword, value):
    return lambda group: setattr(group, keyword, value)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (change("NumberOfWaveformSamples", 10**9), "cut short or damaged"),
        (change("NumberOfWaveformChannels", 11), "describes 12 channels"),
        (change("SamplingFrequency", "0"), "at 0 Hz"),
        (change("WaveformSampleInterpretation", "MB"), "16 bits, MB"),
        (
            lambda group: setattr(group.ChannelDefinitionSequence[0], "ChannelSensitivityCorrectionFactor", "1e999"),
            "sensitivity",
        ),
        (lambda group: group.clear(), "not a whole DICOM waveform"),
    ],
)
def test_what_cannot_be_trusted_is_told(tmp_path, dataset, edit, words):
    edit(dataset.WaveformSequence[0])
    path = save(dataset, tmp_path)
    with pytest.raises(UnreadableError, match=words) as failure:
        read(path)
    assert str(path) in str(failure.value)


def test_a_file_cut_anywhere_ends_in_one_sentence(tmp_path):
    raw = exports.as_dicom(None).read_bytes()
    path = tmp_path / "cut.dcm"
    for size in (100, 132, 400, 2_000, 100_000, len(raw) - 20_000):
        path.write_bytes(raw[:size])
        with pytest.raises(UnreadableError, match=str(path)):
            DicomAdapter().read(path)


def test_pictures_are_left_alone_and_datasets_convert(tmp_path, dataset):
    picture = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    assert adapter_for(exports.Path(picture)) is None
    assert DicomAdapter().convert(dataset).ch_names == exports.LEADS
    assert DicomAdapter().convert(pydicom.dcmread(picture)) is None
