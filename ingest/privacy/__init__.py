"""De-identification: pseudonyms, hiding, the scrubber of texts, and a report on what a source would reveal."""
