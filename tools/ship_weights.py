"""Put the weights of pretraining runs among those that ship (biosig/weights), rounded to bfloat16, with their card.

    python tools/ship_weights.py RUN [RUN …] [--bench FOLDER …] [--audit FOLDER …] [--retest FILE] [--timing FILE]
                                  [--seeds FILE]

RUN is the folder of a finished `biosig pretrain`. Its model, heads and ledger are kept; vectors and heads by rounded
weights are compared with those of the run on the sample recordings. Where the run's sources are still where its
configuration says, the windows that it drew are counted, and the ledger is made anew, without simulated recordings.
Measurements that are given as files become sections of the card; options that are not given are reported.
"""

from __future__ import annotations

import argparse
import copy
import shutil
import tempfile
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from weights_card import Evidence, card

import biosig
from biosig import config, samples, weights
from biosig.batches.loader import BatchPlan, count_tokens
from biosig.cli.tables import print_lines
from biosig.errors import BiosigError, DataError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.landmarks import Landmarks
from biosig.models import checkpoint
from biosig.models.build import make_encoder
from biosig.models.model import Model
from biosig.pretrain.build import build_words
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.model_card import ledger_of
from biosig.pretrain.windows import load_windows, shares

MOST_APART = 0.02
"""Largest difference over the largest value that rounding may make in vectors."""

SAMPLES = {"ecg": ("ptbxl", "*_lr.hea"), "eeg": ("eegmmidb", "*R04.edf"), "ppg": ("bidmc", "*_Signals.csv.gz")}


def ship(
    run: Path,
    evidence: Evidence,
    landmarks: bool = True,
    name: str | None = None,
    replacing: bool = False,
    heads: bool = True,
) -> list[str]:
    """Make the folder of one set of weights in `biosig.weights.ROOM`.

    Parameters
    ----------
    run : Path
        Folder of a finished pretraining.
    evidence : Evidence
        Files for the card.
    landmarks : bool
        True to keep in the ledger the landmarks of signals, 18 bytes each, by which near copies are known.
    name : str, optional
        Of the model and its folder; default as in the run.
    replacing : bool
        True if weights of that name may exist already; they are replaced.
    heads : bool
        True to keep heads; leave out those that do not hold for people outside the training data.

    Returns
    -------
    list of str
        Sentences on the steps that were done, and on parts that were left out.

    Raises
    ------
    UsageError
        If the run is not finished, weights of that name are there, or all of them would take too much room.
    DataError
        If the rounded weights give other vectors, or the run has no ledger, or its sources have changed.
    """
    if not (run / "model" / checkpoint.CONFIG).is_file():
        raise UsageError(f"{run} holds no finished pretraining: give the folder with config.yaml and model/ in it.")
    settings = config.load(PretrainConfig, run / "config.yaml")
    ledger, crops, kinds, remark = seen_by(run, settings)
    whole = biosig.load_model(run / "model")
    model = of_kinds(whole, kinds)
    model.heads = model.heads if heads else []
    small = rounded(model, name or model.name)
    report = [f"{run} → {small.name}, of {', '.join(small.contract)}"]
    report.append(f"Largest difference by rounding: {_agree(model, small)}")
    ledger = ledger if landmarks else replace(ledger, landmarks=Landmarks.of([]))
    folder = weights.ROOM / small.name
    if folder.exists() and not replacing:
        raise UsageError(f"{folder} is there already: give --replace, or another --name.")
    text = card(small, whole.revision, settings, ledger, crops, evidence)
    with tempfile.TemporaryDirectory(dir=weights.ROOM.parent, prefix=".weights-") as temporary:
        made = Path(temporary) / folder.name
        checkpoint.save(small.encoder, True, made, text, model.tokenizer, small.heads, torch.bfloat16)
        ledger.save(made)
        _refuse_if_large(made, folder)
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)
    again = biosig.load_model(folder)
    if again.revision != small.revision:
        raise DataError(f"{folder} is not what was written: check the disk, and ship again.")
    report += [*remark, f"{folder}: {_size(folder):,} bytes, revision {again.revision}"]
    report.append(f"All weights that ship: {_size(weights.ROOM):,} of {weights.MOST_BYTES:,} bytes.")
    left = evidence.missing()
    return [*report, *([f"The card lacks what {', '.join(left)} would give."] if left else [])]


def of_kinds(model: Model, kinds: Collection[str] | None) -> Model:
    """The model without the parts that read signals of other kinds, which nothing was taught; None = all."""
    contract = {kind: wanted for kind, wanted in model.contract.items() if kinds is None or kind in kinds}
    if len(contract) == len(model.contract):
        return model
    encoder = make_encoder(replace(model.config, contract=contract))
    state = model.encoder.state_dict()
    encoder.load_state_dict({key: state[key] for key in encoder.state_dict()})
    heads = [head for head in model.heads if head.config.modality in contract]
    return Model(encoder, model.trained, model.card, tokenizer=model.tokenizer, heads=heads)


def rounded(model: Model, name: str) -> Model:
    """The model under a name, with parameters as bfloat16 has them, in float32."""
    encoder, heads = copy.deepcopy(model.encoder), copy.deepcopy(model.heads)
    encoder.config = replace(encoder.config, name=name)
    with torch.no_grad():
        for module in (encoder, *heads):
            for parameter in module.parameters():
                parameter.copy_(parameter.bfloat16())
    return Model(encoder, model.trained, model.card, tokenizer=model.tokenizer, heads=heads)


