"""The parts of the encoder, one idea a file: attention, blocks, norms, patches, positions, pooling."""
