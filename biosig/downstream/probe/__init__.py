"""Heads fitted to frozen vectors: pooling once, then linear models, trees, neighbours and survival."""
