"""Cut the sample recordings out of the original databases; what is committed beside this file came out of it.

``python -m tools.make_samples --data DIR`` reads DIR/ptbxl-500, DIR/eegmmidb and DIR/bidmc (the databases in
their original layout) and writes the three sets beside this file, byte for byte the same on every run. Digital values
and text are copied, never recomputed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import logging
import shutil
from ast import literal_eval
from collections import Counter
from pathlib import Path

from biosig.errors import DataError
from biosig.samples import path

logger = logging.getLogger(__name__)

N_PER_CLASS = 47
N_TWICE = 3

EEG_CHANNELS = ["Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz"]
EEG_CHANNELS += ["C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2"]
EEG_SECONDS = 67
"""Sixteen whole events of 4.1 or 4.2 s, and the first second or so of the next one."""

BIDMC_RECORDS = ("01", "04", "05", "15", "18")
BIDMC_SECONDS = 120
BIDMC_SFREQ = 125


def superclasses(scp_codes: str, statements: dict[str, str]) -> set[str]:
    """Diagnostic superclasses of one PTB-XL record, as the database's own example code aggregates them."""
    return {statements[code] for code in literal_eval(scp_codes) if code in statements}


def choose_ptbxl(rows: list[dict[str, str]], statements: dict[str, str]) -> list[int]:
    """Row numbers: patients seen once, as many normal as abnormal; a few seen twice; one both normal and not."""
    visits = Counter(row["patient_id"] for row in rows)
    classes = [superclasses(row["scp_codes"], statements) for row in rows]
    once = [i for i, row in enumerate(rows) if visits[row["patient_id"]] == 1]
    normal = [i for i in once if classes[i] == {"NORM"}][:N_PER_CLASS]
    abnormal = [i for i in once if classes[i] and "NORM" not in classes[i]][:N_PER_CLASS]
    mixed = [i for i in once if len(classes[i]) > 1 and "NORM" in classes[i]][:1]
    patients = list(dict.fromkeys(row["patient_id"] for row in rows if visits[row["patient_id"]] == 2))[:N_TWICE]
    twice = [i for i, row in enumerate(rows) if row["patient_id"] in patients]
    return sorted(normal + abnormal + mixed + twice)


