"""A head of concentric spheres, dipoles in its brain, and their potentials at electrodes: MNE's forward model.

The lead field of all template electrodes is worked out once per process, in about a second, and kept.

Shape letters: C channels, S sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes.tables import LOCATIONS
from biosig.errors import UsageError
from biosig.recording import Channel, Position, is_known

CENTRE, RADIUS = np.array([-0.0009, 0.0145, 0.0406]), 0.098
"""Metres in the head frame: the sphere that MNE fits to the template's electrodes."""

N_SOURCES = 120

DEPTHS = (0.82, 0.70)
"""Distance from the centre of every other source, over the radius; the inner skull is at 0.90 (MNE's three layers)."""

EYES = CENTRE + 0.86 * RADIUS * np.array([[-0.30, 0.90, -0.31], [0.30, 0.90, -0.31]])
"""Equivalent dipoles of the eyes, as far to the front as the inner sphere reaches."""


@cache
def source_places() -> NDArray[np.float64]:
    """Places of the sources in metres, shape (S, 3): spread evenly over the part of a sphere that a brain fills."""
    n = np.arange(N_SOURCES)
    z = 1 - 1.45 * (n + 0.5) / N_SOURCES  # from the vertex to below the temporal lobes
    turn = n * np.pi * (3 - np.sqrt(5))  # golden angle
    flat = np.sqrt(1 - z**2)
    depth = np.where(n % 2, *DEPTHS)[:, None]
    return CENTRE + RADIUS * depth * np.stack([flat * np.cos(turn), flat * np.sin(turn), z], 1)


def lead_field(channels: Sequence[Channel]) -> NDArray[np.float64]:
    """µV at each channel per nA·m of each source and then of each eye, along x, y and z.

    Parameters
    ----------
    channels : sequence of Channel
        With known positions; their references are not considered.

    Returns
    -------
    ndarray, shape (C, S + 2, 3)

    Raises
    ------
    UsageError
        If a channel's position is not known.
    """
    for channel in channels:
        if not is_known(channel.position):
            raise UsageError(
                f"EEG channel '{channel.name}' has no known position: take an electrode of the 10-05 system, or give a "
                "Channel with its position in metres."
            )
    names, template = _template()
    if all(channel.position_source == "template" and channel.name in names for channel in channels):
        return template[[names[channel.name] for channel in channels]]
    return _forward(tuple(channel.position for channel in channels))


@cache
def _template() -> tuple[dict[str, int], NDArray[np.float64]]:
    places = {location.name: location.position for location in LOCATIONS["eeg"].values()}
    return {name: row for row, name in enumerate(places)}, _forward(tuple(places.values()))


@lru_cache(maxsize=8)
def _forward(positions: tuple[Position, ...]) -> NDArray[np.float64]:
    import mne

    names = [f"E{i}" for i in range(len(positions))]
    on_head = [CENTRE + RADIUS * (p - CENTRE) / np.linalg.norm(p - CENTRE) for p in np.array(positions)]
    info = mne.create_info(names, 100.0, "eeg")
    montage = mne.channels.make_dig_montage(dict(zip(names, on_head, strict=True)), coord_frame="head")
    info.set_montage(montage, verbose="error")
    places = np.concatenate((source_places(), EYES))
    up = np.tile([0.0, 0.0, 1.0], (len(places), 1))
    sphere = mne.make_sphere_model(CENTRE, RADIUS, verbose="error")
    space = mne.setup_volume_source_space(pos={"rr": places, "nn": up}, verbose="error")
    transform = mne.Transform("head", "mri")
    forward = mne.make_forward_solution(info, transform, space, sphere, meg=False, eeg=True, mindist=0, verbose="error")
    gain = 1e-3 * forward["sol"]["data"]  # V per A·m to µV per nA·m
    return gain.reshape(len(positions), len(places), 3)
