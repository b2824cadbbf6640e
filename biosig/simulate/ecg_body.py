"""A torso as a homogeneous sphere, and the potentials at its electrodes of a dipole in the heart.

A torso's ellipsoid is seen as a sphere, each axis in its own unit. The potential of an eccentric dipole on a sphere's
surface has a closed form (Wilson & Bayley, Circulation 1950; 1:84). Centre and axes of the ellipsoid, the heart's place
and the gain were fitted to the lead vectors of Dower, Machado & Osborne, Clin Cardiol 1980; 3:87, which come from
Frank's torso model: the vectors of I, II and V1 to V6 agree with a cosine of 0.96 to 1.00 and a length of 0.91 to 1.15.

Dipoles and places in the heart are given in Frank's axes: X to the left, Y to the feet, Z to the back.

Shape letters: E electrodes, L leads, K waves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes.torso import ELECTRODES, LEADS
from biosig.errors import UsageError
from biosig.recording import Channel, is_known

Matrix = NDArray[np.float64]

CENTRE = np.array([0.0103, 0.0279, -0.3486])
AXES = np.array([0.1444, 0.1486, 0.1747])
HEART = np.array([-0.0277, 0.0609, -0.3928])
GAIN = 0.02908
"""Fitted: metres in the body frame, and mV per mV of the heart vector."""

FRANK_AXES = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
"""Left, feet and back in the body frame; its own inverse."""

ELECTRODE_SHIFT = 0.012
"""Metres: deviation of a chest electrode from its place at most; technicians vary by more (Wenger
& Kligfield, J Electrocardiol 1996; 29:179)."""


@dataclass(frozen=True, eq=False)
class Body:
    """One person's torso: half axes of the ellipsoid and the heart's place in metres, and how electrodes are shifted.

    Parameters
    ----------
    axes, heart : ndarray, shape (3,)
        In the body frame.
    seed : int
        Of the electrodes' shifts: an electrode is shifted the same way, whichever others are used.
    shift : float
        Deviation of each electrode's place in metres.
    """

    axes: Matrix
    heart: Matrix
    seed: int = 0
    shift: float = 0.0

    def fields(self, electrodes: Matrix, places: Matrix) -> Matrix:
        """Lead vectors in Frank's axes, in mV per mV.

        Parameters
        ----------
        electrodes : ndarray, shape (E, 3)
            Metres in the body frame; each is moved to the surface in its direction from the centre.
        places : ndarray, shape (K, 3)
            Places of the dipoles in metres from the heart's place, in Frank's axes.

        Returns
        -------
        ndarray, shape (E, K, 3)
        """
        surface = (electrodes - CENTRE) / self.axes
        surface = (surface / np.linalg.norm(surface, axis=1, keepdims=True))[:, None]  # (E, 1, 3)
        dipole = (self.heart + places @ FRANK_AXES - CENTRE) / self.axes
        dipole = (dipole * np.minimum(1, 0.75 / np.linalg.norm(dipole, axis=1, keepdims=True)))[None]  # (1, K, 3)
        away = surface - dipole
        distance = np.linalg.norm(away, axis=2, keepdims=True)
        below = 1 - (surface * dipole).sum(2, keepdims=True) + distance
        field = 2 * away / distance**3 + (surface + away / distance) / below
        return GAIN * (field / self.axes) @ FRANK_AXES.T


@dataclass(frozen=True, eq=False)
class Montage:
    """Leads as differences of electrodes.

    Parameters
    ----------
    names : tuple of str
        Names of the electrodes.
    places : ndarray, shape (E, 3)
        Metres in the body frame.
    weights : ndarray, shape (L, E)
        A lead is the weighted sum of potentials.
    """

    names: tuple[str, ...]
    places: Matrix
    weights: Matrix

    def leads(self, body: Body, places: Matrix) -> Matrix:
        """Lead vectors of dipoles at `places` (K, 3), shape (L, K, 3)."""
        rng = np.random.default_rng(body.seed)
        shifts = {name: rng.normal(0, body.shift, 3) for name in ELECTRODES}
        electrodes = self.places + np.array([shifts.get(name, np.zeros(3)) for name in self.names])
        return np.einsum("le,ekx->lkx", self.weights, body.fields(electrodes, places))


def draw_body(rng: np.random.Generator) -> Body:
    """A torso within 8 % of the usual one, the heart within about a centimetre of its place."""
    return Body(
        axes=AXES * np.exp(np.clip(0.06 * rng.standard_normal(3), -0.12, 0.12)),
        heart=HEART + np.clip(0.008 * rng.standard_normal(3), -0.016, 0.016),
        seed=int(rng.integers(2**31)),
        shift=ELECTRODE_SHIFT * rng.random(),
    )


def montage(channels: Sequence[Channel]) -> Montage:
    """The electrodes of ECG channels: by the lead's name, else by the channel's own position and reference.

    Raises
    ------
    UsageError
        If a channel has neither a known name nor both places.
    """
    electrodes: dict[str, Matrix] = {}
    rows: list[Mapping[str, float]] = []
    for channel in channels:
        if channel.name in LEADS and channel.position_source != "measured":
            plus, minus, _ = LEADS[channel.name]
            # Frank's weights hold as they are; all others are means of electrodes
            total = (1.0, 1.0) if channel.name in "XYZ" else (sum(plus.values()), sum(minus.values()))
            row = {name: weight / total[0] for name, weight in plus.items()}
            for name, weight in minus.items():
                row[name] = row.get(name, 0.0) - weight / total[1]
            electrodes |= {name: np.array(ELECTRODES[name]) for name in row}
        elif is_known(channel.position) and is_known(channel.reference):
            row = {f"{channel.name} +": 1.0, f"{channel.name} -": -1.0}
            electrodes |= {
                f"{channel.name} +": np.array(channel.position),
                f"{channel.name} -": np.array(channel.reference),
            }
        else:
            raise UsageError(
                f"ECG channel '{channel.name}' has no known position and reference: take a lead of {', '.join(LEADS)}, "
                "or give a Channel with both in metres."
            )
        rows.append(row)
    names = tuple(electrodes)
    weights = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    return Montage(names, np.array([electrodes[name] for name in names]).reshape(-1, 3), weights)
