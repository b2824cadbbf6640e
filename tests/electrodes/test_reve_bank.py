"""The bank equals the published one (facts about it are below) and takes names as real files write them."""

import hashlib

import numpy as np
import pytest

from biosig.electrodes import locate
from biosig.electrodes.frames import head_to_mri
from biosig.electrodes.reve_bank import TEN_FIVE, TWO_MEANINGS, reve_names, reve_positions
from biosig.errors import UsageError

NAMES_SHA256 = "c2691153eef9870da330e2c5942fb942fb35813b7d43eaa39c9069ca4d894a17"
"""Of the published names, sorted and joined by blanks."""

SUM = (-0.12173671, -6.79666229, 15.91764301)
WEIGHTED_SUM = (-0.56129554, -3.89069283, 7.75530293)
WEIGHTED_SQUARES = (0.85663193, 1.04023238, 0.68755357)
"""Over the published positions in the order of their sorted names, with weights 1/543, 2/543 … 1 or none."""

PUBLISHED = {
    "Cz": (0.0004009, -0.0091670, 0.1002440),
    "Fp1": (-0.0294367, 0.0839171, -0.0069900),
    "FP1": (-0.0294367, 0.0839171, -0.0069900),
    "Fpz": (0.0001123, 0.0882470, -0.0017130),
    "T3": (-0.0841611, -0.0160187, -0.0093460),
    "T7": (-0.0841611, -0.0160187, -0.0093460),
    "T6": (0.0730557, -0.0730683, -0.0025400),
    "A1": (-0.0860761, -0.0249897, -0.0679860),
    "A2": (0.0857939, -0.0250093, -0.0680310),
    "M1": (-0.0860761, -0.0449897, -0.0679860),
    "C1": (-0.0361580, -0.0099839, 0.0897520),
    "C6": (0.0834559, -0.0127763, 0.0292080),
    "C7": (0.0768098, 0.0558056, -0.0033155),
    "A3": (0.0000000, -0.0371195, 0.0874480),
    "B17": (0.0738722, -0.0298463, 0.0517407),
    "D32": (-0.0748868, -0.0544084, -0.0213703),
    "AFF1": (-0.0235817, 0.0699171, 0.0472930),
    "AFp3h": (-0.0171947, 0.0848491, 0.0100270),
    "PO9": (-0.0549104, -0.0980448, -0.0354650),
    "Iz": (0.0000045, -0.1185650, -0.0230780),
    "OI2h": (0.0150946, -0.1180180, -0.0069330),
    "POO10h": (0.0438946, -0.1091270, -0.0131700),
    "TPP9h": (-0.0781602, -0.0607567, -0.0238240),
    "FTT10h": (0.0841230, -0.0018083, -0.0296380),
    "Fc5": (-0.0772149, 0.0186433, 0.0244600),
    "CPZ": (0.0003858, -0.0473180, 0.0994320),
    "E1": (0.0630643, 0.0506076, -0.0240142),
    "E17": (0.0004009, 0.0912120, -0.0200520),
    "E56": (-0.0664557, -0.0357814, -0.0571440),
    "E128": (-0.0658439, 0.0398131, -0.0438462),
    "E129": (0.0004009, -0.0091670, 0.1002440),
    "biosemi128_A1": (0.0000000, 0.0000000, 0.0950000),
    "biosemi128_A2": (0.0000000, -0.0181269, 0.0932546),
    "biosemi128_B1": (0.0172397, -0.0056015, 0.0932546),
    "biosemi128_C6": (0.0756890, 0.0549913, 0.0164966),
    "biosemi128_D32": (-0.0748868, -0.0544084, -0.0213703),
}


def place(name):
    """One name at a time: "A1" is refused beside "A3"."""
    return reve_positions([name])[0]


def test_names_are_the_published_ones():
    assert len(reve_names()) == len(set(reve_names())) == 543
    assert hashlib.sha256(" ".join(sorted(reve_names())).encode()).hexdigest() == NAMES_SHA256


@pytest.mark.parametrize("name", PUBLISHED)
def test_positions_are_the_published_ones(name):
    np.testing.assert_allclose(place(name), PUBLISHED[name], rtol=0, atol=1e-6)


