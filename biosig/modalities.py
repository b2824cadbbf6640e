"""The modalities that a model has an embedding for."""

MODALITY_IDS = {"ecg": 0, "ppg": 1, "eeg": 2, "text": 3}
"""The index of each modality's embedding; stored weights rely on the order."""
