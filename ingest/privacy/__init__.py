"""What no shard gets to know: pseudonyms, hiding, the scrubber of texts, and what a source would reveal."""
