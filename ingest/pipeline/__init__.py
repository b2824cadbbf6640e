"""From a folder of files to shards: discovery, batches, workers and the output folder."""
