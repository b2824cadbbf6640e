"""Questions about ECGs in the format of ECG-QA: read, made from labels, answered, and rated."""
