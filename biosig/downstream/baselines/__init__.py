"""Baselines, a file a member or family; `models` holds networks and hand-made features that they fit."""

from biosig.downstream.baseline import BASELINES as BASELINES
from biosig.downstream.baseline import MODEL as MODEL
from biosig.downstream.baseline import Baseline as Baseline
from biosig.downstream.baseline import method_title as method_title
