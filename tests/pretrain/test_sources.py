"""Sources of a run: their shares, copies with leads mixed, alignment."""

import logging
import pickle
from dataclasses import replace

import numpy as np
import pytest
from contracts.pretraining import recordings, small_run, write_shards

from biosig import config as configuration
from biosig.batches.loader import BatchPlan
from biosig.batches.mapped_recordings import COPY
from biosig.errors import UsageError
from biosig.evaluate.ledger import Ledger
from biosig.features.row import measure
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.lead_copies import LeadCopies
from biosig.pretrain.loop import pretrain
from biosig.pretrain.objectives.configs.features import FeaturesConfig
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.target_tables import load_targets
from biosig.pretrain.windows import load_windows, shares
from biosig.shards.dataset import open_shards
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def mixed(folder):
    return write_shards(folder, "mixed")


@pytest.fixture(scope="module")
def copies(mixed):
    return LeadCopies(open_shards(mixed), 3)


def write(folder, name, given):
    (folder / name).mkdir()
    with ShardWriter(folder / name / "all.h5", recipe={}) as writer:
        for recording in given:
            writer.add(recording)
    build_index(folder / name)
    return folder / name


# Shares


def drawn(plan, epochs):
    return [np.concatenate(plan.epoch(epoch)) for epoch in range(epochs)]


def test_shares_hold_and_each_window_comes_before_another_comes_again():
    source = np.repeat([0, 1, 2], [60, 25, 15])
    plan = BatchPlan(np.full(100, 5), 50, 3, source, [0.2, 0.5, 0.3])
    epochs = drawn(plan, 12)
    for order in epochs:
        assert len(order) == 100
        assert np.bincount(source[order]).tolist() == [20, 50, 30]
    for number, size in enumerate((60, 25, 15)):
        count = np.bincount(np.concatenate(epochs), minlength=100)[source == number]
        assert len(count) == size
        assert np.ptp(count) <= 1
    counts = [np.bincount(source[rows], minlength=3) for rows in plan.epoch(0)]
    assert all(len(set(c.tolist())) > 0 and c.sum() == 10 for c in counts)
    assert np.std([c[1] for c in counts]) > 0, "sources are mixed within batches"


def test_an_epoch_is_a_function_of_its_number_and_steps_resume_from_any():
    source, tokens = np.repeat([0, 1], [7, 4]), np.full(11, 5)
    plan = BatchPlan(tokens, 20, 0, source, [1 / 3, 2 / 3])
    whole = list(plan.batches(0, 30))
    again = BatchPlan(tokens, 20, 0, source, [1 / 3, 2 / 3])
    assert all(np.array_equal(a, b) for a, b in zip(again.batches(17, 30), whole[17:], strict=True))
    total = np.bincount(source[np.concatenate(drawn(plan, 60))])
    assert total / total.sum() == pytest.approx([1 / 3, 2 / 3], abs=0.005)
    other = BatchPlan(tokens, 20, 1, source, [1 / 3, 2 / 3])
    assert not np.array_equal(np.concatenate(other.epoch(0)), np.concatenate(plan.epoch(0)))


def test_without_shares_the_order_is_that_of_before():
    plan = BatchPlan(np.array([3, 0, 3, 3]), 6, 5)
    expected = np.random.default_rng([5, 2]).permutation([0, 2, 3])
    assert np.concatenate(plan.epoch(2)).tolist() == expected.tolist()


def test_sources_without_a_share_divide_the_rest(folder, mixed):
    eeg, ecg = write_shards(folder, "eeg"), write_shards(folder, "ecg")
    run = replace(
        small_run(folder, ReconstructionConfig()),
        sources=[SourceConfig(mixed, "duration < 5"), SourceConfig(eeg, share=0.4), SourceConfig(ecg)],
    )
    windows, _ = load_windows(run)
    source, share = shares(run, windows)
    n = np.bincount(source)
    assert share == pytest.approx([0.6 * n[0] / (n[0] + n[2]), 0.4, 0.6 * n[2] / (n[0] + n[2])])
    assert shares(replace(run, sources=[SourceConfig(mixed)]), windows) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0.5, 0.4], "0.9 together: they must be 1"),
        ([1.0, None], "leaves nothing for those without one"),
        ([0.0, None], "must be above 0"),
    ],
)
def test_shares_that_do_not_add_up_are_refused(given, message, folder):
    values = configuration.to_dict(small_run(folder, ReconstructionConfig()))
    values["sources"] = [{"shards": f"s{i}", "share": share} for i, share in enumerate(given)]
    with pytest.raises(UsageError, match=message):
        configuration.load(PretrainConfig, values)


