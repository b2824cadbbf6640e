"""Question answering about ECGs in the format of ECG-QA: questions, model, baselines and scores."""
