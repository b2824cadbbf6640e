"""Each folder of public recordings goes in with one command: what went in, and why the rest did not.

    python benchmarks/ingest_sets.py --data DIR [--only NAME …]

DIR holds the folders that `COMMANDS` names; those that are absent are passed over.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shlex
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

import biosig
from biosig.cli import main as command_line
from biosig.shards.verify import check_shards

CONFIGS = Path(__file__).parents[1] / "configs" / "ingest"

COMMANDS = {
    "ptbxl-500": "{data} --labels {data}/ptbxl_database.csv --labels-spec {configs}/ptbxl-labels.yaml",
    "mitdb": "{data} --labels {configs}/mitdb-records.csv --labels-spec {configs}/mitdb-labels.yaml",
    "chagas2025": "{data}",
    "chagas2025-b": "{data}",
    "cinc2020-awwong1": "{data}",
    "cinc2020-sebgood": "{data}",
    "cinc2021": r"{data} --subject-pattern '/([A-Z]+\d+)$'",
    "cinc2021-smoke": "{data} --mapping {configs}/sph.yaml --labels-spec {configs}/cinc2021-labels.yaml "
    "--labels {data}/scored_diagnoses_2021.csv {data}/smoke_data/SPH/metadata.csv",
    "bidmc": "{data} --mapping {configs}/bidmc.yaml",
    "welltory-ppg": "{data} --mapping {configs}/welltory.yaml",
    "torch_ecg-samples": "{data} --mapping {configs}/cpsc.yaml",
    "scipy-ecg": "{data} --mapping {configs}/scipy-ecg.yaml",
    "eegmmidb": r"{data} --recipe {configs}/eeg.yaml --subject-pattern '(?P<subject>S\d{{3}})(?P<run>R\d{{2}})'",
    "eegmat": r"{data} --recipe {configs}/eeg.yaml --subject-pattern '(?P<subject>Subject\d{{2}})_(?P<run>\d)'",
    "smni": "{data} --mapping {configs}/smni.yaml --labels {data}/smni_train.csv --id-column file "
    "--subject-column subject",
    "bids-tiny": "{data}",
    "wfdb-python": "{data}",
    "wfdb-c": "{data}",
    "mne-testing": "{data}",
    "mne-python": "{data}",
    "eeglab": "{data}",
    "eeglab-bdf": "{data}",
    "pyedflib": "{data}",
    "edfio": "{data}",
    "xdf": "{data}",
    "slpdb-lfs": "{data}",
    "apnea-ann": "{data}",
}
"""What follows ``biosig ingest``; {data} is the folder, {configs} is configs/ingest."""


def ingest(name: str, data: Path, out: Path) -> int:
    """Run one command as a user would; its exit status."""
    words = shlex.split(COMMANDS[name].format(data=data / name, configs=CONFIGS))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            command_line(["ingest", *words, "--out", str(out)])
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def describe(name: str, out: Path) -> tuple[str, list[str]]:
    """A row of the table, and a line per kind of failure."""
    recordings = biosig.open_shards(out).to_pandas() if any(out.glob("*.h5")) else None
    failures = pq.read_table(out / "failures.parquet").to_pylist() if (out / "failures.parquet").exists() else []
    n, hours, channels, subjects = 0, 0.0, "–", 0
    if recordings is not None:
        problems = check_shards(out).problems
        assert not problems, problems
        n, hours = len(recordings), recordings["duration"].sum() / 3600
        counts = sorted(set(recordings["n_chans"]))
        channels = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
        subjects = recordings["subject"].nunique()
    reasons = Counter(f"`{Path(row['file']).name}`: {without_folder(row)}" for row in failures)
    row = f"| {name} | {n + len(failures)} | {n} | {subjects} | {hours:.2f} | {channels} | {len(failures)} |"
    return row, [f"- {name}: {reason}" for reason in reasons]


def without_folder(failure: dict[str, str]) -> str:
    """The sentence, with file names in place of paths."""
    return failure["sentence"].replace(str(Path(failure["file"]).parent) + "/", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(COMMANDS))
    options = parser.parse_args()
    rows, reasons = [], []
    for name in options.only:
        if not (options.data / name).is_dir():
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "shards")
            ingest(name, options.data, out)
            row, why = describe(name, out)
        rows.append(row)
        reasons += why
    print("| set | recordings found | went in | subjects | hours | channels | failed |\n|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print("\nWhat failed, and the sentence:\n")
    print("\n".join(reasons))


if __name__ == "__main__":
    main()
