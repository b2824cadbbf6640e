"""Labels, subjects and BIDS sidecars of recordings."""
