"""Tables, mappings, configurations, checkpoints, training states, results and shards that are broken at random.

Each is opened, or ends in one clean sentence of at most 500 characters, soon and in bounded memory. A process of its
own opens them. `ingest/test_fuzz.py` does the same to recordings.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from mutated_doors import DOORS, small_network

from biosig.training.config import OptimizerConfig
from biosig.training.optimizer import make_optimizer, make_plateau
from biosig.training.state import TrainingState
from biosig.training.weights import MovingAverage

OLD = Path(__file__).parent / "fixtures" / "0.1.0"
CONFIGS = Path(__file__).parents[1] / "configs"
SECONDS, MEGABYTES, CHARACTERS = 10, 2048, 500
LIES = [
    *(
        b"0",
        b"-1",
        b"1000000000",
        b"9" * 30,
        b"NaN",
        b".inf",
        b"1e400",
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"\x1b[2J",
        b"\0",
    ),
    *(b"A" * 100_000, b"[" * 100_000, b"{a: " * 2000, b"*a", b"&a [*a]", b"!!python/object:os.system x"),
]
"""What a piece of a file is replaced by."""


def bases(folder):
    """Whole files of each kind, each in a folder of its own: (kind, folder)."""
    made = []

    def base(kind, name, *files, whole=None):
        place = folder / "bases" / f"{kind}-{name}"
        shutil.copytree(whole, place) if whole else place.mkdir(parents=True)
        for file, as_name in files:
            shutil.copy(file, place / as_name)
        made.append((kind, place))
        return place

    rows = pd.DataFrame(
        {"file": ["00001_lr", "00002_lr"] * 20, "age": [61, 44.5] * 20, "codes": ["['A', 'B']", "[]"] * 20,
         "note": ["Sinus, 0,5 mV", "AF; 1.5"] * 20, "sex": [0, 1] * 20}
    ).drop_duplicates("file")  # fmt: skip
    for name, write in {
        "labels.csv": lambda path: rows.to_csv(path, index=False),
        "labels.tsv": lambda path: rows.to_csv(path, index=False, sep="\t"),
        "labels.csv.gz": lambda path: rows.to_csv(path, index=False),
        "labels.parquet": lambda path: rows.to_parquet(path),
    }.items():
        write(base("table", name.replace(".", "-")) / name)
    spec = base("table", "ptbxl-spec", (CONFIGS / "ingest" / "ptbxl-labels.yaml", "spec.yaml"))
    rows.to_csv(spec / "labels.csv", index=False)
    for path in sorted(CONFIGS.glob("ingest/*.yaml")):
        if "record:" in path.read_text():
            base("mapping", path.stem, (path, path.name))
    for verb in ("pretrain", "finetune", "probe", "qa", "waveform", "retrieval"):
        for path in sorted((CONFIGS / verb).glob("*.yaml"))[:2]:
            base("config", f"{verb}-{path.stem}", (path, f"{verb}-{path.name}"))
    base("config", "ingest-ecg", (CONFIGS / "ingest" / "ecg.yaml", "ingest-ecg.yaml"))
    for name in ("reconstruction", "csfm"):
        base("model", name, whole=OLD / "pretrain" / name / "model")
        base("run", name, whole=OLD / "pretrain" / name)
    base("tuned", "finetune", whole=OLD / "results" / "finetune" / "weights" / "fold-0-seed-0")
    network = small_network()
    optimizer = make_optimizer(network, OptimizerConfig())
    network(torch.ones(1, 5)).sum().backward()
    optimizer.step()
    place = base("state", "small") / "training.safetensors"
    TrainingState(network, optimizer, make_plateau(optimizer), MovingAverage(network, 0.9)).save(place)
    for name in ("probe", "finetune"):
        base("result", name, whole=OLD / "results" / name)
    for name in ("ecg", "eeg", "bedside"):
        base("shards", name, whole=OLD / "shards" / name)
    return made


def mutate(folder, luck):
    """Break one file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    target = luck.choice(files)
    raw = bytearray(target.read_bytes())
    match luck.randrange(11):
        case 0:
            del raw[luck.randrange(len(raw) or 1) :]
        case 1:
            raw = bytearray(luck.randbytes(luck.randrange(1, 2000)))
        case 2:
            raw += luck.randbytes(500)
        case 3 if luck.random() < 0.3:
            target.unlink()
            instead = [target.mkdir, lambda: target.symlink_to(target.name), lambda: None]
            luck.choice(instead if len(files) > 1 else instead[:2])()
            return target
        case 3 | 4 | 5:
            for _ in range(luck.choice((1, 1, 5, 40))):
                if raw:
                    raw[min(int(luck.expovariate(1 / 400)) if luck.random() < 0.5 else luck.randrange(len(raw)),
                            len(raw) - 1)] = luck.randrange(256)  # fmt: skip
        case 6:
            lines = raw.split(b"\n")
            i, j = luck.randrange(len(lines)), luck.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            raw = bytearray(b"\n".join(lines if luck.random() < 0.5 else [*lines[:i], *lines[i + 1 :]]))
        case _:
            pieces = list(re.finditer(rb"[\w.+-]+", bytes(raw[:50_000]))) or [re.match(b"", b"")]
            at = luck.choice(pieces)
            raw[at.start() : at.end()] = luck.choice(LIES)
    target.write_bytes(raw)
    return target


