"""Places of channels: EEG electrodes, ECG leads and PPG sites in one body frame; tables are data files."""

from biosig.electrodes.locate import (
    channel_id,
    guess_kind,
    guess_kinds,
    kind_beside_eeg,
    locate,
    make_channel,
    unplace_amplifier_inputs,
)
from biosig.electrodes.orientation import canonical_orientation
from biosig.electrodes.tables import VOCABULARY, Location

__all__ = [
    "VOCABULARY",
    "Location",
    "canonical_orientation",
    "channel_id",
    "guess_kind",
    "guess_kinds",
    "kind_beside_eeg",
    "locate",
    "make_channel",
    "unplace_amplifier_inputs",
]
