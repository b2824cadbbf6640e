"""Baselines, one file for each member or family; `models` holds the networks and hand-made features that they fit."""

from biosig.downstream.baseline import BASELINES as BASELINES
from biosig.downstream.baseline import MODEL as MODEL
from biosig.downstream.baseline import Baseline as Baseline
from biosig.downstream.baseline import method_title as method_title
