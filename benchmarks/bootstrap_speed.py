"""Bootstrap of macro AUROC by subject beside a plain loop over `roc_auc_score`: seconds, and the largest difference.

The loop runs a few of the resamples and is scaled to all of them. Made data: 71 labels from rare to common, scores with
ties, several recordings per subject. Neither side uses more than one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from biosig.evaluate.intervals import bootstrap, bootstrap_counts, bootstrap_scores
from biosig.evaluate.metrics import METRICS, Floats


def made(n_records: int, n_labels: int, n_subjects: int) -> tuple[Floats, Floats, np.ndarray]:
    """Truth (N, K), scores (N, K) in steps of a hundredth, and whose each record is (N,)."""
    rng = np.random.default_rng(0)
    prevalence = np.geomspace(0.005, 0.5, n_labels)
    y = (rng.random((n_records, n_labels)) < prevalence).astype(np.float64)
    scores = (rng.normal(size=y.shape) + y).round(2)
    return y, scores, rng.integers(0, n_subjects, n_records).astype(str)


def plain_loop(y: Floats, scores: Floats, subjects: np.ndarray, n_resamples: int, n_run: int) -> Floats:
    """Macro AUROC of the first `n_run` of the resamples that `bootstrap_scores` draws, (n_run,)."""
    names, row_subject = np.unique(subjects, return_inverse=True)
    found = []
    for times in bootstrap_counts(len(names), n_resamples, seed=0)[:n_run, row_subject]:
        rows = np.repeat(np.arange(len(y)), times)
        found.append(np.mean([roc_auc_score(y[rows, k], scores[rows, k]) for k in range(y.shape[1])]))
    return np.array(found)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not read: the data are made")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=71)
    parser.add_argument("--subjects", type=int, default=6_000)
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--loop", type=int, default=5, help="resamples that the plain loop runs")
    args = parser.parse_args()
    y, scores, subjects = made(args.records, args.labels, args.subjects)
    print(f"{args.records} records × {args.labels} labels × {args.resamples} resamples\n")
    print("| | seconds | CPU seconds |\n|---|---|---|")
    for name in ("macro_auroc", "macro_auprc"):
        began, cpu_began = time.perf_counter(), time.process_time()
        interval = bootstrap(METRICS[name], y, scores, subjects, args.resamples)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        print(
            f"| {name} {interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f}) | {seconds:.1f} | {cpu:.1f} |"
        )
    began, cpu_began = time.perf_counter(), time.process_time()
    looped = plain_loop(y, scores, subjects, args.resamples, args.loop)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    scale = args.resamples / args.loop
    print(f"| plain loop, {args.loop} resamples run and scaled | {seconds * scale:.0f} | {cpu * scale:.0f} |")
    metric = METRICS["macro_auroc"]
    found = bootstrap_scores([metric], y, scores, subjects, args.resamples)[metric.name][: args.loop]
    print(f"\nLargest difference between the two: {np.abs(found - looped).max():.0e}")


if __name__ == "__main__":
    main()
