"""Two frames for one head: MNE's head frame, in which channels are placed, and the mri frame of its templates.

Both are in metres with +x the subject's right, +y front and +z up. The head frame has its origin between the ears, the
mri frame, in which the template's electrodes were measured, 3 cm further front and 4 cm further up: Cz has z = 0.140 in
the one and 0.100 in the other. REVE was trained on coordinates of the mri frame and takes the others without complaint.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError

MRI_TO_HEAD = np.array(
    [
        [0.9999936819076538, 0.003551873844116926, 0.00020204810425639153, -0.0017627249525299085],
        [-0.003557568648830056, 0.9983891248703003, 0.0566258579492569, 0.03109435042779479],
        [-5.947367753833532e-07, -0.05662621930241585, 0.9983954429626465, 0.039597249076132754],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""Rotation and shift in metres, as ``mne.channels.compute_native_head_t`` computes them (float32, MNE 1.10 to 1.13).

For the template montage colin27_1005 (standard_1005 before MNE 1.13), with the nasion and preauricular points of
fsaverage that MNE gives it.
"""

HEAD_TO_MRI = np.linalg.inv(MRI_TO_HEAD)


def head_to_mri(points: NDArray[Any]) -> NDArray[np.float64]:
    """Points of the head frame in the mri frame.

    Parameters
    ----------
    points : ndarray, shape (..., 3)
        Metres; NaN = unknown, and stays so.

    Returns
    -------
    ndarray of float64, shape (..., 3)

    Raises
    ------
    UsageError
        If the last axis is not x, y, z.
    """
    return _moved(points, HEAD_TO_MRI)


def mri_to_head(points: NDArray[Any]) -> NDArray[np.float64]:
    """Points of the mri frame in the head frame; the inverse of `head_to_mri`, in all else the same."""
    return _moved(points, MRI_TO_HEAD)


def _moved(points: NDArray[Any], transform: NDArray[Any]) -> NDArray[np.float64]:
    points = np.asarray(points, np.float64)
    if points.ndim == 0 or points.shape[-1] != 3:
        raise UsageError(f"positions have the shape {points.shape}, not (..., 3); give x, y and z in metres for each")
    moved: NDArray[np.float64] = points @ transform[:3, :3].T + transform[:3, 3]  # (..., 3)
    return moved
