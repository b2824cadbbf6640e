"""Processing of samples between the file and the shard, block by block."""