def test_a_source_that_can_give_nothing_is_refused():
    with pytest.raises(UsageError, match="Source number 1 is to give 50%"):
        BatchPlan(np.array([5, 5, 0]), 10, 0, np.array([0, 0, 1]), [0.5, 0.5])


# Copies


def test_copies_are_recordings_of_the_same_people_with_leads_mixed(copies, mixed):
    ds = open_shards(mixed)
    table = copies.to_pandas()
    assert len(copies) == len(table) == 3 * 4
    assert table[COPY].tolist() == ["0", "1", "2"] * 4
    maps = []
    for row in range(len(copies)):
        copy, recording = copies[row], ds[int(copies.rows_within(np.array([row]))[0])]
        assert (copy.id, copy.content_hash, copy.subject) == (recording.id, recording.content_hash, recording.subject)
        lead_map = copy._window.lead_map(recording)
        x, y = recording.read().streams[0].physical(), copy.read().streams[0].physical()
        real = np.isfinite(y)
        expected = lead_map @ np.nan_to_num(x)
        np.testing.assert_allclose(y[real], expected[real], atol=1e-4)
        maps.append(lead_map)
    assert len({m.tobytes() for m in maps}) == 12


def test_a_gap_of_a_lead_is_a_gap_of_what_is_made_of_it_alone(copies):
    (row,) = (row for row in range(0, len(copies), 3) if len(copies[row].recording.read().streams[0].invalid))
    copy = copies[row]
    original = copy.recording.read().streams[0].physical()
    gap = np.isnan(original).any(0)
    values = copy.read().streams[0].physical()
    assert gap.any()
    # lead 3 is aVR, and all are made of I, II and the chest leads
    assert not np.isnan(values).any()
    lead_map = np.eye(12)
    lead_map[4, 3] = 0.5
    copy._window.lead_map = lambda _: lead_map
    np.testing.assert_array_equal(np.isnan(copy.read().streams[0].physical()).any(1), np.isin(np.arange(12), [3, 4]))


def test_parts_of_a_copy_are_parts_of_it(copies):
    whole, part = copies[1].read(), copies[1].read(1.0, 2.0)
    sfreq = int(whole.streams[0].sfreq)
    np.testing.assert_array_equal(part.streams[0].physical(), whole.streams[0].physical()[:, sfreq : 3 * sfreq])
    assert "ecg" not in part.robust_scale
    again = pickle.loads(pickle.dumps(copies))[1].read()
    np.testing.assert_array_equal(again.streams[0].physical(), whole.streams[0].physical())


def test_amplitudes_of_a_copy_are_measured_anew_and_its_rate_stays(copies):
    copy = copies[3]
    old, new = (measure(one.read(), ("ecg",))[0] for one in (copy.recording, copy))
    assert new["ecg.rate"] == pytest.approx(old["ecg.rate"], rel=0.03)
    assert abs(new["ecg.r_amplitude[V5]"] - old["ecg.r_amplitude[V5]"]) > 1e-3


def test_recordings_whose_amplitudes_cannot_be_believed_are_not_copied(folder, caplog):
    ecg = recordings("ecg")[1]
    values = ecg.streams[0].physical()
    scaled = values / values.std(1, keepdims=True)

    def with_values(name, x, **keys):
        channels = tuple(replace(c, **keys) for c in ecg.streams[0].channels)
        one = np.ones(len(x))
        stream = replace(ecg.streams[0], samples=x.astype(np.float32), scale=one, offset=0 * one, channels=channels)
        return replace(ecg, id=name, streams=[stream])

    few = replace(ecg, id="few", streams=[ecg.streams[0].pick([0, 1, 6])])
    off = values.copy()
    off[7] = 0.0
    others = [
        few,
        with_values("V2 off", off),
        with_values("z-scored, said to be in mV", scaled),
        with_values("no unit", scaled, unit="NU"),
    ]
    shards = write(folder, "doubted", [*others, ecg])
    with caplog.at_level(logging.WARNING):
        copies = LeadCopies(open_shards(shards), 2)
    assert {copies[row].id for row in range(len(copies))} == {ecg.id}
    assert "4 of 5 recordings are not copied" in caplog.text
    with pytest.raises(UsageError, match="None of 4 recordings has the twelve leads"):
        LeadCopies(open_shards(write(folder, "none", others)), 2)


