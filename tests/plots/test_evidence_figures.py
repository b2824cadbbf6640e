"""Pictures of differences, subgroups, calibration and agreement: what they mark, and where."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from biosig.errors import DataError
from biosig.evaluate.calibration import reliability, risk_coverage
from biosig.plots import plot_agreement, plot_calibration, plot_differences, plot_scores, plot_shots, plot_subgroups
from biosig.plots.style import BLUE, VERMILION

DIFFERENCES = pd.DataFrame(
    [
        ("chance", "auroc", 0.2, 0.1, 0.3),
        ("handmade", "auroc", 0.01, -0.05, 0.07),
        ("handmade", "mae", -1, -2, 0.5),
        ("chance", "mae", -3, -4, -2),
    ],
    columns=["method", "metric", "value", "low", "high"],
)


def test_a_difference_is_red_where_its_interval_leaves_zero_out() -> None:
    figure = plot_differences(DIFFERENCES)
    auroc, mae = figure.axes
    lines = {line.get_gid(): line for line in auroc.lines}
    assert list(lines["− chance"].get_xdata()) == [0.1, 0.3]
    assert lines["− chance"].get_color() == VERMILION
    assert lines["− hand-made features"].get_color() == BLUE
    assert lines["reference"].get_xdata()[0] == 0
    assert "right is better" in auroc.get_xlabel()
    assert "left is better" in mae.get_xlabel()
    with pytest.raises(DataError, match="nothing to compare"):
        plot_differences(DIFFERENCES.iloc[:0])


def test_groups_stand_around_the_score_in_all() -> None:
    table = pd.DataFrame(
        [("sex", "female", 50, 0.7, 0.6, 0.75), ("sex", "male", 52, 0.8, 0.72, 0.88), ("site", "3", 9, 0.1, 0.0, 0.2)],
        columns=["attribute", "group", "n_subjects", "value", "low", "high"],
    )
    (ax,) = plot_subgroups(table, 0.76, "auroc").axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["sex: female (50)", "sex: male (52)"]
    lines = {line.get_gid(): line for line in ax.lines}
    assert lines["reference"].get_xdata()[0] == 0.76
    assert lines["sex: female (50)"].get_color() == VERMILION
    with pytest.raises(DataError, match="No group"):
        plot_subgroups(table.iloc[:0], 0.76, "auroc")


def test_calibration_draws_each_class_and_the_risk_of_the_surest() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    scores = rng.dirichlet(np.ones(3), 300)
    table, risk = reliability(y, scores), risk_coverage(y, scores)
    left, right = plot_calibration(table, risk, ["rest", "left", "right"]).axes
    lines = {line.get_gid(): line for line in left.lines}
    assert set(lines) == {"perfect", "rest", "left", "right"}
    np.testing.assert_array_equal(lines["left"].get_ydata(), table.loc[table["column"] == 1, "share"])
    assert {line.get_gid() for line in right.lines} == {"risk", "risk of all"}
    with pytest.raises(DataError, match="No window was scored"):
        plot_calibration(table.iloc[:0], risk, ["rest", "left", "right"])


def test_agreement_draws_rows_bias_and_limits() -> None:
    truth = np.array([50.0, 60, 70])
    left, right = plot_agreement(truth, truth + 2, (2.0, -1.0, 5.0)).axes
    assert [line.get_ydata()[0] for line in right.lines if line.get_gid() == "limit"] == [2, -1, 5]
    rows = next(line for line in left.lines if line.get_gid() == "rows")
    assert list(rows.get_ydata()) == [52, 62, 72]
    with pytest.raises(DataError, match="No window was scored"):
        plot_agreement(truth[:0], truth[:0], (0, 0, 0))


def test_pictures_show_the_headline_metrics_of_many() -> None:
    rows = [("model", name, 0.5, 0.4, 0.6) for name in ("f1", "kappa", "balanced_accuracy", "auroc", "ece")]
    figure = plot_scores(pd.DataFrame(rows, columns=["method", "metric", "value", "low", "high"]))
    assert [ax.get_xlabel() for ax in figure.axes] == ["balanced accuracy", "AUROC"]


def test_shots_stand_in_the_order_of_the_table() -> None:
    rows = [("1", "auroc", 0.55, 0.5, 0.6), ("10", "auroc", 0.7, 0.6, 0.8), ("all", "auroc", 0.8, 0.7, 0.9)]
    (ax,) = plot_shots(pd.DataFrame(rows, columns=["shots", "metric", "value", "low", "high"])).axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "10", "all"]
    assert list(ax.lines[0].get_ydata()) == [0.55, 0.7, 0.8]
    with pytest.raises(DataError, match="give the probe some shots"):
        plot_shots(pd.DataFrame({"shots": []}))
