"""Verbs that run a YAML file: load the configuration and its overrides, run, print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from biosig import config as configuration
from biosig.cli import tables
from biosig.progress import show_progress
from biosig.registry import load_object


@dataclass(frozen=True)
class ConfigVerb:
    """A verb with a configuration. Import paths ("package.module:name") keep help free of the imports of a run.

    Parameters
    ----------
    summary : str
        First line of the help.
    source : str
        The file that is given.
    example : str
        Overrides, as the help shows them.
    config : str
        Import path of the configuration class.
    run : str
        Import path of the function (config, progress) → result.
    print_result : callable
        (result, console) → None.
    read : str
        Import path of a function (path, overrides) → config; default `biosig.config.load`.
    failed : callable
        Returns True for a result that makes the exit status 1.
    print_plan : callable, optional
        (config, console) → None; before the run, on standard error.
    """

    summary: str
    source: str
    example: str
    config: str
    run: str
    print_result: Callable[[Any, Console], None]
    read: str = ""
    failed: Callable[[Any], bool] = lambda _: False
    print_plan: Callable[[Any, Console], None] | None = None

    @property
    def docstring(self) -> str:
        """The help, in numpydoc."""
        entries = {
            "config : Path": self.source,
            "overrides : tuple of str": f"Changes to it, key=value with dots for nesting: {self.example}.",
        }
        return "\n".join([self.summary, "", "Parameters", "-" * 10, *(f"{k}\n    {v}" for k, v in entries.items())])


VERBS = {
    "pretrain": ConfigVerb(
        "Pretrain a model on shards; started again, it goes on from its last checkpoint.",
        "YAML file of a run; configs/pretrain/biosig-small.yaml explains every key, with its default and unit.",
        "steps=1000 optimizer.lr=3e-4",
        config="biosig.pretrain.config:PretrainConfig",
        run="biosig.pretrain.loop:pretrain",
        print_result=tables.print_model_folder,
    ),
    "probe": ConfigVerb(
        "Test frozen embeddings on a labelled task: a score table with 95 % intervals beside all baselines that suit.",
        "YAML file of a probe (see configs/probe/): model, shards, target, windows and more keys.",
        "model=runs/small/model split.folds=10 out=results/a",
        config="biosig.downstream.probe.config:ProbeConfig",
        run="biosig.downstream.experiments.probe:run_probe",
        print_result=tables.print_result,
    ),
    "finetune": ConfigVerb(
        "Tune a model on a labelled task, beside networks from scratch: a score table with 95 % intervals, and "
        "weights.",
        "YAML file of a run (see configs/finetune/): model, shards, target, windows, split and more keys.",
        "model=runs/small/model tune.method=full out=results/a",
        config="biosig.downstream.finetune.config:FineTuneConfig",
        run="biosig.downstream.experiments.finetune:run_finetune",
        print_result=tables.print_result,
    ),
    "bench": ConfigVerb(
        "Judge a model on a folder of tasks beside baselines at their best: one table and one page. Goes on where it "
        "was.",
        "Folder with a bench.yaml (configs/bench), or such a file: model, shards, out and the tasks.",
        "model=runs/small/model only=[ptbxl-sex] groups=[frozen,features]",
        config="biosig.bench.config:BenchConfig",
        run="biosig.bench.run:run_bench",
        print_result=tables.print_bench,
        read="biosig.bench.config:read_bench",
        failed=lambda result: bool(result.failed),
        print_plan=tables.print_bench_plan,
    ),
    "audit": ConfigVerb(
        "Look for what else could explain a score: leakage, identity, line frequency, gain, length, spectrum, order.",
        "YAML file of a probe, a fine-tuning or an audit, or the folder of a result, which gets an `audit.json`.",
        "model=runs/small/model site=site most_windows=500",
        config="biosig.audit.config:AuditConfig",
        run="biosig.audit.run:run_audit",
        print_result=tables.print_audit,
        read="biosig.audit.config:read_config",
        failed=lambda result: result.verdict == "fail",
    ),
    "waveform": ConfigVerb(
        "Rebuild absent channels from others: correlation and error per channel, beside the mean beat and a linear "
        "filter.",
        "YAML file of a run (see configs/waveform/): model, shards, inputs, targets, split and more keys.",
        "model=runs/small/model training.epochs=20 out=results/a",
        config="biosig.downstream.waveform.config:WaveformConfig",
        run="biosig.downstream.waveform.run:run_waveform",
        print_result=tables.print_waveform,
    ),
    "retrieve": ConfigVerb(
        "Find each recording's report among others, and the other way round: recall@k beside chance.",
        "YAML file of a run (see configs/retrieval/): model, shards, split and more keys.",
        "model=runs/small/model training.epochs=20 out=results/a",
        config="biosig.downstream.retrieval.config:RetrievalConfig",
        run="biosig.downstream.retrieval.run:run_retrieval",
        print_result=tables.print_retrieval,
    ),
    "qa": ConfigVerb(
        "Answer questions about ECGs, made from labels or ECG-QA's: exact match by type, beside what has to be beaten.",
        "YAML file of a run (see configs/qa/): model, shards, questions and more keys.",
        "model=runs/small/model questions.most=50 out=results/a",
        config="biosig.downstream.qa.config:QaConfig",
        run="biosig.downstream.qa.run:run_qa",
        print_result=tables.print_answers,
    ),
}


def run_config(verb: ConfigVerb, source: Path, overrides: tuple[str, ...] = ()) -> int:
    """Load a configuration with its overrides, run it with progress on standard error, and print the result.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    UsageError
        If the configuration is absent, damaged, or contradicts itself.
    """
    if verb.read:
        config = load_object(verb.read)(source, overrides)
    else:
        config = configuration.load(load_object(verb.config), source, overrides)
    if verb.print_plan is not None:
        verb.print_plan(config, Console(stderr=True))
    with show_progress(Console(stderr=True)) as progress:
        result = load_object(verb.run)(config, progress)
    verb.print_result(result, Console())
    return int(verb.failed(result))


def _function(name: str) -> Callable[..., int]:
    """The verb as a typed function, for the command line and for Python."""

    def run(
        config: Annotated[Path, tyro.conf.Positional], overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    ) -> int:
        return run_config(VERBS[name], config, overrides)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = VERBS[name].docstring
    return run


pretrain = _function("pretrain")
probe = _function("probe")
finetune = _function("finetune")
bench = _function("bench")
audit = _function("audit")
waveform = _function("waveform")
retrieve = _function("retrieve")
qa = _function("qa")
