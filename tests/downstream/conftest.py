"""The sample recordings as shards, with the labels that a probe needs."""

from tests.labelled_shards import ecg_shards, eeg_shards, few_channels

__all__ = ["ecg_shards", "eeg_shards", "few_channels"]
