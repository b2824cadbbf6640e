"""The data sets of the bench as shards, one folder each: `python benchmarks/bench_shards.py --data DIR --out shards`.

DIR holds ptbxl-500/, mitdb/, chagas2025-b/, eegmmidb/, eegmat/, smni/, bidmc/ and welltory-ppg/. A set that is there
already is left as it is.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "configs" / "ingest"

INGEST = {
    "ptbxl": "{data}/ptbxl-500/records500 --labels {data}/ptbxl-500/ptbxl_database.csv "
    "--labels-spec {configs}/ptbxl-labels.yaml",
    "mitdb": "{data}/mitdb --labels {configs}/mitdb-records.csv --labels-spec {configs}/mitdb-labels.yaml",
    "chagas": "{data}/chagas2025-b",
    "eegmmidb": r"{data}/eegmmidb --subject-pattern '(?P<subject>S\d{{3}})(?P<run>R\d{{2}})'",
    "eegmat": r"{data}/eegmat --subject-pattern '(?P<subject>Subject(?P<number>\d{{2}}))_(?P<part>\d)'",
    "smni": "{data}/smni --mapping {configs}/smni.yaml --labels {data}/smni/smni_train.csv --id-column file "
    "--subject-column subject",
    "bidmc": "{data}/bidmc --mapping {configs}/bidmc.yaml",
    "welltory": "{data}/welltory-ppg --mapping {configs}/welltory.yaml",
}
"""Arguments of ``biosig ingest`` for each set."""


def main() -> None:
    """Ingest each set that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--out", type=Path, default=Path("shards"))
    args = parser.parse_args()
    for name, words in INGEST.items():
        if (args.out / name / "index.parquet").exists():
            continue
        command = shlex.split(words.format(data=args.data, configs=CONFIGS))
        biosig = Path(sys.executable).with_name("biosig")
        subprocess.run([biosig, "ingest", *command, "--out", args.out / name], check=False)
        if not (args.out / name / "index.parquet").exists():
            raise SystemExit(f"{name} did not go in: run biosig ingest {shlex.join(command)} --out {args.out / name}")


if __name__ == "__main__":
    main()
