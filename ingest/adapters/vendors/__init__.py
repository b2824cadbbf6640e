"""Formats of single makers and standards bodies: DICOM waveforms, XDF, Neuralynx."""
