"""The mathematics of the terms that predict features and criteria, by hand, and what their targets hang on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig import samples
from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.errors import UsageError
from biosig.features import extract
from biosig.models.build import make_encoder
from biosig.models.presets import preset
from biosig.pretrain.build import resize
from biosig.pretrain.config import EncoderSize
from biosig.pretrain.objectives.columns import pick
from biosig.pretrain.objectives.configs.criteria import CriteriaConfig
from biosig.pretrain.objectives.configs.features import FeaturesConfig
from biosig.pretrain.objectives.features import standards
from biosig.pretrain.objectives.neck import Neck, pooled_tokens
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.by_person import usual_of
from biosig.pretrain.targets.features import FeatureTargets

NAN = math.nan
NAMES = ("ecg.rate", "ecg.rr_min", "ecg.rr_max", "ecg.sokolow", "ecg.score_qrs_120", "ecg.score_lvh_sokolow")
RATE, RR_MIN, RR_MAX, SOKOLOW, WIDE, LVH = range(6)


def targets(*rows):
    return Targets({"features": NAMES}, {"features": np.array(rows, np.float32)})


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return make_encoder(resize(preset("biosig-tiny"), EncoderSize(embed_dim=32, depth=1, num_heads=2, head_dim=16)))


@pytest.fixture(scope="module")
def batch(encoder):
    ecgs = [biosig.read(path).crop(0, 2) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:3]]
    return pack([prepare(ecg, encoder.config.contract) for ecg in ecgs], encoder.config.contract)


TRAIN = targets(
    [60, 800, 1000, 2.0, 0.1, 0.1], [70, 820, 900, 3.0, 0.9, 0.3], [80, 600, 800, 1.0, 0.5, 0.2],
    [90, 700, 700, 4.0, 0.2, 0.9],
)  # fmt: skip


def loss_of(encoder, batch, config, values, train=TRAIN, **extras):
    """The objective's loss and parts where its heads predict nothing: zeros."""
    objective = Objective(encoder, [config], targets=train).eval()
    for part in objective.terms[0].parts.values():
        for name, head in part.named_children():
            if name != "neck" and head is not None:
                torch.nn.init.zeros_(head.weight)
                torch.nn.init.zeros_(head.bias)
    extras = {"features": torch.tensor(values, dtype=torch.float32), **extras}
    views = objective.views(replace(batch, extras=extras), torch.zeros(batch.n_tokens, dtype=torch.bool))
    return {name: value.item() for name, value in objective(views).items()}


def huber(x):
    return x * x / 2 if abs(x) <= 1 else abs(x) - 0.5


def test_the_scale_is_of_quantiles_and_of_the_deviation_where_these_are_one():
    values = np.array([[n, 5.0 if n == 9 else 0.0, NAN if n < 2 else n] for n in range(11)], np.float32)
    centre, scale = standards(values)
    assert centre == pytest.approx([5, 0, 6])
    assert scale == pytest.approx([8 / 2.56, np.std([0.0] * 10 + [5.0]), 6.4 / 2.56])


def test_families_weigh_alike_and_windows_weigh_alike(encoder, batch):
    centre, scale = standards(TRAIN.values["features"])

    def error(column, value):
        return huber(float(np.clip((value - centre[column]) / scale[column], -4, 4)))

    first = [95, 650, 1000, 3.5, 0.5, 0.5]
    second = [100, NAN, NAN, NAN, NAN, NAN]
    rhythm = (error(RATE, 95) + error(RR_MIN, 650) + error(RR_MAX, 1000)) / 3
    expected = ((rhythm + error(SOKOLOW, 3.5)) / 2 + error(RATE, 100)) / 2
    found = loss_of(encoder, batch, FeaturesConfig(), [first, second, [NAN] * 6])
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["loss_ecg"] == pytest.approx(expected, rel=1e-5)


def test_what_is_far_off_is_clipped_at_four_deviations(encoder, batch):
    far = [1e6, NAN, NAN, NAN, NAN, NAN]
    assert loss_of(encoder, batch, FeaturesConfig(), [far] * 3)["loss"] == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("changed", "holding"),
    [([0, 0, 0], (RATE, SOKOLOW)), ([1, 0, 0], (RATE,)), ([0, 1, 1], (RATE,)), ([1, 1, 1], (RATE,))],
)
def test_a_changed_amplitude_or_lead_masks_what_hangs_on_it(encoder, batch, changed, holding):
    row = [95, NAN, NAN, 3.5, NAN, NAN]
    alone = [[value if column in holding else NAN for column, value in enumerate(row)]] * 3
    changed = torch.tensor([changed] * 3, dtype=torch.bool)
    masked = loss_of(encoder, batch, FeaturesConfig(), [row] * 3, changed=changed)["loss"]
    assert masked == pytest.approx(loss_of(encoder, batch, FeaturesConfig(), alone)["loss"])