def make_ptbxl(source: Path, target: Path) -> None:
    """Copy chosen 100-Hz records, both 500-Hz records of one patient, and the rows of the table that name them."""
    with (source / "scp_statements.csv").open(newline="") as file:
        statements = {row[""]: row["diagnostic_class"] for row in csv.DictReader(file) if row["diagnostic"]}
    lines = (source / "ptbxl_database.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    rows = list(csv.DictReader(lines))
    if len(rows) != len(lines) - 1:
        raise DataError("ptbxl_database.csv has line breaks inside fields: its lines cannot be copied one by one.")
    chosen = choose_ptbxl(rows, statements)
    visits = Counter(rows[i]["patient_id"] for i in chosen)
    patient = next(rows[i]["patient_id"] for i in chosen if visits[rows[i]["patient_id"]] == 2)
    names = [rows[i]["filename_lr"] for i in chosen]
    names += [rows[i]["filename_hr"] for i in chosen if rows[i]["patient_id"] == patient]
    for name in names:
        for suffix in (".hea", ".dat"):
            copy_bytes(source / (name + suffix), target / (name + suffix))
    table = lines[0] + "".join(lines[i + 1] for i in chosen)
    (target / "ptbxl_database.csv").write_text(table, encoding="utf-8", newline="")
    copy_bytes(source / "scp_statements.csv", target / "scp_statements.csv")


def crop_edf(data: bytes, channels: list[str], n_records: int) -> bytes:
    """The first `n_records` data records of some channels of an EDF+ file, with the events that end within them.

    Header fields, digital values and the time-keeping annotations are copied as they are; only the header's byte
    count, number of records and number of signals change (EDF specification, Kemp et al. 1992 and 2003).
    """
    n_signals = int(data[252:256])
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    fields, at = [], 256
    for width in widths:
        fields.append([data[at + i * width : at + (i + 1) * width] for i in range(n_signals)])
        at += n_signals * width
    labels = [label.decode("ascii").strip().rstrip(".").lower() for label in fields[0]]
    keep = [labels.index(name.lower()) for name in channels] + [labels.index("edf annotations")]
    sizes = [2 * int(n) for n in fields[8]]
    starts = [sum(sizes[:i]) for i in range(n_signals)]
    seconds = n_records * float(data[244:252])

    records = []
    for record in range(n_records):
        body = data[at + record * sum(sizes) :]
        parts = [body[starts[i] : starts[i] + sizes[i]] for i in keep[:-1]]
        annotations = body[starts[keep[-1]] : starts[keep[-1]] + sizes[keep[-1]]]
        records.append(b"".join(parts) + whole_events(annotations, seconds))
    header = data[:184] + f"{256 * (1 + len(keep)):<8d}".encode() + data[192:236]
    header += f"{n_records:<8d}".encode() + data[244:252] + f"{len(keep):<4d}".encode()
    return header + b"".join(field[i] for field in fields for i in keep) + b"".join(records)


def whole_events(annotations: bytes, seconds: float) -> bytes:
    """An EDF+ annotation block without the events that last beyond `seconds`; same length, padded with zero bytes."""
    kept = []
    for entry in annotations.split(b"\0"):
        onset, _, duration = entry.split(b"\x14")[0].partition(b"\x15")
        if entry and float(onset) + float(duration or 0) <= seconds:
            kept.append(entry + b"\0")
    return b"".join(kept).ljust(len(annotations), b"\0")


def make_eegmmidb(source: Path, target: Path) -> None:
    """Crop every run of motor imagery to 19 channels of the 10-20 system and its first minute."""
    for file in sorted(source.glob("S???R0[46].edf")):
        target.mkdir(parents=True, exist_ok=True)
        (target / file.name).write_bytes(crop_edf(file.read_bytes(), EEG_CHANNELS, EEG_SECONDS))


def make_bidmc(source: Path, target: Path) -> None:
    """Crop a few records to their first two minutes; the lines that stay are the source's own text."""
    for record in BIDMC_RECORDS:
        stem = f"bidmc_{record}"
        copy_bytes(source / f"{stem}_Fix.txt", target / f"{stem}_Fix.txt")
        for table in ("Signals", "Numerics"):
            head, *lines = read_lines(source / f"{stem}_{table}.csv")
            kept = [line for line in lines if float(line.split(",")[0]) < BIDMC_SECONDS]
            write_lines(target / f"{stem}_{table}.csv.gz", [head, *kept])
        head, *lines = read_lines(source / f"{stem}_Breaths.csv")
        write_lines(target / f"{stem}_Breaths.csv.gz", [head, *(line for row in lines if (line := early(row)))])


def early(line: str) -> str:
    """A line of two annotators' breaths, NaN instead of a breath after the cut; empty if there is none before it."""
    cells = [cell if float(cell) < BIDMC_SECONDS * BIDMC_SFREQ else "NaN" for cell in line.split(",")]
    return ",".join(cell.strip() for cell in cells) + "\n" if set(cells) != {"NaN"} else ""


def read_lines(file: Path) -> list[str]:
    """Lines of a text file that is there either as it is or gzipped."""
    data = file.read_bytes() if file.exists() else gzip.decompress(file.with_name(file.name + ".gz").read_bytes())
    return data.decode("utf-8").splitlines(keepends=True)


def write_lines(file: Path, lines: list[str]) -> None:
    """Gzip `lines` without a time stamp, so that the same lines give the same bytes."""
    file.write_bytes(gzip.compress("".join(lines).encode("utf-8"), compresslevel=9, mtime=0))


def copy_bytes(source: Path, target: Path) -> None:
    """Copy the content of a file, not its permissions (the originals may be read-only)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def main() -> None:
    """Write the three sets beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ptbxl-500, eegmmidb and bidmc")
    parser.add_argument("--out", type=Path, default=path(), help="where to write (default: beside this file)")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, folder, make in (
        ("ptbxl", "ptbxl-500", make_ptbxl),
        ("eegmmidb", "eegmmidb", make_eegmmidb),
        ("bidmc", "bidmc/bidmc_csv", make_bidmc),
    ):
        make(args.data / folder, args.out / name)
        files = [file for file in (args.out / name).rglob("*") if file.is_file()]
        logger.info("%s: %d files, %.2f MB", name, len(files), sum(file.stat().st_size for file in files) / 1e6)


if __name__ == "__main__":
    main()
