"""Time stamps that are not regular, in the wrong unit, repeated, backwards, or a clock's."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biosig.errors import UnreadableError
from ingest.adapters.tables.adapter import TableAdapter

GRID = {"sfreq": 10, "longest_gap": 0.25}


def described(unit="s", grid=None, **signals):
    columns = {"PLETH": {"kind": "ppg", "unit": "NU"}}
    spec = {"time": "t", "time_unit": unit, "columns": columns, **({"regularise": grid} if grid else {}), **signals}
    return {"record": r"(\w+)\.csv", "signals": [spec]}


def table(folder, times, values):
    rows = "".join(f"{t},{x}\n" for t, x in zip(times, values, strict=True))
    (folder / "r.csv").write_text("t,PLETH\n" + rows)
    return folder / "r.csv"


def test_interpolation_marks_long_gaps_and_bridges_short_ones(tmp_path):
    times = [0, 110, 190, 310, 500, 600, 1000, 1100]
    recording = TableAdapter(described("ms", GRID)).read(table(tmp_path, times, [2 * t for t in times]))
    (stream,) = recording.streams
    expected = np.arange(12) * 200.0
    lost = [7, 8, 9]  # between 600 and 1000 ms; the ends themselves are real
    np.testing.assert_allclose(np.delete(stream.physical()[0], lost), np.delete(expected, lost), rtol=1e-6)
    assert stream.invalid.tolist() == [[0, 7, 10]]
    assert "10 Hz" in recording.history[0]
    assert any("longer than 0.25 s" in note for note in recording.notes)


def test_a_missing_value_is_a_gap_of_its_channel_alone(tmp_path):
    times = np.arange(0, 1.01, 0.1).round(1)
    values = ["" if 0.3 <= t <= 0.6 else t for t in times]
    (stream,) = TableAdapter(described("s", GRID)).read(table(tmp_path, times, values)).streams
    assert stream.invalid.tolist() == [[0, 3, 7]]


def test_irregular_times_without_a_grid_say_what_to_add(tmp_path):
    path = table(tmp_path, [0, 0.1, 0.2, 0.5, 0.9], range(5))
    with pytest.raises(UnreadableError, match=r"not regular at .* row 4; .*regularise"):
        TableAdapter(described()).read(path)


@pytest.mark.parametrize(
    ("stated", "true", "grid"),
    [("s", "ms", GRID), ("ms", "s", GRID), ("s", "ms", None), ("us", "s", None), ("s", "us", GRID)],
)
def test_a_wrong_unit_is_refused_with_a_hint(tmp_path, stated, true, grid):
    times = np.arange(50) * {"s": 0.1, "ms": 100, "us": 100_000}[true]
    with pytest.raises(UnreadableError, match=f"write time_unit: {true} in the mapping"):
        TableAdapter(described(stated, grid)).read(table(tmp_path, times, times))
    TableAdapter(described(true, grid)).read(tmp_path / "r.csv")


def test_repeated_times_are_noted_and_backward_ones_refused(tmp_path):
    times = [0, 0.1, 0.1, 0.2, 0.3]
    recording = TableAdapter(described("s", GRID)).read(table(tmp_path, times, [0, 1, 9, 2, 3]))
    np.testing.assert_allclose(recording.streams[0].physical(), [[0, 1, 2, 3]], atol=1e-6)
    assert any(
        "1 samples have the time stamp of the one before and were left out, the first in row 4 at 0.1 s" in note
        for note in recording.notes
    )
    with pytest.raises(UnreadableError, match=r"row 4, goes back or stands still at 0\.2 s"):
        TableAdapter(described("s", GRID)).read(table(tmp_path, [0, 0.2, 0.1, 0.3], range(4)))


def test_a_grid_that_would_alias_or_never_end_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match=r"much faster than regularise\.sfreq"):
        TableAdapter(described("s", GRID)).read(table(tmp_path, np.arange(50) * 0.01, range(50)))
    with pytest.raises(UnreadableError, match="a time stamp is wrong"):
        TableAdapter(described("s", GRID)).read(table(tmp_path, [0, 0.1, 0.2, 0.3, 1e12], range(5)))


def test_a_wall_clock_does_not_reach_the_recording(tmp_path):
    """1.6e9 s after 1970 is a date: onsets count from the first sample."""
    start = 1.6e9
    path = table(tmp_path, (start + np.arange(50) * 0.1).round(1), range(50))
    (tmp_path / "e.csv").write_text(f"when,long,what,who\n{start + 1.5},2,sleep,x\n{start + 9},0,late,x\n")
    events = [{"file": "e.csv", "onset": "when", "duration": "long", "label": "what", "ignore": ["who"]}]
    recording = TableAdapter({**described(sfreq=10), "events": events}).read(path)
    assert (recording.streams[0].onset, recording.duration) == (0, 5)
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [(1.5, 2, "sleep")]
    assert any("clock" in note for note in recording.notes)
    assert not any("1600000" in note for note in recording.notes)


def test_intervals_follow_each_other_from_the_start(tmp_path):
    path = table(tmp_path, np.arange(30) * 0.1, range(30))
    (tmp_path / "RR.txt").write_text("800 900\n1000 1000")
    events = [{"file": "RR.txt", "intervals": "RR", "unit": "ms"}]
    recording = TableAdapter({**described(sfreq=10), "events": events}).read(path)
    found = [(round(a.onset, 6), round(a.duration, 6)) for a in recording.annotations]
    assert found == [(0, 0.8), (0.8, 0.9), (1.7, 1.0), (2.7, 0.3)]


def test_a_decimal_comma(tmp_path):
    (tmp_path / "r.csv").write_text("t;PLETH\n0,0;1,25\n0,1;-2,5\n")
    mapping = {**described(sfreq=10), "delimiter": ";", "decimal": ","}
    (stream,) = TableAdapter(mapping).read(tmp_path / "r.csv").streams
    np.testing.assert_array_equal(stream.samples * stream.scale[:, None], [[1.25, -2.5]])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_date_times_of_parquet_tell_their_own_unit(tmp_path, unit):
    times = np.datetime64("2024-03-01T10:00:00", "ns") + np.arange(500) * np.timedelta64(4_000_000, "ns")
    pq.write_table(pa.table({"t": times, "PLETH": np.arange(500.0)}), tmp_path / "r.parquet")
    mapping = described(unit) | {"record": r"(\w+)\.parquet"}
    (stream,) = TableAdapter(mapping).read(tmp_path / "r.parquet").streams
    assert (stream.sfreq, stream.onset) == (250, 0)


def test_integers_in_nanoseconds_need_their_unit_said(tmp_path):
    columns = {"t": 1_709_287_200_000_000_000 + np.arange(500) * 4_000_000, "PLETH": np.arange(500.0)}
    pq.write_table(pa.table(columns), tmp_path / "r.parquet")
    for unit in ("s", "ms", "us"):
        with pytest.raises(UnreadableError, match=r"write time_unit: ns in the mapping(, or sfreq: 0\.25 .*)?\.$"):
            TableAdapter(described(unit) | {"record": r"(\w+)\.parquet"}).read(tmp_path / "r.parquet")
    (stream,) = TableAdapter(described("ns") | {"record": r"(\w+)\.parquet"}).read(tmp_path / "r.parquet").streams
    assert stream.sfreq == 250


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (np.arange(20) * 0.5, r"is 2 Hz: .* time_unit: ms .*, or sfreq: 2 if that is the rate"),
        (
            np.datetime64("2024-03-01T10:00:00", "ms") + np.arange(20) * 500,
            r"is 2 Hz, an unlikely .* or write sfreq: 2",
        ),
    ],
)
def test_an_unlikely_rate_must_be_said(tmp_path, times, words):
    path = table(tmp_path, times, range(20))
    with pytest.raises(UnreadableError, match=words):
        TableAdapter(described()).read(path)
    recording = TableAdapter(described(sfreq=2)).read(path)  # it was said, so it is believed, and told
    assert any("2 Hz is an unusual rate of ppg" in note for note in recording.notes)


def test_date_times_as_text(tmp_path):
    times = [f"2024-03-01 10:00:00.{n:02d}" for n in range(0, 100, 4)]
    (tmp_path / "e.csv").write_text("when,what\n2024-03-01T10:00:00.5Z,sleep\n")
    events = [{"file": "e.csv", "onset": "when", "label": "what"}]
    recording = TableAdapter({**described(), "events": events}).read(table(tmp_path, times, range(25)))
    assert recording.streams[0].sfreq == 25
    assert [annotation.onset for annotation in recording.annotations] == pytest.approx([0.5])
    with pytest.raises(UnreadableError, match="row 3, where a number or a time such as"):
        TableAdapter(described()).read(table(tmp_path, ["2024-03-01", "1 March", "x"], range(3)))
