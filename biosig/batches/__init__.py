"""Windows drawn from an index, and the packed batches made of them."""