def test_all_positions_together_sum_to_the_published_sums():
    positions = np.array([place(name) for name in sorted(reve_names())])  # (543, 3)
    weights = np.arange(1, 544) / 543
    np.testing.assert_allclose(positions.sum(axis=0), SUM, rtol=0, atol=5e-6)
    np.testing.assert_allclose(weights @ positions, WEIGHTED_SUM, rtol=0, atol=5e-6)
    np.testing.assert_allclose(weights @ positions**2, WEIGHTED_SQUARES, rtol=0, atol=1e-6)
    assert len({tuple(position) for position in positions}) == 400


def test_recordings_and_bank_place_the_template_alike():
    found = head_to_mri(np.array([locate(name, "eeg").position for name in TEN_FIVE]))
    np.testing.assert_allclose(found, reve_positions(TEN_FIVE), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("written", "electrode"),
    [
        ("EEG FP1-REF", "Fp1"),
        ("fp1", "Fp1"),
        ("Fp1..", "Fp1"),
        ("Fp1-LE", "Fp1"),
        ("POL Fp1", "Fp1"),
        ("afz", "AFz"),
        ("t5", "P7"),
        ("EEG T4-(A1+A2)/2", "T8"),
        ("INION", "Iz"),
        ("e129", "Cz"),
        ("BioSemi128_d32", "D32"),
        ("EEG a1", "A1"),
    ],
)
def test_names_as_files_write_them(written, electrode):
    np.testing.assert_array_equal(place(written), place(electrode))


def test_the_rest_of_the_template_is_placed_too():
    assert "AF1" not in reve_names()
    np.testing.assert_allclose(place("AF1"), head_to_mri(np.array(locate("AF1").position)), rtol=0, atol=1e-7)


@pytest.mark.parametrize("pair", ["FP1-F7", "EEG Fp1-F7", "fp1 - f7", "Fp1–F7-0"])
def test_bipolar_pairs_lie_in_the_middle(pair):
    np.testing.assert_allclose(place(pair), (place("Fp1") + place("F7")) / 2, rtol=0, atol=1e-15)


def test_rows_stand_in_the_order_of_the_names():
    names = ["O2", "Cz", "O2", "FP1-F7"]
    np.testing.assert_array_equal(reve_positions(names), [place(name) for name in names])
    assert reve_positions([]).shape == (0, 3)


def test_unknown_names_are_all_named():
    with pytest.raises(UsageError, match=r"2 of 4 channels \('EXG1', 'C3-X9'\).*unplaced"):
        reve_positions(["Cz", "EXG1", "C3-X9", "Pz"])


def test_unknown_names_keep_their_rows():
    positions = reve_positions(["Cz", "EXG1", "C3-X9", "Pz"], on_unknown="unplaced")
    assert np.isnan(positions).all(axis=1).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(positions[[0, 3]], [place("Cz"), place("Pz")])


@pytest.mark.parametrize("name", ["ECG A1", "EMG C3", "E1-M2", "EOG", "Status", "", "-", "O9"])
def test_what_is_no_electrode_has_no_position(name):
    assert np.isnan(reve_positions([name], on_unknown="unplaced")).all()


def test_biosemi_inputs_need_their_prefix_where_the_template_has_the_name():
    assert sorted(TWO_MEANINGS) == ["A1", "A2", "C1", "C2", "C3", "C4", "C5", "C6"]
    for name in TWO_MEANINGS:
        assert np.linalg.norm(place(name) - place(f"biosemi128_{name}")) > 0.03
        np.testing.assert_allclose(place(name), head_to_mri(np.array(locate(name, "eeg").position)), rtol=0, atol=1e-7)
    for name in ("A3", "b32", "C7", "D1"):
        np.testing.assert_array_equal(place(name), place(f"biosemi128_{name}"))


@pytest.mark.parametrize("on_unknown", ["raise", "unplaced"])
def test_a_biosemi_file_is_not_mistaken_for_ear_lobes(on_unknown):
    inputs = [f"{row}{number}" for row in "ABCD" for number in range(1, 33)]
    with pytest.raises(UsageError, match="biosemi128_A1"):
        reve_positions(inputs, on_unknown)
    prefixed = reve_positions([f"biosemi128_{name}" for name in inputs], on_unknown)
    np.testing.assert_allclose(np.linalg.norm(prefixed, axis=1), 0.095, rtol=1e-6)


def test_a_policy_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match="warn"):
        reve_positions(["Cz"], on_unknown="warn")
