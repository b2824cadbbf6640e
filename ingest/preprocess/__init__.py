"""What happens to samples between the file and the shard, block by block."""
