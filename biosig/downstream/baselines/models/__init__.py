"""What a model has to beat: chance, and features that the field has computed by hand for decades."""
