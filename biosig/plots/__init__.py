"""Pictures of signals, electrodes, reconstructions and scores, and the HTML report that holds them."""

from biosig.plots.agreement import plot_agreement
from biosig.plots.calibration import plot_calibration
from biosig.plots.curves import plot_loss, plot_shots
from biosig.plots.ecg import plot_ecg
from biosig.plots.electrodes import plot_electrodes
from biosig.plots.forest import plot_differences, plot_subgroups
from biosig.plots.model_input import plot_model_input
from biosig.plots.reconstruction import plot_reconstruction
from biosig.plots.report import Report
from biosig.plots.scores import plot_scores
from biosig.plots.signals import plot_signals

__all__ = [
    "Report",
    "plot_agreement",
    "plot_calibration",
    "plot_differences",
    "plot_ecg",
    "plot_electrodes",
    "plot_loss",
    "plot_model_input",
    "plot_reconstruction",
    "plot_scores",
    "plot_shots",
    "plot_signals",
    "plot_subgroups",
]
