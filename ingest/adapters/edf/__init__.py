"""EDF, EDF+, BDF and GDF: headers, data records as integers, events."""