def test_a_person_and_all_copies_are_on_one_side_and_copies_validate_nothing(folder, mixed, caplog):
    both = [SourceConfig(mixed), SourceConfig(mixed, copies=2, share=0.5)]
    for seed in range(4):
        run = replace(small_run(folder, ReconstructionConfig()), sources=both, validation=0.3, seed=seed)
        caplog.clear()
        train, validation = load_windows(run)
        messages = [record.message for record in caplog.records if "there twice" in record.message]
        assert [message.split(" ")[0] for message in messages] == ["1"], "the two cuttings of one EEG, and no copy"
        hashes = [{w.ds[int(r)].content_hash for r in np.unique(w.recording)} for w in (train, validation)]
        assert hashes[1]
        assert not hashes[0] & hashes[1]
        assert set(train.ds.source_of(train.recording)) == {0, 1}
        assert set(validation.ds.source_of(validation.recording)) == {0}
        alone = load_windows(replace(run, sources=[SourceConfig(mixed)]))[1]
        assert {alone.ds[int(r)].content_hash for r in np.unique(alone.recording)} == hashes[1]


def test_a_run_on_shares_copies_and_aligned_eeg_resumes_to_the_bit(folder, mixed, tmp_path):
    run = replace(
        small_run(folder, ReconstructionConfig()),
        sources=[
            SourceConfig(mixed, "duration < 5", share=0.3),
            SourceConfig(mixed, copies=2, share=0.3),
            SourceConfig(write(folder, "long", long_eegs()), align="first_minute", share=0.4),
        ],
    )

    def kill(*about):
        if about[1] == 3:
            raise KeyboardInterrupt

    whole = pretrain(replace(run, out=tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        pretrain(replace(run, out=tmp_path / "cut"), kill)
    cut = pretrain(replace(run, out=tmp_path / "cut"))
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    card = (whole / "README.md").read_text()
    assert "2 copies of each recording with its leads mixed, 30% of the windows" in card
    assert "EEG aligned by first minute" in card
    seen = Ledger.load(whole)
    assert seen is not None


def long_eegs():
    from biosig import read, samples

    eeg = read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0]).crop(0, 14)
    return [replace(eeg, id="long")]


def test_an_aligned_source_is_read_aligned_and_leads_keep_their_names(folder):
    run = small_run(folder, ReconstructionConfig())
    shards = write(folder, "align", long_eegs())
    plain, aligned = (
        load_windows(replace(run, sources=[SourceConfig(shards, align=align)]))[0].read(1)
        for align in ("none", "subject")
    )
    assert plain.channels == aligned.channels
    x, y = (one.streams[0].physical() for one in (plain, aligned))
    assert (
        np.abs(np.corrcoef(y)[np.triu_indices(len(y), 1)]).mean()
        < np.abs(np.corrcoef(x)[np.triu_indices(len(x), 1)]).mean()
    )
    with pytest.raises(UsageError, match="align=subject mixes EEG electrodes"):
        load_windows(replace(run, sources=[SourceConfig(write_shards(folder, "ecg"), align="subject")]))


def test_a_source_may_have_windows_of_its_own_and_a_folder_may_be_two_sources(folder, mixed, tmp_path, caplog):
    term = FeaturesConfig()
    own = SourceConfig(mixed, window=1.0, stride=0.5)
    run = replace(small_run(folder, term), out=tmp_path, sources=[SourceConfig(mixed), own])
    windows = load_windows(run)[0]
    source = windows.ds.source_of(windows.recording)
    assert set(windows.duration[source == 0]) == {2.0}
    assert set(windows.duration[source == 1]) == {1.0}
    assert 0.5 in windows.onset[source == 1]
    messages = [record.message for record in caplog.records if "there twice" in record.message]
    assert [message.split(" ")[0] for message in messages] == ["1"], "the two cuttings of one EEG, each told once"
    both = load_targets(run, windows, ["features"])
    alone = replace(run, sources=[own])
    again = load_targets(alone, load_windows(alone)[0], ["features"])
    column = both.columns["features"].index("ecg.hr_mean") if "ecg.hr_mean" in both.columns["features"] else 0
    name = both.columns["features"][column]
    np.testing.assert_array_equal(
        both.values["features"][source == 1, column], again.values["features"][:, again.columns["features"].index(name)]
    )
    with pytest.raises(UsageError, match="No recording is as long as a window of 500 s"):
        load_windows(replace(run, window=500.0, sources=[SourceConfig(mixed)]))