def differences(model: Model, other: Model) -> dict[str, float]:
    """Largest difference over the largest value, of vectors of each modality and of each head, on sample recordings."""
    found = {}
    for modality in model.contract:
        folder, pattern = SAMPLES[modality]
        recordings = [biosig.read(path).crop(0, 10) for path in sorted(samples.path(folder).rglob(pattern))[:5]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other channels of these recordings
            one, two = (biosig.embed(m, recordings, heads=bool(model.heads)) for m in (model, other))
        rows = np.array([row == modality for row in one["modality"].to_pylist()])
        heads = [column for column in one.column_names if column.startswith(f"head.{modality}.")]
        for column in ("vector", *heads):
            a, b = (
                np.array([v for v, own in zip(t[column].to_pylist(), rows, strict=True) if own]) for t in (one, two)
            )
            found[modality if column == "vector" else column] = float(np.abs(a - b).max() / np.abs(a).max())
    return found


def _agree(model: Model, small: Model) -> str:
    found = differences(model, small)
    apart = {name: found[name] for name in model.contract if not found[name] <= MOST_APART}
    if apart:
        listed = ", ".join(f"{name} {value:.2g}" for name, value in apart.items())
        raise DataError(
            f"Rounded to bfloat16, the weights give other numbers ({listed}; at most {MOST_APART:g} may be)."
        )
    vectors = {name: value for name, value in found.items() if name in model.contract}
    text = ", ".join(f"{name} {value:.2g}" for name, value in vectors.items())
    heads = [value for name, value in found.items() if name not in vectors]
    return f"{text}{f', heads {max(heads):.2g}' if heads else ''}"


def seen_by(run: Path, settings: PretrainConfig) -> tuple[Ledger, int | None, set[str] | None, list[str]]:
    """The ledger of a run, and where its sources are there how many windows of which kinds it drew; else a sentence."""
    own = Ledger.load(run / "model")
    if own is None:
        raise DataError(f"{run / 'model'} has no ledger of what the weights have seen: they cannot ship.")
    absent = [str(source.shards) for source in settings.sources if not source.shards.exists()]
    if absent:
        return (
            own,
            None,
            None,
            [f"Windows were not counted and the ledger is the run's: {', '.join(absent)} is not there."],
        )
    train, _ = load_windows(settings)
    ledger = ledger_of(train, settings.weights)
    if len(own.recordings | ledger.recordings) != len(own.recordings):
        raise DataError(f"The sources of {run} hold recordings that it has not seen: they have changed since.")
    words = build_words(settings)
    counts = count_tokens(train, biosig.load_model(run / "model").contract, words)
    plan = BatchPlan(counts, settings.batch_tokens, settings.seed, *(shares(settings, train) or ()))
    kinds = {channel.kind for row in np.unique(train.recording).tolist() for channel in train.ds[row].channels}
    return ledger, sum(len(rows) for rows in plan.batches(0, settings.steps)), kinds, []


def _refuse_if_large(made: Path, folder: Path) -> None:
    total = _size(weights.ROOM) - _size(folder) + _size(made)
    if total > weights.MOST_BYTES:
        sizes = ", ".join(f"{path.name} {path.stat().st_size:,}" for path in sorted(made.iterdir()))
        raise UsageError(
            f"All weights that ship would take {total:,} bytes, and {weights.MOST_BYTES:,} are allowed; these take "
            f"{sizes}: leave landmarks out (--without-landmarks), or ship less."
        )


def _size(folder: Path) -> int:
    return sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    )


def main() -> None:
    """Ship each run, and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--name", help="of the model; default: as in the run")
    parser.add_argument("--replace", action="store_true", help="weights of that name that are there already")
    parser.add_argument("--without-landmarks", action="store_true", help="a small ledger, which knows no near copies")
    parser.add_argument("--without-heads", action="store_true", help="the encoder alone")
    parser.add_argument("--bench", type=Path, action="append", default=[], help="result folder of biosig bench")
    parser.add_argument("--audit", type=Path, action="append", default=[], help="folder of biosig audit")
    parser.add_argument("--retest", type=Path, help="table (CSV) of test–retest agreement")
    parser.add_argument("--timing", type=Path, help="table (CSV) of time or energy per vector")
    parser.add_argument("--seeds", type=Path, help="text (Markdown) on other seeds of the recipe, and on other tries")
    parser.add_argument("--machine", default="", help="kind of machine of the pretraining")
    parser.add_argument("--minutes", type=float, help="that the pretraining took")
    args = parser.parse_args()
    evidence = Evidence(
        tuple(args.bench), tuple(args.audit), args.retest, args.timing, args.seeds, args.machine, args.minutes
    )
    if len(args.runs) > 1 and (args.name or evidence != Evidence()):
        parser.error("measurements and --name are of one RUN: ship one after the other.")
    for run in args.runs:
        print_lines(
            Console(), *ship(run, evidence, not args.without_landmarks, args.name, args.replace, not args.without_heads)
        )


if __name__ == "__main__":
    try:
        main()
    except BiosigError as error:
        raise SystemExit(f"ship_weights: {error}") from None
