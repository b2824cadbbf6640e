"""What a recording cannot carry: no amplitude without a unit that nothing contradicts."""

import numpy as np
import pytest
from made_ecg import made, recording

from biosig.features import columns, extract
from biosig.features.registry import KINDS, markdown


def amplitudes(row):
    """Values of the columns that need millivolts."""
    names = {f"ecg.{column.name}" for column in columns("ecg") if column.amplitude}
    return row[[name for name in row.index if name.split("[")[0] in names]]


def samples_of(record):
    return np.array(record.streams[0].samples)


def z_scored(x):
    return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)


BROKEN = {
    "uV taken for mV": (lambda x: x * 1000, "mV", "none of a real recording"),
    "mV taken for uV": (lambda x: x, "uV", "none of a real recording"),
    "no unit": (lambda x: x, "", "unit of voltage"),
    "arbitrary unit": (lambda x: x, "NU", "unit of voltage"),
    "z-scored, called mV": (z_scored, "mV", "I and II give"),
    "gains differ by lead": (lambda x: x * np.linspace(0.5, 2, 12)[:, None], "mV", "I and II give"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_contradicted_unit_gives_no_amplitude_and_a_note(case):
    change, unit, reason = BROKEN[case]
    good, row = extract(made()), extract(recording(change(samples_of(made())), unit=unit))
    assert amplitudes(row).isna().all()
    assert amplitudes(good).notna().mean() > 0.9
    assert any(reason in note for note in row.attrs["notes"]), row.attrs["notes"]
    for name in ("rate", "qrs", "pr", "qt"):
        assert row[f"ecg.{name}"] == pytest.approx(good[f"ecg.{name}"], abs=12)
    assert not amplitudes(row).empty


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1000.0), ("V", 0.001), ("mV", 1.0)])
def test_volts_of_any_size_give_the_same_row(unit, factor):
    row, good = extract(recording(samples_of(made()) * factor, unit=unit)), extract(made())
    np.testing.assert_allclose(row.to_numpy(), good.to_numpy(), rtol=2e-2, atol=2e-2)


def test_what_needs_no_amplitude_does_not_change_with_one_gain():
    good, row = extract(made()), extract(recording(samples_of(made()) * 1.7))
    names = [f"ecg.{c.name}" for c in columns("ecg") if not c.amplitude and not c.index]
    np.testing.assert_allclose(row[names].to_numpy(), good[names].to_numpy(), rtol=1e-2, atol=1e-2)


def test_every_column_has_a_name_of_its_own_a_unit_and_a_formula():
    for kind in KINDS:
        found = columns(kind)
        assert len({column.name for column in found}) == len(found)
        assert all(column.unit and column.formula for column in found)
    assert sum(column.name.startswith("score_") for column in columns("ecg")) >= 70
    assert all(column.source for column in columns("ecg") if column.name.startswith("score_"))
    assert markdown(["ecg"]).count("\n") == len(columns("ecg")) + 2


def test_a_row_has_every_column_of_the_registry():
    row = extract(made())
    assert {name.split("[")[0].removeprefix("ecg.") for name in row.index} == {c.name for c in columns("ecg")}
