"""The encoder and its presets, the decoder, and models as users meet them: built, saved, loaded, applied."""
