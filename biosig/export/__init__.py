"""From shards back to the files of the field: WFDB records, EDF+ and BDF+, checked by reading them again."""
