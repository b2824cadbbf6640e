"""`load_waveform_model`, at the import path that model cards of 0.1.0 quote."""

from biosig.downstream.waveform.model import load_waveform_model as load_waveform_model
