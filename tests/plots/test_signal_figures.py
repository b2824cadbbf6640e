"""Figures of real signals: what is drawn, where, in which unit, and what is marked as not real."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.plots import plot_ecg, plot_electrodes, plot_model_input, plot_reconstruction, plot_signals
from biosig.plots.ecg import LEFT, SPEED
from biosig.plots.style import round_amount, spans
from biosig.recording import Channel, Recording, Stream


@pytest.fixture
def ecg() -> Recording:
    return biosig.read(samples.path("ptbxl") / "records100/00000/00012_lr.hea")


@pytest.fixture
def eeg() -> Recording:
    return biosig.read(samples.path("eegmmidb") / "S001R04.edf")


def drawn(figure: Figure, gid: str) -> list:
    return [artist for ax in figure.axes for artist in ax.get_children() if artist.get_gid() == gid]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_ecg_is_laid_out_as_twelve_leads_over_a_rhythm_strip(ecg: Recording) -> None:
    figure = plot_ecg(ecg)
    assert len(figure.axes) == 1
    for name in ecg.ch_names:
        assert len(drawn(figure, name)) == (2 if name == "II" else 1)
        assert name in texts(figure)
    rhythm = max(drawn(figure, "II"), key=lambda line: len(line.get_xdata()))
    assert len(rhythm.get_xdata()) == 1000
    assert len(drawn(figure, "V1")[0].get_xdata()) == 250


def test_ecg_is_to_scale(ecg: Recording) -> None:
    figure = plot_ecg(ecg)
    ax = figure.axes[0]
    width, height = figure.get_size_inches() * 25.4
    assert ax.get_xlim() == pytest.approx((0, width))
    assert ax.get_ylim() == pytest.approx((0, height))
    stream = ecg.streams[0]
    v4 = stream.physical()[stream.ch_names.index("V4")]
    line = drawn(figure, "V4")[0]
    assert np.ptp(line.get_ydata()) == pytest.approx(10 * np.ptp(v4[750:]), rel=1e-5)
    assert line.get_xdata()[0] == pytest.approx(LEFT + 7.5 * SPEED)
    pulse = drawn(figure, "calibration")[0]
    assert np.ptp(pulse.get_ydata()) == pytest.approx(10)


def test_rows_make_room_for_large_complexes(ecg: Recording) -> None:
    tall = replace(ecg, streams=[replace(ecg.streams[0], scale=ecg.streams[0].scale * 3)])
    figure = plot_ecg(tall)
    assert figure.get_figheight() > plot_ecg(ecg).get_figheight() * 1.3
    bottom, top = figure.axes[0].get_ylim()
    for name in tall.ch_names:
        y = drawn(figure, name)[0].get_ydata()
        assert bottom < y.min()
        assert y.max() < top


def test_invalid_ecg_is_shaded_and_not_drawn(ecg: Recording) -> None:
    stream = replace(ecg.streams[0], invalid=np.array([[0, 50, 120]]))  # lead I, 0.5 s to 1.2 s
    figure = plot_ecg(replace(ecg, streams=[stream]))
    (box,) = drawn(figure, "invalid")
    assert box.get_x() == pytest.approx(LEFT + 0.5 * SPEED)
    assert box.get_width() == pytest.approx(0.7 * SPEED)
    assert np.isnan(drawn(figure, "I")[0].get_ydata()).sum() == 70
    assert not drawn(plot_ecg(ecg), "invalid")


def test_few_leads_or_a_short_window_get_one_row_per_lead(ecg: Recording) -> None:
    two = replace(ecg, streams=[ecg.streams[0].pick([1, 6])])
    assert [len(drawn(plot_ecg(two), name)) for name in ("II", "V1", "I")] == [1, 1, 0]
    short = plot_ecg(ecg, start=2.0, duration=4.0)
    assert len(drawn(short, "II")) == 1
    assert len(drawn(short, "V6")[0].get_xdata()) == 400


def test_microvolt_ecg_is_drawn_in_millivolt(ecg: Recording) -> None:
    stream = ecg.streams[0]
    channels = tuple(replace(channel, unit="uV") for channel in stream.channels)
    same = replace(ecg, streams=[replace(stream, channels=channels, scale=stream.scale * 1000)])
    expected, got = drawn(plot_ecg(ecg), "V2")[0], drawn(plot_ecg(same), "V2")[0]
    np.testing.assert_allclose(got.get_ydata(), expected.get_ydata(), atol=1e-3)


def test_no_ecg_and_no_voltage_are_explained(ecg: Recording, eeg: Recording) -> None:
    with pytest.raises(DataError, match=r"no ECG channel.*eeg.*plot_signals"):
        plot_ecg(eeg)
    channels = tuple(replace(channel, unit="NU") for channel in ecg.streams[0].channels)
    with pytest.raises(DataError, match=r"'I'.*'NU'"):
        plot_ecg(replace(ecg, streams=[replace(ecg.streams[0], channels=channels)]))


def test_eeg_traces_carry_names_scale_and_events(eeg: Recording) -> None:
    figure = plot_signals(eeg, start=0, duration=12)
    ax = figure.axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == eeg.ch_names
    assert ax.get_xlim() == pytest.approx((0, 12))
    assert ax.get_xlabel() == "time (s)"
    assert any(text.endswith(" µV") for text in texts(figure))
    assert len(drawn(figure, "event")) == 3  # T0, T2, T0 begin before 12 s
    assert {"T0", "T2"} <= set(texts(figure))
    assert "T1" not in texts(figure)


def test_channels_of_one_kind_share_one_scale(eeg: Recording) -> None:
    figure = plot_signals(eeg, duration=10)
    values = eeg.crop(0, 10).streams[0].physical()
    ratio = [np.ptp(drawn(figure, name)[0].get_ydata()) / np.ptp(values[i]) for i, name in enumerate(eeg.ch_names)]
    assert np.ptp(ratio) < 1e-4 * max(ratio)


def test_invalid_parts_of_any_signal_are_shaded(eeg: Recording) -> None:
    stream = replace(eeg.streams[0], invalid=np.array([[3, 320, 480]]))
    figure = plot_signals(replace(eeg, streams=[stream]), duration=10)
    (box,) = drawn(figure, "invalid")
    assert (box.get_x(), box.get_width()) == pytest.approx((2.0, 1.0))
    assert "not a real value" in texts(figure)


def test_streams_of_different_rates_share_the_picture(eeg: Recording) -> None:
    slow = Channel("HR", "HR", "misc", "/min")
    numbers = Stream(1.0, (slow,), np.array([[94, 95, 95, 94, 93]], np.int16), np.ones(1), np.zeros(1))
    figure = plot_signals(replace(eeg, streams=[*eeg.streams, numbers]), duration=5)
    assert drawn(figure, "HR")[0].get_drawstyle() == "steps-post"
    assert any("/min around 94" in text for text in texts(figure))
    assert "160 Hz, 1 Hz" in " ".join(texts(figure))
    only = plot_signals(replace(eeg, streams=[*eeg.streams, numbers]), duration=5, kinds=["misc"])
    assert [tick.get_text() for tick in only.axes[0].get_yticklabels()] == ["HR"]
    with pytest.raises(DataError, match=r"no channel of kind ppg.*eeg"):
        plot_signals(eeg, kinds=["ppg"])


def test_electrode_map_has_a_view_per_place(ecg: Recording, eeg: Recording) -> None:
    finger = Channel("finger", "PLETH", "ppg", "NU", (0.35, 0.05, -0.85), position_source="template")
    figure = plot_electrodes([*ecg.channels, *eeg.channels, finger])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["EEG, from above", "Limb leads and PPG site, from the front", "Chest leads, horizontal plane"]
    head, front, _ = figure.axes
    place = {line.get_gid(): (line.get_xdata()[0], line.get_ydata()[0]) for line in [*head.lines, *front.lines]}
    assert place["Fp1"][0] < 0 < place["Fp2"][0]  # seen from above: right at the right
    assert place["Fp1"][1] > place["O1"][1]  # nose up
    assert place["finger"][0] < 0 < place["aVL"][0]  # seen from the front: right at the left


def test_electrode_map_names_what_it_cannot_place(eeg: Recording) -> None:
    stray = Channel("EEG 5", "EEG 5", "eeg", "uV")
    assert any("position unknown: EEG 5" in text for text in texts(plot_electrodes([*eeg.channels, stray])))
    with pytest.raises(DataError, match="EEG 5"):
        plot_electrodes([stray])


def test_reconstruction_is_drawn_only_where_it_was_hidden(ecg: Recording) -> None:
    stream = ecg.streams[0]
    truth = stream.physical()
    mask = np.zeros(truth.shape, bool)
    mask[:, 200:300] = True
    mask[1, 600:700] = True
    figure = plot_reconstruction(truth, truth * 0.5, mask, 100.0, stream.ch_names, "mV", max_chans=12)
    for row in range(12):
        guess, hidden, seen = (
            np.isfinite(drawn(figure, g)[row].get_ydata()) for g in ("reconstruction", "truth", "seen")
        )
        assert np.array_equal(guess, mask[row])
        assert np.array_equal(hidden, mask[row])
        assert np.array_equal(seen, ~mask[row])
    assert len(drawn(figure, "hidden")) == 13
    assert any("r = 1.00" in text for text in texts(figure))
    assert "I" in texts(figure)
    assert any(text.endswith(" mV") for text in texts(figure))


def test_reconstruction_says_what_it_left_out_and_refuses_odd_shapes(ecg: Recording) -> None:
    stream = ecg.streams[0]
    truth = stream.physical()
    mask = np.zeros(truth.shape, bool)
    figure = plot_reconstruction(truth, truth, mask, 100.0, stream.ch_names, "mV", max_chans=4)
    assert any("4 of 12 channels" in text for text in texts(figure))
    assert any("no correlation can be given" in text for text in texts(figure))
    with pytest.raises(DataError, match="shape"):
        plot_reconstruction(truth, truth[:, :500], mask, 100.0, stream.ch_names, "mV")


def test_scale_bars_stand_for_round_amounts() -> None:
    assert [round_amount(x) for x in (0.49, 3.9, 7, 100, 0.002)] == pytest.approx([0.2, 2, 5, 100, 0.002])
    assert list(spans(np.array([True, True, False, True]))) == [(0, 2), (3, 4)]


def test_model_input_shows_patches_turned_leads_and_what_gives_no_token(ecg: Recording) -> None:
    from biosig.batches.contract import InputContract, prepare

    contract = InputContract(sfreq=100.0, patch_seconds=0.4, stride_seconds=0.4, unit="mV")
    stream = replace(ecg.streams[0], invalid=np.array([[6, 100, 110]]))  # V1, within the patch from 0.8 s to 1.2 s
    (prepared,) = prepare(replace(ecg, streams=[stream]), {"ecg": contract})
    figure = plot_model_input(prepared, contract)
    assert len(drawn(figure, "patch")) == 25
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert [name.lstrip("−") for name in names] == ecg.ch_names
    assert [name.startswith("−") for name in names] == [sign < 0 for sign in prepared.sign]
    (shade,) = drawn(figure, "invalid")
    left, right = shade.get_paths()[0].vertices[:, 0].min(), shade.get_paths()[0].vertices[:, 0].max()
    assert (left, right) == pytest.approx((0.8, 1.2))
    assert any("300 patches of 0.4 s = 40 samples" in text for text in texts(figure))


def test_a_sliver_of_an_event_does_not_take_its_neighbour_s_label(eeg: Recording) -> None:
    figure = plot_signals(eeg, start=4, duration=8)  # the last 0.2 s of T0, then T2, then T0
    above = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert above["T2"] == pytest.approx(4.2)
    assert above["T0"] == pytest.approx(8.3)
