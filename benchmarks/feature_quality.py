"""ECG features on PTB-XL: diagnostic superclasses, sex and age by plain readouts, and rows a second and core.

Five folds over patients, three repeats, pooled out-of-fold predictions: macro AUROC of the superclasses, AUROC of sex,
mean absolute error of age, mean over repeats. Readouts: L2-regularised logistic or ridge regression on standardised
features, its penalty by an inner cross-validation over patients, gradient-boosted trees, and the forest that the
baseline `handmade` has; "chosen" is whichever of the three inner folds prefer. `--folds` restricts it to some of
PTB-XL's own folds: 1 to 4 may choose (docs/evidence.md). Features: all columns, the diagnostic criteria alone, and
all but the criteria.
"""

from __future__ import annotations

import argparse
import ast
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import biosig
from biosig.downstream.baselines.models.forest import fit_forest
from biosig.features import extract

CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
TARGETS = {"sex": "AUROC", "age": "MAE years", "superclasses": "macro AUROC"}
SETS = ("all", "criteria", "without criteria")
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
TREES = {
    "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 10, "max_iter": 120, "early_stopping": False,
    "max_features": 0.1, "max_bins": 63,
}  # fmt: skip


def table(root: Path) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Features, metadata with the classes as columns, and CPU seconds per record."""
    data = pd.read_csv(root / "ptbxl_database.csv", index_col="ecg_id")
    data = data[[(root / f"{name}.hea").exists() for name in data.filename_hr]]
    statements = pd.read_csv(root / "scp_statements.csv", index_col=0)
    of_code = statements.diagnostic_class.dropna()
    codes = data.scp_codes.map(ast.literal_eval)
    for name in CLASSES:
        data[name] = [int(any(of_code.get(code) == name for code in found)) for found in codes]
    recordings = [biosig.read(root / f"{name}.hea") for name in data.filename_hr]
    began = time.process_time()
    rows = [extract(recording, ["ecg"]) for recording in recordings]
    return pd.DataFrame(rows), data, (time.process_time() - began) / len(rows)


def linear(is_class: bool, penalty: float) -> Pipeline:
    """Standardised features, clipped at six deviations, into a linear model."""
    model = LogisticRegression(C=penalty, max_iter=500) if is_class else Ridge(alpha=1 / penalty)
    steps = (
        SimpleImputer(strategy="median"),
        StandardScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -6, "a_max": 6}),
    )
    return make_pipeline(*steps, model)


def predicted(model: Pipeline, x: np.ndarray, is_class: bool) -> np.ndarray:
    """Decision values, or numbers."""
    return model.decision_function(x) if is_class else model.predict(x)


def fit_predict(kind: str, x: np.ndarray, y: np.ndarray, test: np.ndarray, penalty: float, seed: int) -> np.ndarray:
    """Predictions of every column of `y` for the test rows."""
    is_class = set(np.unique(y)) <= {0, 1}
    out = np.empty((len(test), y.shape[1]))
    for k in range(y.shape[1]):
        if kind == "forest":
            out[:, k] = forest(x, y[:, k], is_class, seed)(test)
            continue
        if kind == "linear":
            model = linear(is_class, penalty)
        else:
            model = (HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor)(
                **TREES, random_state=seed
            )
        model.fit(x, y[:, k])
        out[:, k] = predicted(model, test, is_class)
    return out


def forest(x: np.ndarray, y: np.ndarray, is_class: bool, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """The forest of `handmade`, as a function of test rows."""
    if not is_class:
        return fit_forest(x, y, "number", 0, seed)
    predict = fit_forest(x, y.astype(np.int64), "classes", 2, seed)
    return lambda test: predict(test)[:, 1]


def score(y: np.ndarray, out: np.ndarray) -> float:
    """Macro AUROC, or minus the mean absolute error."""
    if set(np.unique(y)) <= {0, 1}:
        return float(np.mean([roc_auc_score(y[:, k], out[:, k]) for k in range(y.shape[1])]))
    return -float(np.abs(y - out).mean())


def folds(groups: np.ndarray, n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows of folds over patients."""
    return list(GroupKFold(n, shuffle=True, random_state=seed).split(groups, groups=groups))


def out_of_fold(x: np.ndarray, y: np.ndarray, groups: np.ndarray, repeats: int, with_trees: bool) -> dict[str, float]:
    """Score of each readout, mean over repeats."""
    scores: dict[str, list[float]] = {}
    for seed in range(repeats):
        outs = {name: np.empty(y.shape) for name in ("linear", *(("trees", "forest", "chosen") if with_trees else ()))}
        for train, test in folds(groups, 5, seed):
            inner = folds(groups[train], 4, seed + 77)
            tried = {}
            for kind, penalty in [("linear", p) for p in PENALTIES] + (
                [("trees", 0.0), ("forest", 0.0)] if with_trees else []
            ):
                out = np.empty((len(train), y.shape[1]))
                for a, b in inner:
                    out[b] = fit_predict(kind, x[train[a]], y[train[a]], x[train[b]], penalty, seed)
                tried[kind, penalty] = score(y[train], out)
            best = max((key for key in tried if key[0] == "linear"), key=lambda key: tried[key])
            outs["linear"][test] = fit_predict(*best[:1], x[train], y[train], x[test], best[1], seed)
            if with_trees:
                for kind in ("trees", "forest"):
                    outs[kind][test] = fit_predict(kind, x[train], y[train], x[test], 0.0, seed)
                kind = max(tried, key=lambda key: tried[key])[0]
                outs["chosen"][test] = outs[kind][test]
        for name, out in outs.items():
            scores.setdefault(name, []).append(abs(score(y, out)))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ptbxl-500 in it")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-trees", action="store_true")
    parser.add_argument("--columns", nargs="+", default=list(SETS), choices=SETS, help="which features to read out")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--folds", type=int, nargs="+", help="strat_fold of the records that take part; default all")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    features, data, seconds = table(args.data / "ptbxl-500")
    print(f"{len(features)} records × {features.shape[1]} columns; {1 / seconds:.0f} records a CPU second\n")
    is_criterion = features.columns.str.startswith("ecg.score_")
    chosen = {"all": is_criterion | True, "criteria": is_criterion, "without criteria": ~is_criterion}
    has_class = data[list(CLASSES)].sum(axis=1).to_numpy() > 0
    targets = {
        "sex": (data[["sex"]].to_numpy(float), np.ones(len(data), bool)),
        "age": (data[["age"]].to_numpy(float), data.age.notna().to_numpy() & (data.age < 120).to_numpy()),
        "superclasses": (data[list(CLASSES)].to_numpy(float), has_class),
    }
    in_folds = data.strat_fold.isin(args.folds).to_numpy() if args.folds else np.ones(len(data), bool)
    print("| target | features | linear | trees | forest | chosen by inner folds |\n" + "|---" * 6 + "|")
    for target in args.targets:
        y, keep = targets[target][0], targets[target][1] & in_folds
        for name in args.columns:
            x = features.loc[:, chosen[name]].to_numpy()[keep]
            x = x[:, np.isfinite(x).mean(0) > 0.05]
            found = out_of_fold(x, y[keep], data.patient_id.to_numpy()[keep], args.repeats, not args.no_trees)
            cells = [f"{found[kind]:.3f}" if kind in found else "–" for kind in ("linear", "trees", "forest", "chosen")]
            print(f"| {target}, {TARGETS[target]} | {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