def test_criteria_of_amplitude_are_masked_as_features_are(encoder, batch):
    row = [NAN, NAN, NAN, NAN, 0.2, 0.9]
    rate = TRAIN.values["features"][:, WIDE].mean()
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    changed = torch.tensor([[True, False, False]] * 3)
    found = loss_of(encoder, batch, CriteriaConfig(), [row] * 3, changed=changed)
    assert found["loss"] == pytest.approx(math.log(2) / entropy, rel=1e-5)  # whatever the score: a logit of zero


def test_nothing_that_holds_is_a_loss_of_zero_with_gradients(encoder, batch):
    for rows in ([[NAN] * 6] * 3, [[NAN] * 3 + [1, NAN, 0.5]] * 3):
        objective = Objective(encoder, [FeaturesConfig(), CriteriaConfig()], targets=TRAIN)
        extras = {"features": torch.tensor(rows), "changed": torch.ones(3, 3, dtype=torch.bool)}
        views = objective.views(replace(batch, extras=extras), torch.zeros(batch.n_tokens, dtype=torch.bool))
        loss = objective(views)["loss"]
        loss.backward()
        assert loss.item() == 0
        assert all(p.grad is None or p.grad.isfinite().all() for p in objective.parameters())
        objective.zero_grad()


def test_relative_features_are_deviations_from_the_persons_own_mean(encoder, batch):
    values = TRAIN.values["features"]
    person = np.array([0, 0, 0, 1])
    usual = usual_of(values, person)
    _, scale = standards(values)
    config = FeaturesConfig(relative=0.5)
    row = [90, NAN, NAN, NAN, NAN, NAN]
    extras = {"features_usual": torch.from_numpy(usual[np.array([0, 0, 3])])}
    found = loss_of(encoder, batch, config, [row] * 3, **extras)
    spread = np.std([60, 70, 80])
    deviation = huber((90 - 70) / (spread + 0.1 * scale[RATE]))
    assert found["relative_ecg"] == pytest.approx(deviation * 2 / 3, rel=1e-4)  # who has one window has no usual one
    absolute = loss_of(encoder, batch, FeaturesConfig(), [row] * 3)["loss"]
    assert found["loss"] == pytest.approx(absolute + 0.5 * deviation * 2 / 3, rel=1e-4)


def test_features_per_source_are_deviations_from_the_median_of_their_own_source(encoder, batch):
    values = TRAIN.values["features"]
    apart = Targets({"features": NAMES}, {"features": np.concatenate([values, values + 1000])}, np.repeat([0, 1], 4))
    config = FeaturesConfig(per_source=("ecg",))
    row = [95, 650, 1000, 3.5, NAN, NAN]
    rows = [row, [value + 1000 for value in row], row]
    found = loss_of(encoder, batch, config, rows, apart, source=torch.tensor([0, 1, 0]))["loss"]
    assert found == pytest.approx(loss_of(encoder, batch, FeaturesConfig(), [row] * 3)["loss"], rel=1e-4)
    assert Objective(encoder, [config], targets=apart).heads() == []


def test_a_column_that_a_source_lacks_is_not_taught_there(encoder, batch):
    values = TRAIN.values["features"].copy()
    other = values.copy()
    other[:, SOKOLOW] = NAN
    apart = Targets({"features": NAMES}, {"features": np.concatenate([values, other])}, np.repeat([0, 1], 4))
    config = FeaturesConfig(per_source=("ecg",))
    rows = [[95, NAN, NAN, sokolow, NAN, NAN] for sokolow in (NAN, 3.5, NAN)]
    source = torch.tensor([0, 1, 0])
    found = loss_of(encoder, batch, config, rows, apart, source=source)["loss"]
    alone = [[95, NAN, NAN, NAN, NAN, NAN]] * 3
    assert found == pytest.approx(loss_of(encoder, batch, config, alone, apart, source=source)["loss"])


def test_per_source_names_kinds_of_features():
    with pytest.raises(UsageError, match="per_source names emg; features are of ecg, ppg, eeg"):
        FeaturesConfig(per_source=("emg",))


def test_a_ratio_between_channels_holds_under_one_gain_and_not_under_gains_of_their_own(encoder):
    names = ("eeg.front_back_alpha", "eeg.region_power_alpha[frontal left]")
    rows = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    term = Objective(
        make_encoder(preset("biosig-fused-tiny")), [FeaturesConfig()],
        targets=Targets({"features": names}, {"features": rows}),
    ).terms[0]  # fmt: skip
    changed = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 0, 1]])
    holds = term.parts["eeg"].holds(torch.from_numpy(rows), changed)
    assert holds.tolist() == [[True, True], [True, False], [False, False]]


