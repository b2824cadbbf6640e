"""Fixtures of probes and benches: the sample recordings as shards, with labels."""

import ast
from dataclasses import replace

import pandas as pd
import pytest

import biosig
from biosig import samples
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards


@pytest.fixture(scope="session")
def ecg_shards(tmp_path_factory):
    """All 100-Hz PTB-XL samples with their diagnostic superclasses, subjects, ages and sexes."""
    folder = samples.path("ptbxl")
    statements = pd.read_csv(folder / "scp_statements.csv", index_col=0)
    superclass = statements.loc[statements["diagnostic"] == 1, "diagnostic_class"]
    out = tmp_path_factory.mktemp("ecg")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for row in pd.read_csv(folder / "ptbxl_database.csv").itertuples():
            recording = biosig.read(folder / f"{row.filename_lr}.hea")
            codes = {superclass[code] for code in ast.literal_eval(row.scp_codes) if code in superclass}
            writer.add(
                replace(
                    recording,
                    subject=Subject(f"P{row.patient_id:.0f}", float(row.age), ("male", "female")[int(row.sex)]),
                    labels={"diagnostic_superclass": sorted(codes), "site": str(row.site)},
                )
            )
    build_index(out)
    return open_shards(out)


@pytest.fixture(scope="session")
def eeg_shards(tmp_path_factory):
    """All EEGMMIDB samples; subject and run from the file's name."""
    out = tmp_path_factory.mktemp("eeg")
    with ShardWriter(out / "eeg.h5", recipe={}) as writer:
        for path in sorted(samples.path("eegmmidb").glob("*.edf")):
            recording = biosig.read(path)
            writer.add(replace(recording, subject=Subject(path.stem[:4]), labels={"run": path.stem[4:]}))
    build_index(out)
    return open_shards(out)


@pytest.fixture(scope="session")
def few_channels(eeg_shards, tmp_path_factory):
    """The left/right runs with C3, Cz and C4 alone: fast enough for many small trainings."""
    out = tmp_path_factory.mktemp("few")
    with ShardWriter(out / "eeg.h5", recipe={}) as writer:
        for stored in eeg_shards.query("run == 'R04'"):
            recording = stored.read()
            (stream,) = recording.streams
            rows = [i for i, c in enumerate(stream.channels) if c.name in ("C3", "Cz", "C4")]
            number = recording.subject.id[1:]
            writer.add(replace(recording, streams=[stream.pick(rows)], labels={**recording.labels, "number": number}))
    build_index(out)
    return open_shards(out)
