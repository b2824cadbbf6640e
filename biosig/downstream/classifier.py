"""`load_classifier`, at the import path that model cards of 0.1.0 quote."""

from biosig.downstream.finetune.classifier import load_classifier as load_classifier
