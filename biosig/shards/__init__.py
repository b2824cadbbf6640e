"""Shards: many recordings in one HDF5 file; one spec, one writer, one reader, one checker."""

from biosig.shards.dataset import ShardDataset, open_shards
from biosig.shards.index import build_index
from biosig.shards.stored_recording import StoredRecording
from biosig.shards.writer import ShardWriter

__all__ = ["ShardDataset", "ShardWriter", "StoredRecording", "build_index", "open_shards"]
