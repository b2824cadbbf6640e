"""A SIMULATED follow-up for PTB-XL, which has none: to try the code for outcomes on, and no finding about anybody.

    python -m biosig.simulate.followup ptbxl_database.csv followup.csv
    biosig ingest … --labels ptbxl_database.csv followup.csv --labels-spec configs/ingest/ptbxl-followup-simulated.yaml

Times are drawn from hazards that this file makes up of age, sex and SCP codes, so a model can at best find age, sex and
diagnoses in the ECG again. Every column, label, configuration and note that comes of it says SIMULATED.

The hazard is exponential: 0.04 a year for a woman of 60 with a normal ECG, doubled by ten more years of age, and
multiplied as in `HAZARD_RATIOS`. Observation ends by chance between 2 and 10 years after a patient's last ECG.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from biosig.errors import DataError, UsageError

TIME, EVENT = "simulated_years", "simulated_death"

BASE_HAZARD, BASE_AGE, DOUBLING_YEARS = 0.04, 60.0, 10.0
CENSORING_YEARS = (2.0, 10.0)
OLDEST = 90.0
"""PTB-XL writes 300 for an age over 89."""

HAZARD_RATIOS = {
    "male": ({"male"}, 1.4),
    "infarction": ({"IMI", "ASMI", "AMI", "ALMI", "LMI", "ILMI", "PMI", "IPMI", "IPLMI"}, 2.5),
    "conduction": ({"CLBBB", "CRBBB", "IVCD", "LAFB", "LPFB", "1AVB", "2AVB", "3AVB"}, 1.6),
    "hypertrophy": ({"LVH", "RVH", "SEHYP", "LAO/LAE", "RAO/RAE"}, 1.6),
    "fibrillation": ({"AFIB", "AFLT"}, 2.0),
    "repolarisation": ({"ISC_", "ISCAL", "ISCIN", "ISCIL", "ISCLA", "ISCAS", "ISCAN", "STD_", "STE_", "INVT"}, 1.5),
}
"""Name → (codes of which one is enough, factor of the hazard); invented, of the order that cohorts report."""


def hazard(age: float, facts: set[str]) -> float:
    """Chance of death per year.

    Parameters
    ----------
    age : float
        Years.
    facts : set of str
        SCP codes, and "male".
    """
    ratios = [ratio for codes, ratio in HAZARD_RATIOS.values() if codes & facts]
    return float(BASE_HAZARD * 2 ** ((age - BASE_AGE) / DOUBLING_YEARS) * np.prod(ratios))


def simulate_followup(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Draw a SIMULATED time to death or to the end of observation for each ECG.

    A patient's fate is drawn once, from the facts at the last ECG and from seed and patient alone, so that further
    patients change none of the others; earlier ECGs of the patient have as much more time as they lie before it.

    Parameters
    ----------
    table : DataFrame
        PTB-XL's `ptbxl_database.csv`: filename_lr, filename_hr, patient_id, age, sex (0 = male), scp_codes and
        recording_date.
    seed : int
        Another seed, another follow-up.

    Returns
    -------
    DataFrame
        filename_lr, filename_hr, `simulated_years`, `simulated_death` (1 = died, 0 = observation ended); without the
        patients whose age or sex is not known.

    Raises
    ------
    DataError
        If a column is absent.
    """
    needed = ["filename_lr", "filename_hr", "patient_id", "age", "sex", "scp_codes", "recording_date"]
    absent = [column for column in needed if column not in table]
    if absent:
        raise DataError(
            f"The table has no column '{absent[0]}': give PTB-XL's ptbxl_database.csv, version 1.0.1 or later."
        )
    rows = table[needed].assign(date=pd.to_datetime(table["recording_date"])).sort_values("date", kind="stable")
    parts = []
    for patient, ecgs in rows.dropna(subset=["age", "sex"]).groupby("patient_id"):
        last = ecgs.iloc[-1]
        facts = set(ast.literal_eval(last["scp_codes"])) | ({"male"} if last["sex"] == 0 else set())
        rng = np.random.default_rng([seed, int(patient)])
        death = rng.exponential(1 / hazard(min(float(last["age"]), OLDEST), facts))
        end = rng.uniform(*CENSORING_YEARS)
        years_before_last = (last["date"] - ecgs["date"]).dt.days / 365.25
        parts.append(
            ecgs[["filename_lr", "filename_hr"]].assign(
                **{TIME: (min(death, end) + years_before_last).round(4), EVENT: int(death <= end)}
            )
        )
    return pd.concat(parts).sort_index()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read PTB-XL's table, write the SIMULATED one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, metavar="ptbxl_database.csv")
    parser.add_argument("out", type=Path, metavar="OUT.csv")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    if args.out.exists():
        raise UsageError(f"{args.out} exists: remove it, or give another name.")
    simulate_followup(pd.read_csv(args.table), args.seed).to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
