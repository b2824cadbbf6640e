"""What MNE reads safely, and MNE's own objects."""
