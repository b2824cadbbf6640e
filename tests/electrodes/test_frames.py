"""Head frame and mri frame are one rigid motion apart, the one that MNE computes."""

import csv
from pathlib import Path

import mne
import numpy as np
import pytest

import biosig.electrodes
from biosig.electrodes import locate
from biosig.electrodes.frames import MRI_TO_HEAD, head_to_mri, mri_to_head
from biosig.errors import UsageError


@pytest.fixture(scope="module")
def template():
    built_in = mne.channels.get_builtin_montages()
    return mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in built_in else "standard_1005")


def test_constants_are_what_mne_computes(template):
    computed = mne.channels.compute_native_head_t(template)["trans"]
    np.testing.assert_allclose(MRI_TO_HEAD, computed, rtol=0, atol=1e-9)


def test_points_move_as_mne_moves_them(template):
    mri = template.get_positions()["ch_pos"]
    head = mne.channels.transform_to_head(template).get_positions()["ch_pos"]
    np.testing.assert_allclose(mri_to_head(np.array(list(mri.values()))), list(head.values()), rtol=0, atol=1e-9)


def test_every_electrode_of_our_table_maps_onto_the_template(template):
    mri = template.get_positions()["ch_pos"]
    with (Path(biosig.electrodes.__file__).parent / "positions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "eeg"]
    moved = head_to_mri(np.array([[float(row[axis]) for axis in "xyz"] for row in rows]))  # (339, 3)
    assert len(rows) == 339
    np.testing.assert_allclose(moved, [mri[row["name"]] for row in rows], rtol=0, atol=1e-7)  # the table's rounding


def test_the_frames_are_not_to_be_confused():
    vertex = np.array(locate("Cz").position)
    assert vertex[2] == pytest.approx(0.140, abs=1e-3)
    assert head_to_mri(vertex)[2] == pytest.approx(0.100, abs=1e-3)
    assert np.linalg.norm(head_to_mri(vertex) - vertex) > 0.03


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (0, 3)])
def test_there_and_back_keeps_shape_and_distances(shape):
    points = np.random.default_rng(0).normal(0, 0.1, shape)
    moved = head_to_mri(points)
    assert moved.shape == shape
    np.testing.assert_allclose(mri_to_head(moved), points, rtol=0, atol=1e-12)
    if len(shape) > 1 and shape[0]:
        distances, after = (np.linalg.norm(x - x[::-1], axis=-1) for x in (points, moved))
        np.testing.assert_allclose(after, distances, rtol=1e-6)


def test_unknown_stays_unknown_and_touches_nothing_else():
    points = np.array([[0.0, 0.0, 0.1], [np.nan] * 3], np.float32)
    moved = head_to_mri(points)
    assert moved.dtype == np.float64
    assert np.isnan(moved[1]).all()
    np.testing.assert_array_equal(moved[0], head_to_mri(points[0]))


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.float64(0.1), np.zeros((3, 4))])
def test_anything_but_x_y_z_is_refused(points):
    with pytest.raises(UsageError, match=r"not \(\.\.\., 3\)"):
        head_to_mri(points)
