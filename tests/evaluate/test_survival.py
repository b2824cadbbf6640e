import numpy as np
import pytest

from biosig.errors import DataError
from biosig.evaluate.metrics.survival import auroc_at, concordance, dynamic_auroc, plain, uno_concordance


def cohort():
    rng = np.random.default_rng(7)
    risk = np.round(rng.normal(size=80), 1)  # with ties
    happens, lost = rng.exponential(np.exp(-0.8 * risk)), rng.exponential(1.2, 80)
    return np.stack([np.minimum(happens, lost), happens <= lost], axis=1).astype(float), risk


def test_scores_are_those_of_scikit_survival():
    # concordance_index_censored, concordance_index_ipcw and cumulative_dynamic_auc of scikit-survival 0.28.0
    y, risk = cohort()
    assert plain(concordance)(y, risk) == pytest.approx(0.6573889993373094, rel=1e-12)
    assert plain(uno_concordance)(y, risk) == pytest.approx(0.671756096543715, rel=1e-12)
    horizons = np.percentile(y[y[:, 1] > 0, 0], [25, 50, 75])
    found = [auroc_at(y, risk, np.ones((1, 80)), horizon)[0] for horizon in horizons]
    np.testing.assert_allclose(found, [0.59910868, 0.70871949, 0.69488986], atol=1e-8)
    assert plain(dynamic_auroc)(y, risk) == pytest.approx(np.mean(found))
    y[:, 0] = np.ceil(4 * y[:, 0])  # and with ties of times
    assert plain(concordance)(y, risk) == pytest.approx(0.6776750330250991, rel=1e-12)


def test_a_risk_that_knows_the_order_scores_one_and_its_opposite_zero():
    y = np.stack([np.arange(1.0, 9.0), [1, 0, 1, 1, 0, 1, 1, 0]], axis=1)
    for score in (concordance, uno_concordance, dynamic_auroc):
        assert plain(score)(y, -y[:, 0]) == 1
        assert plain(score)(y, y[:, 0]) == 0
        assert plain(score)(y, np.zeros(8)) == 0.5


@pytest.mark.parametrize("score", [concordance, uno_concordance])
def test_weights_mean_rows_that_many_times(score):
    y, risk = cohort()
    times = np.random.default_rng(0).integers(0, 4, (3, 80))
    found = score(y, risk, times.astype(float))
    for row, drawn in enumerate(times):
        again = np.repeat(np.arange(80), drawn)
        assert found[row] == pytest.approx(plain(score)(y[again], risk[again]), rel=1e-12)


def test_horizons_stay_those_of_the_data_and_weights_mean_rows():
    y, risk = cohort()
    times = np.random.default_rng(1).integers(0, 4, (2, 80)).astype(float)
    again = np.repeat(np.arange(80), times[1].astype(int))
    alone = auroc_at(y[again], risk[again], np.ones((1, len(again))), 0.4)
    assert auroc_at(y, risk, times, 0.4)[1] == pytest.approx(alone[0], rel=1e-12)


def test_blocks_change_nothing(monkeypatch):
    y, risk = cohort()
    whole = plain(uno_concordance)(y, risk)
    monkeypatch.setattr("biosig.evaluate.metrics.survival._BLOCK_PAIRS", 80 * 7)
    assert plain(uno_concordance)(y, risk) == pytest.approx(whole, rel=1e-12)


def test_nobody_to_compare_is_said_or_nan():
    y, risk = np.array([[1.0, 0], [2.0, 0]]), np.zeros(2)
    for score in (concordance, uno_concordance, dynamic_auroc):
        assert np.isnan(score(y, risk, np.ones((2, 2)))).all()
        with pytest.raises(DataError, match="None of 2 rows has an event"):
            plain(score)(y, risk)