def test_columns_of_few_windows_and_constant_ones_are_left_out_and_told(caplog):
    values = np.full((200, 6), NAN, np.float32)
    values[:, RATE] = np.arange(200)
    values[:3, RR_MIN] = [1, 2, 3]  # 1.5 %
    values[:4, SOKOLOW] = [1, 2, 3, 4]  # 2 %
    values[:, RR_MAX] = 7
    with caplog.at_level("INFO"):
        assert pick(NAMES, values, lambda column: not column.column.name.startswith("score_")).tolist() == [0, 3]
    assert "since measured in less than 2% of the windows (1 columns): ecg.rr_min." in caplog.text
    assert "since constant (1 columns): ecg.rr_max." in caplog.text


def test_the_share_is_of_the_windows_that_have_the_modality(encoder):
    rows = np.full((1000, 6), NAN, np.float32)
    rows[:5, RATE] = [50, 60, 70, 80, 90]
    term = Objective(encoder, [FeaturesConfig()], targets=Targets({"features": NAMES}, {"features": rows})).terms[0]
    assert term.parts["ecg"].names == ("ecg.rate",)


def test_an_objective_without_targets_or_with_nothing_to_teach_is_refused(encoder):
    with pytest.raises(UsageError, match="features needs the targets features of the training windows: load them"):
        Objective(encoder, [FeaturesConfig()])
    with pytest.raises(UsageError, match="criteria finds nothing to teach"):
        Objective(encoder, [CriteriaConfig()], targets=targets([NAN] * 6, [60, 1, 1, 1, NAN, NAN]))


def test_a_planted_wrong_unit_has_times_and_no_amplitudes():
    ecg = biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])
    (stream,) = ecg.streams
    wrong = replace(ecg, streams=[replace(stream, scale=1000 * stream.scale)])  # microvolts called millivolts
    found, sound = FeatureTargets()(wrong), FeatureTargets()(ecg)
    assert found.keys() == sound.keys()
    assert math.isnan(found["ecg.sokolow"])
    assert math.isfinite(sound["ecg.sokolow"])
    assert math.isnan(found["ecg.score_lvh_sokolow"])
    assert found["ecg.rate"] == pytest.approx(sound["ecg.rate"])
    assert found["ecg.score_qrs_120"] == pytest.approx(sound["ecg.score_qrs_120"], abs=1e-3)
    assert sound["ecg.rate"] == pytest.approx(extract(ecg)["ecg.rate"])


def test_the_neck_reads_mean_largest_and_deviation_of_each_windows_tokens(encoder, batch):
    objective = Objective(encoder, [FeaturesConfig()], targets=TRAIN).eval()
    views = objective.views(batch, torch.zeros(batch.n_tokens, dtype=torch.bool))
    states = views.full()
    windows, pooled = pooled_tokens(views, states, "ecg")
    assert windows.tolist() == [0, 1, 2]
    for window in windows:
        tokens = states.output[states.window == window]
        expected = torch.cat((tokens.mean(0), tokens.amax(0), tokens.std(0, unbiased=False)))
        assert torch.allclose(pooled[window], expected, atol=1e-5)
    assert not len(pooled_tokens(views, states, "eeg")[0])


def test_the_neck_standardises_over_the_batch_and_one_window_by_what_it_has_seen():
    neck = Neck(4, width=3).train()
    seen = torch.randn(50, 12) * 5 + 2
    z = neck(seen)
    standardised = (seen - seen.mean(0)) / (seen.var(0, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(z, neck.linear(standardised), atol=1e-4)
    before = {name: buffer.clone() for name, buffer in neck.named_buffers()}
    alone = neck(seen[:1])
    assert all(torch.equal(before[name], buffer) for name, buffer in neck.named_buffers())
    assert torch.allclose(alone, neck.eval()(seen[:1]), atol=1e-5)


def test_without_amplitudes_no_column_of_a_gain_is_taught(encoder):
    term = Objective(encoder, [FeaturesConfig(amplitudes=False)], targets=TRAIN).terms[0]
    assert term.parts["ecg"].names == ("ecg.rate", "ecg.rr_min", "ecg.rr_max")


def test_the_persons_own_mean_is_of_the_same_source(encoder):
    values = np.array([[1, NAN, NAN, 1, NAN, NAN]] * 2 + [[3, NAN, NAN, 5, NAN, NAN]] * 2, np.float32)
    both = Targets({"features": NAMES}, {"features": values + np.arange(4)[:, None]}, np.array([0, 0, 1, 1]))
    person = np.zeros(4, np.int64)
    for per_source, mean in (((), [3.5] * 4), (("ecg",), [1.5, 1.5, 5.5, 5.5])):
        config = FeaturesConfig(relative=0.5, per_source=per_source)
        usual = Objective(encoder, [config], targets=both).terms[0].by_person(both, person)["features_usual"]
        assert usual[np.arange(4)][:, 0, RATE].tolist() == mean
