"""WFDB records (PhysioNet): header, signal files, segments, annotations, comments."""
