"""The tables that a BIDS set keeps beside its recordings."""