def broken(folder, n, seed=5):
    """`n` broken copies, as even over the kinds as can be: (kind, folder, what was broken)."""
    luck, kinds = random.Random(seed), {}
    for kind, place in bases(folder):
        kinds.setdefault(kind, []).append(place)
    assert set(kinds) == set(DOORS)
    for number in range(n):
        kind = sorted(kinds)[number % len(kinds)]
        case = folder / f"{kind}-{number:04d}"
        shutil.copytree(luck.choice(kinds[kind]), case)
        yield kind, case, mutate(case, luck)


def faults(folder, n):
    """What is wrong with how each of `n` cases ended, and how many ended in what."""
    cases = {f"{kind} {case}": target for kind, case, target in broken(folder, n)}
    found, ends = {}, Counter()
    for case, fault, end in opened(list(cases)):
        ends[case.split()[0], end] += 1
        if fault:
            found[f"{case}: {cases[case].name}"] = fault
    assert sum(ends.values()) == n
    return found, ends


def opened(rest):
    """Each case with what is wrong and how it ended; a process that crashes or hangs is replaced by the next."""
    while rest:
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("mutated_doors.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        threading.Thread(target=lambda out=child.stderr: out.read(), daemon=True).start()
        child.stdin.write("\n".join(rest) + "\n")
        child.stdin.close()
        case, clock = None, None
        for line in child.stdout:
            outcome = json.loads(line)
            if "begin" in outcome:
                case, clock = outcome["begin"], threading.Timer(10 * SECONDS, child.kill)
                clock.start()
                continue
            clock.cancel()
            rest.remove(case)
            yield case, fault_of(outcome), "sentence" if outcome["raised"] else "opened"
            case = None
        child.wait()
        if case is not None:
            clock.cancel()
            rest.remove(case)
            yield case, f"crashed or hung ({child.returncode})", "crash"


def fault_of(outcome):
    """What is wrong with how a case ended, or None."""
    raised = outcome["raised"]
    if raised and not raised.startswith("BiosigError: "):
        return raised[:300]
    sentence = raised.removeprefix("BiosigError: ")
    if len(sentence) > CHARACTERS or re.search(r"[\x00-\x1f\x7f-\x9f]", sentence):
        return f"no clean sentence: {sentence[:700]!r}"
    if outcome["seconds"] > SECONDS or outcome["peak"] > MEGABYTES:
        return f"took {outcome['seconds']:.0f} s and {outcome['peak']} MB"
    return None


def test_some_broken_files_are_opened_or_end_in_a_sentence(tmp_path):
    found, ends = faults(tmp_path, 63)
    assert not found, json.dumps(found, indent=1)
    assert {kind for kind, _ in ends} == set(DOORS)
    assert {"opened", "sentence"} == {end for _, end in ends}


@pytest.mark.slow
def test_many_broken_files_are_opened_or_end_in_a_sentence(tmp_path):
    found, _ = faults(tmp_path, 1530)
    assert not found, json.dumps(found, indent=1)
