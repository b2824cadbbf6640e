import numpy as np
import pytest
from vendor_files import write_ncs, write_nev

from biosig.errors import UnreadableError
from biosig.reading import read

X = np.random.default_rng(0).integers(-3000, 3000, 3000).astype(np.int16)


def test_channels_rates_gaps_and_events(tmp_path):
    write_ncs(tmp_path / "Fp1.ncs", X, n_valid=[512, 500, 512, 512, 512, 440], start=5_000_000)
    write_ncs(tmp_path / "Cz.ncs", X[::-1], inverted=False, start=5_000_000)
    write_ncs(tmp_path / "micro.ncs", X, sfreq=32_000, start=5_010_000)
    write_nev(tmp_path / "Events.nev", [(5_500_000, "stimulus"), (1, "before")])
    recording = read(tmp_path)
    assert recording.id == tmp_path.name
    by_name = {s.channels[0].source_name: s for s in recording.streams}
    fp1, cz, micro = by_name["Fp1"], by_name["Cz"], by_name["micro"]
    assert (fp1.sfreq, cz.sfreq, micro.sfreq, micro.onset) == (2000, 2000, 32_000, 0.01)
    assert fp1.invalid.tolist() == [[0, 1012, 1024]]
    np.testing.assert_array_equal(fp1.samples[0, 1024:], X[1024:])
    np.testing.assert_allclose(cz.samples[0] * cz.scale[0], X[::-1] * 0.1, rtol=1e-9)
    assert fp1.scale[0] == -cz.scale[0]
    assert [(a.onset, a.label) for a in recording.annotations] == [(0.5, "stimulus")]
    assert any(
        "of Fp1 was interrupted 1 time, 0.006 s in all, invalid there: 0.006 s from 0.506 s" in note
        for note in recording.notes
    )


def test_lazy_parts_equal_the_whole(tmp_path):
    times = [0, 256_000, 600_000, 856_000, 1_112_000, 1_368_000]
    for name in ("A", "B"):
        write_ncs(tmp_path / f"{name}.ncs", X, times=times)
    (eager,), (lazy,) = read(tmp_path).streams, read(tmp_path, lazy=True).streams
    assert eager.invalid.tolist() == [[0, 1024, 1200], [1, 1024, 1200]]
    for start, stop in ((0, eager.n_times), (0, 0), (511, 513), (1000, 1300), (1100, 1150), (3000, 3176)):
        np.testing.assert_array_equal(lazy.samples[:, start:stop], eager.samples[:, start:stop])
        np.testing.assert_array_equal(lazy.pick([1]).samples[:, start:stop], eager.samples[1:, start:stop])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: raw[:-10], "not a whole Neuralynx file"),
        (lambda raw: raw.replace(b"-ADBitVolts", b"-Somethings"), "'ADBitVolts'"),
        (lambda raw: raw[:16384] + b"\0" * 16 + b"\xff" * 4 + raw[16404:], "more samples than a record holds"),
        (lambda raw: raw[: 16384 + 1044] + b"\0" * 8 + raw[16384 + 1052 :], "at record 2 goes back"),
        (lambda raw: raw[: 16384 + 1044] + b"\xff" * 6 + b"\0\0" + raw[16384 + 1052 :], "goes back|split it"),
    ],
)
def test_damage_is_told_in_one_sentence(tmp_path, spoil, words):
    path = tmp_path / "A.ncs"
    write_ncs(path, X)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UnreadableError, match=words) as failure:
        read(tmp_path)
    assert str(path) in str(failure.value)
