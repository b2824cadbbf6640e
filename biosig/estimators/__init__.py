"""scikit-learn estimators over signals: embeddings, linear models on them, and fine-tuned networks."""
