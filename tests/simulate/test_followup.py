import numpy as np
import pandas as pd
import pytest

from biosig import samples
from biosig.errors import DataError, UsageError
from biosig.simulate.followup import EVENT, TIME, hazard, main, simulate_followup


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(samples.path("ptbxl") / "ptbxl_database.csv")


def test_hazard_doubles_with_ten_years_and_grows_with_sex_and_codes():
    assert hazard(60, set()) == pytest.approx(0.04)
    assert hazard(70, {"SR"}) == pytest.approx(0.08)
    assert hazard(60, {"male", "IMI", "ASMI"}) == pytest.approx(0.04 * 1.4 * 2.5)


def test_the_same_seed_gives_the_same_fates_and_others_change_nobodys(table):
    whole, part = simulate_followup(table), simulate_followup(table.iloc[::2])
    alone = table.iloc[::2].groupby("patient_id").filter(lambda ecgs: ecgs["patient_id"].iloc[0] not in _later(table))
    pd.testing.assert_frame_equal(whole.loc[alone.index], part.loc[alone.index])
    assert not whole[TIME].equals(simulate_followup(table, seed=1)[TIME])


def _later(table):
    """Patients who lose an ECG when every second row is taken."""
    return set(table["patient_id"].iloc[1::2])


def test_ecgs_of_one_patient_end_on_one_day(table):
    twice = table.iloc[[0, 0]].reset_index(drop=True)
    twice["recording_date"] = ["1990-01-01", "1991-01-01"]
    drawn = simulate_followup(twice)
    assert drawn[TIME][0] - drawn[TIME][1] == pytest.approx(365 / 365.25, abs=1e-3)
    assert drawn[EVENT].nunique() == 1


def test_events_follow_the_hazard(table):
    rows = table.iloc[[0] * 2000].assign(patient_id=np.arange(2000), age=60.0, sex=1, scp_codes="{'NORM': 100.0}")
    drawn = simulate_followup(rows.reset_index(drop=True))
    assert drawn[EVENT].sum() / drawn[TIME].sum() == pytest.approx(0.04, rel=0.12)


def test_unknown_age_gives_no_follow_up_and_absent_columns_are_named(table):
    assert len(simulate_followup(table)) == table["age"].notna().sum()
    with pytest.raises(DataError, match="no column 'scp_codes'"):
        simulate_followup(table.drop(columns="scp_codes"))


def test_the_command_writes_a_table_once(tmp_path):
    arguments = [str(samples.path("ptbxl") / "ptbxl_database.csv"), str(tmp_path / "followup.csv")]
    main(arguments)
    assert set(pd.read_csv(arguments[1])) == {"filename_lr", "filename_hr", TIME, EVENT}
    with pytest.raises(UsageError, match="exists"):
        main(arguments)
